//! Finds faces in pictures and streams, tells their keypoints and emotion, and signals what holds.
#![forbid(unsafe_code)]

#[cfg(feature = "page")]
pub mod aim;
pub mod annotate;
pub mod authority;
pub mod config;
pub mod counts;
pub mod daemon;
pub mod decide;
pub mod left_behind;
pub mod machine;
pub mod metrics;
pub mod owner;
pub mod page;
pub mod pipeline;
pub mod preflight;
pub mod service;
pub mod sink;
pub mod source;
pub mod switches;
