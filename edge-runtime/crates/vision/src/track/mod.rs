//! Follows faces from frame to frame, so that the detector, by far the dearest step, need not see each.
//!
//! The box of a face goes where the face looks most like a frame ago, and from there some of the way to the keypoints that
//! the network finds in it ([`shape`]). The detector runs on a thread of its own: over the whole region when nobody is
//! followed, and every some frames, to see who else is there; several times a second over the surroundings of a followed
//! face, to see that it still is one, unless it looks as when it was found. A track ends when nothing there looks as
//! before, or the keypoints cannot be a face's, and the detector finds none either; or when that has found none for a
//! second; or when it finds one again after long that looks like another one: no number passes knowingly from one person to
//! another, and the same face may get a new one after it was away. What is too dark, too blurred or turned away is
//! followed, but not judged.
//!
//! While somebody is followed, the detector is to cost no more than about a third of the networks: searches of the whole
//! region wait until the networks have run often enough to pay for them.

mod follower;
pub(crate) mod look;
mod memory;
mod motion;
pub(crate) mod place;
mod policy;
mod pose;
pub mod quality;
pub(crate) mod scene;
mod search;
pub mod shape;
mod tracks;

pub use follower::{FollowError, Follower, Seen};
pub use policy::{MAX_FACES, Policy};
pub use pose::Pose;
pub use search::{Pace, SearchError};
pub use tracks::{REMEMBERED_MS, Tracks};

use shared_model::image::{GrayView, Rect};

use crate::face::DetectorConfig;

/// The part of a frame in which faces count, in shares of its width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left edge, 0 to 1.
    pub x: f32,
    /// Upper edge, 0 to 1.
    pub y: f32,
    /// Width, above 0.
    pub w: f32,
    /// Height, above 0.
    pub h: f32,
}

impl Region {
    /// All of it.
    pub const WHOLE: Self = Self {
        x: 0.0,
        y: 0.0,
        w: 1.0,
        h: 1.0,
    };

    /// Where it lies in a frame, in pixels.
    pub fn of(&self, frame: GrayView<'_>) -> Rect {
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        Rect {
            x: self.x * width,
            y: self.y * height,
            w: self.w * width,
            h: self.h * height,
        }
    }

    /// Whether it lies in the frame and is not empty.
    pub fn is_valid(&self) -> bool {
        let Self { x, y, w, h } = *self;
        x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0 && x + w <= 1.0001 && y + h <= 1.0001
    }
}

/// How faces are found and followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackConfig {
    /// How the detector searches.
    pub detector: DetectorConfig,
    /// Which face counts.
    pub policy: Policy,
    /// Frames from one search of the whole region to the next while somebody is followed, at least 1; `None` for as many
    /// as keep these searches cheap beside the networks.
    pub search_every: Option<u32>,
    /// Where faces count.
    pub region: Region,
    /// Longer side of the picture that a bundle's detector sees, in pixels; `None` for one that suits the smallest face.
    pub detector_px: Option<u32>,
    /// How often a second a bundle's detector searches a room in which nobody is, above 0.
    pub idle_fps: f32,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self {
            detector: DetectorConfig::default(),
            policy: Policy::Largest,
            search_every: None,
            region: Region::WHOLE,
            detector_px: None,
            idle_fps: 5.0,
        }
    }
}
