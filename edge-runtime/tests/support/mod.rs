//! What the tests share.

#[cfg(feature = "mqtt")]
pub(crate) mod broker;
#[cfg(feature = "mqtt")]
pub(crate) mod listener;
pub(crate) mod program;
#[cfg(feature = "mqtt")]
pub(crate) mod proxy;

use std::time::{Duration, Instant};

/// Longest wait for something that must happen; far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many times a fault is tried, or over how many events: `SOAK_N`, or so many.
pub(crate) fn rounds(usual: u64) -> u64 {
    match std::env::var("SOAK_N") {
        Ok(n) => n.parse().unwrap(),
        Err(_) => usual,
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
