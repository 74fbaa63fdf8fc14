//! Finds faces in pictures and streams, tells their keypoints and emotion, and signals what holds.

pub mod annotate;
pub mod bundle;
pub mod clock;
pub mod config;
pub mod decide;
pub mod durable;
pub mod face;
pub mod kernels;
pub mod locate;
pub mod metrics;
pub mod picture;
pub mod pipeline;
pub mod predict;
pub mod service;
pub mod sink;
pub mod source;
pub mod stats;
pub mod switches;
#[cfg(test)]
mod testing;
pub mod track;
pub mod update;
