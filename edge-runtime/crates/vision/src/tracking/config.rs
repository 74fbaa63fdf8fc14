//! How faces are found and tracked.

use shared_model::image::{GrayView, Rect};

use crate::face::DetectorConfig;
use crate::tracker::Policy;

/// The part of a frame in which faces count, in shares of its width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Left edge, 0 to 1.
    pub x: f32,
    /// Upper edge, 0 to 1.
    pub y: f32,
    /// Width as a share of the frame's, above 0.
    pub w: f32,
    /// Height as a share of the frame's, above 0.
    pub h: f32,
}

impl Region {
    /// The region of the whole frame.
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

/// How faces are found and tracked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackConfig {
    /// The smallest face that is found; and how the cascade searches where a bundle has no detector.
    pub detector: DetectorConfig,
    /// Which of several faces the verdict is about.
    pub policy: Policy,
    /// The part of the frame in which faces count.
    pub region: Region,
    /// Longer side of the picture that a bundle's detector sees, in pixels; `None` for one that suits the smallest face.
    pub detector_px: Option<u32>,
    /// How often a second a room in which nobody is is searched, above 0.
    pub idle_fps: f32,
}

impl Default for TrackConfig {
    fn default() -> Self {
        Self {
            detector: DetectorConfig::default(),
            policy: Policy::Largest,
            region: Region::WHOLE,
            detector_px: None,
            idle_fps: 5.0,
        }
    }
}
