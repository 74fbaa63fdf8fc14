//! A false alarm: what the network took for a face where there is none.

use serde::{Deserialize, Serialize};

/// A place in a photo that the network took for a face, and that shows none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alarm {
    /// Index of the photo in the data set.
    pub photo: usize,
    /// Its middle, in pixels of the photo.
    pub middle: [f32; 2],
    /// Its size as the root of the area, in pixels of the photo.
    pub size: f32,
    /// Pixels of the input to one of the photo, where it fired.
    pub scale: f32,
}
