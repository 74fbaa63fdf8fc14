//! Looks for updates on the device's own channel, and brings one in when somebody wishes for it.
//!
//! The work itself is the [updater's](Updater). The bundle's way from there is that of any update.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use update::Offer;

use super::updater::{Errand, Updater, Work};
use crate::config::{Config, UpdateConfig};
use crate::sink::updates::Updates;

/// The first look: the network may need some time after a start.
const FIRST: Duration = Duration::from_mins(1);

/// Time to the next look after one that failed.
const AGAIN: Duration = Duration::from_mins(15);

/// Sends the updater to the channel.
pub(super) struct Agent {
    updater: Arc<dyn Updater>,
    /// Time between two looks; zero is never.
    every: Duration,
    next: Duration,
    errand: Option<(Errand, Box<dyn Work>)>,
    updates: Arc<Updates>,
}

impl Agent {
    /// An agent for the channel of a configuration, if it has one; nothing is done before the first tick.
    pub(super) fn new(config: &Config, updater: Arc<dyn Updater>, updates: &Arc<Updates>) -> Option<Self> {
        let UpdateConfig {
            channel, look_every, ..
        } = config.update.as_ref()?;
        channel.as_ref()?;
        Some(Self {
            updater,
            every: *look_every,
            next: FIRST.min(*look_every),
            errand: None,
            updates: Arc::clone(updates),
        })
    }

    /// To be called every second; `offer` is what the device has.
    pub(super) fn tick(&mut self, now: Duration, offer: Offer, report: &mut dyn FnMut(String)) {
        if let Err(error) = self.go_on(now) {
            self.next = now + AGAIN;
            report(format!("look for updates: {error}"));
        }
        let installs = matches!(self.errand, Some((Errand::Install, _)));
        self.updates.tell(Offer {
            in_progress: offer.in_progress || installs,
            ..offer
        });
    }

    fn go_on(&mut self, now: Duration) -> io::Result<()> {
        if let Some((_, work)) = &mut self.errand {
            let Some(went_well) = work.poll()? else {
                return Ok(());
            };
            // What went wrong was said by whoever did it.
            let wait = if went_well { self.every } else { AGAIN.min(self.every) };
            self.next = now + wait;
            self.errand = None;
        }
        let errand = if self.updates.take_wish() {
            Errand::Install
        } else if !self.every.is_zero() && now >= self.next {
            Errand::Look
        } else {
            return Ok(());
        };
        self.errand = Some((errand, self.updater.start(errand)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes errands; what becomes of one is set from outside.
    #[derive(Default)]
    struct Noted {
        errands: Mutex<Vec<Errand>>,
        outcome: Arc<Mutex<Option<bool>>>,
    }

    struct Asked(Arc<Mutex<Option<bool>>>);

    impl Work for Asked {
        fn poll(&mut self) -> io::Result<Option<bool>> {
            Ok(*self.0.lock().unwrap())
        }
    }

    impl Updater for Noted {
        fn start(&self, errand: Errand) -> io::Result<Box<dyn Work>> {
            self.errands.lock().unwrap().push(errand);
            Ok(Box::new(Asked(Arc::clone(&self.outcome))))
        }
    }

    const HOUR: u64 = 3600;

    /// An agent that looks every hour.
    fn agent() -> (Agent, Arc<Noted>, Arc<Updates>) {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[update]\nchannel = \"x\"\nlook_every_s = {HOUR}\n");
        let (updater, updates) = (Arc::new(Noted::default()), Arc::new(Updates::default()));
        let config = Config::parse(&text).unwrap();
        let agent = Agent::new(&config, Arc::clone(&updater) as Arc<dyn Updater>, &updates).unwrap();
        (agent, updater, updates)
    }

    fn found() -> Offer {
        Offer {
            installed: 1,
            latest: 2,
            in_progress: false,
        }
    }

    /// The errands begun by the end of these seconds.
    fn after(agent: &mut Agent, updater: &Noted, seconds: impl IntoIterator<Item = u64>) -> usize {
        for second in seconds {
            agent.tick(Duration::from_secs(second), found(), &mut |news| panic!("{news}"));
        }
        updater.errands.lock().unwrap().len()
    }

    #[test]
    fn without_a_channel_there_is_nothing_to_look_at() {
        let config = Config::parse("schema = 1\nsource.uri = \"-\"\n[update]\n").unwrap();
        assert!(Agent::new(&config, Arc::new(Noted::default()), &Arc::default()).is_none());
    }

    #[test]
    fn it_looks_after_a_minute_then_every_hour_and_sooner_after_a_failure() {
        let (mut agent, updater, _) = agent();
        *updater.outcome.lock().unwrap() = Some(true);
        assert_eq!(after(&mut agent, &updater, 0..60), 0);
        assert_eq!(after(&mut agent, &updater, 60..61 + HOUR), 1);
        *updater.outcome.lock().unwrap() = Some(false);
        assert_eq!(after(&mut agent, &updater, [61 + HOUR, 62 + HOUR]), 2);
        let failed = 62 + HOUR;
        assert_eq!(after(&mut agent, &updater, failed..failed + AGAIN.as_secs()), 2);
        assert_eq!(after(&mut agent, &updater, [failed + AGAIN.as_secs()]), 3);
        assert!(
            updater
                .errands
                .lock()
                .unwrap()
                .iter()
                .all(|errand| *errand == Errand::Look)
        );
    }

    #[test]
    fn one_errand_is_done_at_a_time() {
        let (mut agent, updater, _) = agent();
        assert_eq!(after(&mut agent, &updater, 0..10 * HOUR), 1);
    }

    #[test]
    fn what_is_wished_for_is_installed_at_once_and_told_to_be_under_way() {
        let (mut agent, updater, updates) = agent();
        assert_eq!(after(&mut agent, &updater, [0]), 0);
        assert!(updates.obey(b"INSTALL"));
        assert_eq!(after(&mut agent, &updater, [1]), 1);
        assert_eq!(*updater.errands.lock().unwrap(), [Errand::Install]);
        assert!(updates.offer().in_progress);
        *updater.outcome.lock().unwrap() = Some(true);
        assert_eq!(after(&mut agent, &updater, [2]), 1);
        assert!(!updates.offer().in_progress);
    }

    #[test]
    fn an_updater_that_cannot_be_started_is_told_and_tried_again_later() {
        struct Missing;
        impl Updater for Missing {
            fn start(&self, _: Errand) -> io::Result<Box<dyn Work>> {
                Err(io::ErrorKind::NotFound.into())
            }
        }
        let (mut agent, ..) = agent();
        agent.updater = Arc::new(Missing);
        let mut told = Vec::new();
        for second in 0..61 + AGAIN.as_secs() {
            agent.tick(Duration::from_secs(second), found(), &mut |news| told.push(news));
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("look for updates: "), "{told:?}");
    }
}
