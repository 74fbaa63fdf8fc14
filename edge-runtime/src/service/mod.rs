//! Life as a service of systemd: when it is ready, that it is alive, that it stops.

mod notify;
mod watchdog;

pub use notify::Service;
pub use watchdog::{Vital, Vitals};
