//! Where faces are in a frame, and which of them is the one of the frame before.
//!
//! [`tracking`] searches frame after frame by the [`detector`] of the bundle, or by the cascade ([`face`]) where a bundle has
//! none. Boxes become numbered faces by association alone ([`tracker`]). [`locate`] says what the networks see of each face of
//! a single picture. [`gesture`] tells how a head is held and what a face does. Time comes in by [`clock`]; [`stats`] counts
//! what each step takes.
#![forbid(unsafe_code)]

pub mod clock;
pub mod detector;
pub mod face;
pub mod gesture;
pub mod locate;
pub mod stats;
pub mod tracker;
pub mod tracking;

/// Intersection over union, 0 to 1, from which two boxes are one face, as it is within a search of rustface.
pub(crate) const SAME_FACE: f32 = 0.3;
