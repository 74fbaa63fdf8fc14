//! Life as a service of systemd: when it is ready, that it is alive, that it stops.

mod notify;
mod watchdog;

pub use notify::{Manager, Service};
pub use watchdog::{Liveness, LivenessSet};

use std::time::Duration;

/// What the unit's watchdog allows between two signs of life (`WatchdogSec`).
pub const WATCHDOG: Duration = Duration::from_secs(3);

/// Longest time from one frame to the next that feeds it: a second is left to judge the frame, and to see that it was.
pub const LONGEST_INTERVAL: Duration = Duration::from_secs(2);
