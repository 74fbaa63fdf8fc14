//! What a run is given of the machine, and of the program around it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vision::clock::Clock;

use crate::config::{Config, ConfigError};
use crate::service::Manager;

use super::updater::Updater;

/// Everything that [`run`](super::run) takes of the world around it.
pub struct RunContext<'a> {
    /// Tells the time and waits.
    pub clock: SharedClock,
    /// The output that states go to; asked for with every configuration.
    pub output: Box<dyn Fn() -> Box<dyn Write>>,
    /// Where the GPIO backend `log` writes levels; asked for with every opening of lines.
    pub gpio_log: Box<dyn Fn() -> Box<dyn Write + Send>>,
    /// Raised from outside to end the run, or to reload.
    pub flags: Flags,
    /// Watches over the program from outside.
    pub manager: Manager,
    /// Reads the configuration again; on a thread beside the run.
    pub reload: Box<dyn Fn() -> Result<Config, ConfigError> + Send + Sync + 'a>,
    /// Looks for updates beside the run, and brings them in.
    pub updater: Arc<dyn Updater>,
}

/// A clock that all threads of a run go by.
#[derive(Clone)]
pub struct SharedClock {
    clock: Arc<dyn Clock + Send + Sync>,
    /// The time of the clock that is 0 here.
    start: Duration,
}

impl SharedClock {
    /// The same time as this clock's.
    pub fn new(clock: impl Clock + Send + Sync + 'static) -> Self {
        Self {
            clock: Arc::new(clock),
            start: Duration::ZERO,
        }
    }

    /// The same clock, at 0 now.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self {
            clock: Arc::clone(&self.clock),
            start: self.clock.now(),
        }
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Duration {
        self.clock.now().saturating_sub(self.start)
    }

    fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration);
    }
}

/// What ends a run from outside.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Ends what runs with the present configuration; raised last.
    pub stop: Arc<AtomicBool>,
    /// Ends the whole, whatever else is asked for.
    pub end: Arc<AtomicBool>,
    /// Looks at the configuration again, and goes on with it if all is well; what runs goes on meanwhile.
    pub reload: Arc<AtomicBool>,
}

impl Flags {
    /// Another run begins, unless the whole is to end.
    pub(super) fn begin_anew(&self) -> bool {
        self.stop.store(false, Ordering::Relaxed);
        // The end may have come in between.
        self.stop.fetch_or(self.end.load(Ordering::Relaxed), Ordering::Relaxed);
        !self.end.load(Ordering::Relaxed)
    }
}
