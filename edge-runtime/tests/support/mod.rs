//! What the tests share.

#[cfg(feature = "mqtt")]
pub(crate) mod authority;
#[cfg(feature = "page")]
pub(crate) mod base64;
#[cfg(feature = "mqtt")]
pub(crate) mod broker;
#[cfg(feature = "page")]
pub(crate) mod chromium;
#[cfg(feature = "page")]
pub(crate) mod http;
#[cfg(feature = "mqtt")]
pub(crate) mod listener;
pub(crate) mod program;
#[cfg(feature = "mqtt")]
pub(crate) mod proxy;
pub(crate) mod told;

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

/// Waits until something is done, as long as it moves on: until `left` is 0.
pub(crate) fn until_none(what: &str, mut left: impl FnMut() -> u64) {
    let (mut least, mut since) = (u64::MAX, Instant::now());
    loop {
        match left() {
            0 => return,
            now if now < least => (least, since) = (now, Instant::now()),
            now => assert!(since.elapsed() < PATIENCE, "waited in vain: {what}, {now} left"),
        }
        std::thread::sleep(Duration::from_millis(2));
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
