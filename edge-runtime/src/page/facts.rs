//! What is known of the device beside its states and faces.

use serde::Serialize;

/// What is known of the camera.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct CameraFacts {
    /// The source as it is configured.
    pub source: String,
    /// Side of the smallest face that is searched, in pixels.
    pub smallest_face_px: f32,
}

/// What is known of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BundleFacts {
    /// Name of the bundle, from its manifest.
    pub name: String,
    /// Version of the bundle, from its manifest.
    pub version: u32,
    /// Precision in which it runs: `int8` or `f32`.
    pub precision: String,
}

/// Versions of the bundles that a device has and could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UpdateFacts {
    /// The one that has shown that it works.
    pub installed: u32,
    /// The newest one that is known.
    pub latest: u32,
    /// Whether it is being brought in, or on trial.
    pub in_progress: bool,
}

/// Counts of frames since the start of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frames {
    /// Those that came from the source.
    pub captured: u64,
    /// Those of them that were judged.
    pub judged: u64,
}
