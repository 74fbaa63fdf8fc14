//! The time that a run goes by; handed in, so that tests need none.

use std::thread;
use std::time::{Duration, Instant};

/// Tells the time and waits.
pub trait Clock {
    /// Time since some fixed moment; never goes back.
    fn now(&self) -> Duration;

    /// Waits this long.
    fn sleep(&self, duration: Duration);
}

/// The machine's monotonic clock, counted from its start.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl SystemClock {
    /// A clock that starts at 0 now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) {
        thread::sleep(duration);
    }
}
