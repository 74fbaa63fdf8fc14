//! Talks to systemd; a thread of its own feeds the watchdog.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::{NotifyState, notify, watchdog_enabled};

use super::watchdog::LivenessSet;

/// How often the parts are read when systemd has no watchdog for this service.
const POLL: Duration = Duration::from_millis(250);

/// Longest time for which a new configuration excuses parts that do not move on.
const RELOAD: Duration = Duration::from_secs(30);

/// Sends states to the service manager.
type SendStates = dyn Fn(&[NotifyState<'_>]) + Send + Sync;

/// Who watches over the program from outside.
#[derive(Clone)]
pub struct Manager {
    send: Arc<SendStates>,
    /// Longest time between two signs of life.
    watchdog: Option<Duration>,
}

impl Manager {
    /// One that takes its states through `send`; ends the program after `watchdog` without a sign of life, if it does.
    pub fn new(watchdog: Option<Duration>, send: impl Fn(&[NotifyState<'_>]) + Send + Sync + 'static) -> Self {
        Self {
            send: Arc::new(send),
            watchdog,
        }
    }

    /// The one that the environment names; nobody, where it names none.
    pub fn of_environment() -> Self {
        Self::new(watchdog_enabled(), |states| {
            // A manager that cannot be reached will notice by itself that nothing comes.
            let _ = notify(states);
        })
    }

    fn notify(&self, states: &[NotifyState<'_>]) {
        (self.send)(states);
    }
}

/// The service manager's view of the program.
pub struct Service {
    manager: Manager,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    reload: Arc<Reload>,
}

/// Since when a new configuration is being taken up, if one is.
#[derive(Default)]
struct Reload(Mutex<Option<Instant>>);

impl Reload {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Watches from now on; ready once `ready` says so.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(
        manager: &Manager,
        liveness: Arc<LivenessSet>,
        ready: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Self> {
        let reload = Arc::new(Reload::default());
        let (end, ended) = channel();
        let (own, excuse) = (manager.clone(), Arc::clone(&reload));
        let thread = thread::Builder::new().name("service".to_owned());
        let thread = thread.spawn(move || watch(&own, &liveness, &ready, &excuse, &ended))?;
        Ok(Self {
            manager: manager.clone(),
            end: Some(end),
            thread: Some(thread),
            reload,
        })
    }

    /// A new configuration is being taken up.
    pub fn reloading(&self) {
        *self.reload.since() = Some(Instant::now());
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.manager.notify(&[NotifyState::Reloading, now]),
            Err(_) => self.manager.notify(&[NotifyState::Reloading]),
        }
    }

    /// The end begins; nobody is watched any more.
    pub fn stopping(&mut self) {
        self.manager.notify(&[NotifyState::Stopping]);
        self.end = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.end.is_some() {
            self.stopping();
        }
    }
}

fn watch(manager: &Manager, liveness: &LivenessSet, ready: &dyn Fn() -> bool, reload: &Reload, ended: &Receiver<()>) {
    let period = manager.watchdog.map_or(POLL, |limit| (limit / 6).min(POLL));
    let mut started = false;
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(period) {
        if !started {
            started = ready();
            if started {
                manager.notify(&[NotifyState::Ready]);
            }
            continue;
        }
        let moved = liveness.have_moved_on();
        let reloading = *reload.since();
        if moved && reloading.is_some() {
            *reload.since() = None;
            manager.notify(&[NotifyState::Ready]);
        }
        if moved || reloading.is_some_and(|since| since.elapsed() < RELOAD) {
            manager.notify(&[NotifyState::Watchdog]);
        }
    }
}
