//! The contract that trainer and runtime both obey.
//!
//! What a class, a keypoint, a crop, a bundle and a message are, and the one piece of code that turns
//! a region of a grey picture into the input of a network. Nothing here touches files, clocks,
//! tensors, `std` or `alloc`, so the same code can run on a microcontroller.
//!
//! Coordinates are in pixels with the origin at the top left **corner** of the picture: pixel `i`
//! covers `[i, i + 1)`, its centre is `i + 0.5`.
#![no_std]
#![forbid(unsafe_code)]

pub mod emotion;
pub mod image;
pub mod keypoints;
pub mod manifest;
pub mod message;

/// Text of at most `N` bytes, held without an allocator.
pub type Text<const N: usize> = heapless::String<N>;
