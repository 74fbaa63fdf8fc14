//! Where faces are in a frame, and which of them is the one of the frame before.
//!
//! Two ways lead from frames to faces, and [`tracking`] takes the one that suits the bundle. Where the bundle has a
//! [`detector`], every frame is searched by it ([`live`]), and boxes become numbered faces by association alone
//! ([`tracker`]). Without one, the cascade ([`face`]) searches now and then, and [`track`] follows faces in between.
//! [`locate`] says what the networks see of each face of a single picture. [`gesture`] tells how a head is held and what a
//! face does. Time comes in by [`clock`]; [`stats`] counts what each step takes.
#![forbid(unsafe_code)]

pub mod clock;
pub mod detector;
pub mod face;
pub mod gesture;
pub mod live;
pub mod locate;
pub mod stats;
pub mod track;
pub mod tracker;
pub mod tracking;
