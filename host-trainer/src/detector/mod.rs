//! The face detector: its data, its samples, its network, its training, its figures.
//!
//! Terms:
//! - *photo*: a picture of the data set with its annotated faces, grey, at most 480 pixels long;
//! - *sample*: what the network is trained on: a photo's part, or a background with faces of other photos pasted in;
//! - *size* of a face: the root of its box's area.

pub mod alarm;
pub mod checkpoint;
pub(crate) mod compose;
pub mod config;
pub mod data;
pub(crate) mod engine;
pub mod evaluate;
pub mod export;
pub mod film;
mod geometry;
pub(crate) mod levels;
mod loss;
pub mod mine;
pub(crate) mod network;
mod optimiser;
pub mod pretrained;
pub mod quantise;
pub mod train;
