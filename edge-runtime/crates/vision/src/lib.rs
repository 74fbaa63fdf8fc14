//! Where faces are in a frame, and which of them is the one of the frame before.
//!
//! [`face`] finds faces in one picture, [`track`] follows them from frame to frame, [`locate`] says what the networks see
//! of each; [`detector`] reads what the network that finds faces gives. Time comes in by [`clock`]; [`stats`] counts what each step takes.
#![forbid(unsafe_code)]

pub mod clock;
pub mod detector;
pub mod face;
pub mod locate;
pub mod stats;
pub mod track;
