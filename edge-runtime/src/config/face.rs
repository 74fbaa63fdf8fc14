//! `[face]`: where faces are, and which of them counts.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ranges;
use vision::face::DetectorConfig;
use vision::tracker::Policy;
use vision::tracking::{Region, TrackConfig};

/// The section `[face]`: how faces are found.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FaceConfig {
    /// How the face is found.
    pub mode: FaceMode,
    /// Side of the smallest face that is searched, in pixels.
    #[serde(deserialize_with = "ranges::min_face")]
    #[schemars(range(min = 20.0, max = 10_000.0))]
    pub min_face_px: f32,
    /// The rule that chooses the face that counts.
    pub policy: PolicyName,
    /// Longer side of the picture that the bundle's detector sees, in pixels; without it, one that suits `min_face_px`.
    #[serde(deserialize_with = "ranges::detector_px")]
    #[schemars(range(min = 64, max = 1024))]
    pub detector_px: Option<u32>,
    /// How often a second a room in which nobody is is searched.
    #[serde(deserialize_with = "ranges::idle_fps")]
    #[schemars(range(min = 0.5, max = 60.0))]
    pub idle_fps: f32,
    /// A key of version 0.2, read so that a kiosk with it still starts, and told of.
    #[serde(rename = "search_every", deserialize_with = "ranges::retired")]
    #[schemars(skip)]
    search_every_stands: bool,
    /// Where faces count: `[x, y, width, height]` in shares of the frame.
    #[serde(deserialize_with = "ranges::region")]
    #[schemars(with = "[f32; 4]", inner(range(min = 0.0, max = 1.0)))]
    pub region: Region,
}

const SEARCH_EVERY_IN_VAIN: &str = "`face.search_every` is gone and has no effect: every frame is searched while somebody \
     is there; leave it out, and set `face.idle_fps` for an empty room";
const DETECTOR_PX_IN_VAIN: &str = "`face.detector_px` has no effect: the bundle has no detector of its own, and the \
     cascade goes by `face.min_face_px`";

/// How the face of a frame is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaceMode {
    /// By the face detector; faces are tracked from frame to frame.
    Detect,
    /// Each frame is one face, cut as the networks want it.
    Whole,
}

/// The rule that chooses the face that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyName {
    /// The largest face in the frame.
    Largest,
    /// The one nearest to the middle.
    Centre,
    /// The first, until it is gone.
    First,
    /// All are told, at most 8; the largest makes the verdict.
    All,
}

impl Default for FaceConfig {
    fn default() -> Self {
        let TrackConfig {
            region,
            detector_px,
            idle_fps,
            ..
        } = TrackConfig::default();
        Self {
            mode: FaceMode::Detect,
            min_face_px: 80.0,
            policy: PolicyName::Largest,
            detector_px,
            idle_fps,
            search_every_stands: false,
            region,
        }
    }
}

impl FaceConfig {
    /// How faces are tracked; not for [`FaceMode::Whole`].
    pub fn track(&self) -> TrackConfig {
        TrackConfig {
            detector: DetectorConfig {
                min_face_px: self.min_face_px,
                ..DetectorConfig::default()
            },
            policy: match self.policy {
                PolicyName::Largest => Policy::Largest,
                PolicyName::Centre => Policy::Centre,
                PolicyName::First => Policy::First,
                PolicyName::All => Policy::All,
            },
            region: self.region,
            detector_px: self.detector_px,
            idle_fps: self.idle_fps,
        }
    }

    /// What is set in vain, with a bundle that has a detector of its own or has none, and why.
    pub fn without_effect(&self, has_detector: bool) -> Option<&'static str> {
        match self.mode {
            FaceMode::Whole => None,
            FaceMode::Detect if self.search_every_stands => Some(SEARCH_EVERY_IN_VAIN),
            FaceMode::Detect if has_detector => None,
            FaceMode::Detect => self.detector_px.map(|_| DETECTOR_PX_IN_VAIN),
        }
    }
}
