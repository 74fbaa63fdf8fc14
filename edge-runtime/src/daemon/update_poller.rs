//! Checks the device's own channel for updates, and installs one when somebody asks for it.
//!
//! The work itself is the [updater's](Updater). The bundle's way from there is that of any update.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use update::{Offer, Task};

use super::updater::{Updater, Work};
use crate::config::{Config, UpdateConfig};
use crate::sink::updates::Updates;

/// Time to the first check: the network may need some time after a start.
const FIRST_CHECK: Duration = Duration::from_mins(1);

/// Time to the next check after one that failed.
const RETRY: Duration = Duration::from_mins(15);

/// Checks the channel at intervals, and installs on request.
pub(super) struct UpdatePoller {
    updater: Arc<dyn Updater>,
    /// Time between two checks; zero is never.
    interval: Duration,
    next: Duration,
    task: Option<(Task, Box<dyn Work>)>,
    updates: Arc<Updates>,
}

impl UpdatePoller {
    /// A poller for the channel of a configuration, if it has one; nothing is done before the first tick.
    pub(super) fn new(config: &Config, updater: Arc<dyn Updater>, updates: &Arc<Updates>) -> Option<Self> {
        let UpdateConfig {
            channel,
            check_interval,
            ..
        } = config.update.as_ref()?;
        channel.as_ref()?;
        Some(Self {
            updater,
            interval: *check_interval,
            next: FIRST_CHECK.min(*check_interval),
            task: None,
            updates: Arc::clone(updates),
        })
    }

    /// To be called every second; `offer` is what the device has.
    pub(super) fn tick(&mut self, now: Duration, offer: Offer, log: &mut dyn FnMut(String)) {
        if let Err(error) = self.go_on(now) {
            self.next = now + RETRY;
            log(format!("look for updates: {error}"));
        }
        let installs = matches!(self.task, Some((Task::Install, _)));
        self.updates.set_offer(Offer {
            in_progress: offer.in_progress || installs,
            ..offer
        });
    }

    fn go_on(&mut self, now: Duration) -> io::Result<()> {
        if let Some((_, work)) = &mut self.task {
            let Some(went_well) = work.poll()? else {
                return Ok(());
            };
            // The process has logged itself what went wrong.
            let wait = if went_well {
                self.interval
            } else {
                RETRY.min(self.interval)
            };
            self.next = now + wait;
            self.task = None;
        }
        let task = if self.updates.take_request() {
            Task::Install
        } else if !self.interval.is_zero() && now >= self.next {
            Task::Check
        } else {
            return Ok(());
        };
        self.task = Some((task, self.updater.start(task)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes tasks; what becomes of one is set from outside.
    #[derive(Default)]
    struct Noted {
        tasks: Mutex<Vec<Task>>,
        outcome: Arc<Mutex<Option<bool>>>,
    }

    struct Asked(Arc<Mutex<Option<bool>>>);

    impl Work for Asked {
        fn poll(&mut self) -> io::Result<Option<bool>> {
            Ok(*self.0.lock().unwrap())
        }
    }

    impl Updater for Noted {
        fn start(&self, task: Task) -> io::Result<Box<dyn Work>> {
            self.tasks.lock().unwrap().push(task);
            Ok(Box::new(Asked(Arc::clone(&self.outcome))))
        }
    }

    const HOUR: u64 = 3600;

    /// A poller that checks every hour.
    fn poller() -> (UpdatePoller, Arc<Noted>, Arc<Updates>) {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[update]\nchannel = \"x\"\ncheck_interval_s = {HOUR}\n");
        let (updater, updates) = (Arc::new(Noted::default()), Arc::new(Updates::default()));
        let config = Config::parse(&text).unwrap();
        let poller = UpdatePoller::new(&config, Arc::clone(&updater) as Arc<dyn Updater>, &updates).unwrap();
        (poller, updater, updates)
    }

    fn found() -> Offer {
        Offer {
            installed: 1,
            latest: 2,
            in_progress: false,
        }
    }

    /// The tasks begun by the end of these seconds.
    fn after(poller: &mut UpdatePoller, updater: &Noted, seconds: impl IntoIterator<Item = u64>) -> usize {
        for second in seconds {
            poller.tick(Duration::from_secs(second), found(), &mut |message| panic!("{message}"));
        }
        updater.tasks.lock().unwrap().len()
    }

    #[test]
    fn without_a_channel_there_is_nothing_to_check() {
        let config = Config::parse("schema = 1\nsource.uri = \"-\"\n[update]\n").unwrap();
        assert!(UpdatePoller::new(&config, Arc::new(Noted::default()), &Arc::default()).is_none());
    }

    #[test]
    fn it_checks_after_a_minute_then_every_hour_and_sooner_after_a_failure() {
        let (mut poller, updater, _) = poller();
        *updater.outcome.lock().unwrap() = Some(true);
        assert_eq!(after(&mut poller, &updater, 0..60), 0);
        assert_eq!(after(&mut poller, &updater, 60..61 + HOUR), 1);
        *updater.outcome.lock().unwrap() = Some(false);
        assert_eq!(after(&mut poller, &updater, [61 + HOUR, 62 + HOUR]), 2);
        let failed = 62 + HOUR;
        assert_eq!(after(&mut poller, &updater, failed..failed + RETRY.as_secs()), 2);
        assert_eq!(after(&mut poller, &updater, [failed + RETRY.as_secs()]), 3);
        assert!(updater.tasks.lock().unwrap().iter().all(|task| *task == Task::Check));
    }

    #[test]
    fn one_errand_is_done_at_a_time() {
        let (mut poller, updater, _) = poller();
        assert_eq!(after(&mut poller, &updater, 0..10 * HOUR), 1);
    }

    #[test]
    fn what_is_requested_is_installed_at_once_and_shown_as_in_progress() {
        let (mut poller, updater, updates) = poller();
        assert_eq!(after(&mut poller, &updater, [0]), 0);
        assert!(updates.request(b"INSTALL"));
        assert_eq!(after(&mut poller, &updater, [1]), 1);
        assert_eq!(*updater.tasks.lock().unwrap(), [Task::Install]);
        assert!(updates.offer().in_progress);
        *updater.outcome.lock().unwrap() = Some(true);
        assert_eq!(after(&mut poller, &updater, [2]), 1);
        assert!(!updates.offer().in_progress);
    }

    #[test]
    fn an_updater_that_cannot_be_started_is_logged_and_tried_again_later() {
        struct Missing;
        impl Updater for Missing {
            fn start(&self, _: Task) -> io::Result<Box<dyn Work>> {
                Err(io::ErrorKind::NotFound.into())
            }
        }
        let (mut poller, ..) = poller();
        poller.updater = Arc::new(Missing);
        let mut told = Vec::new();
        for second in 0..61 + RETRY.as_secs() {
            poller.tick(Duration::from_secs(second), found(), &mut |message| told.push(message));
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("look for updates: "), "{told:?}");
    }
}
