//! The runtime against the world around it: a real broker, real signals, real files.
//!
//! Brokers are Debian's `mosquitto`, on free ports of the loopback; tests that need one say so and pass
//! where there is none. `SOAK_N` sets how often, or over how many events, each fault is tried;
//! `scripts/soak` does.

#![allow(clippy::unwrap_used, reason = "a test ends where anything goes wrong")]

mod counts;
mod daemon;
mod diagnostics;
#[cfg(feature = "mqtt")]
mod doctor;
mod endurance;
mod frames;
mod fuzz;
#[cfg(feature = "mqtt")]
mod mqtt;
mod mutants;
mod outbox;
mod outlets;
#[cfg(feature = "page")]
mod page;
#[cfg(all(feature = "mqtt", feature = "page", feature = "webhook"))]
mod pixels;
mod properties;
mod schema;
mod service;
mod support;
mod update;
