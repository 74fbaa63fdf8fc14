//! Finds faces in a grey picture.
//!
//! SeetaFace's funnel-structured cascade (the `rustface` crate) looks through a pyramid of the picture
//! with a window of 40 pixels. The picture is scaled first, so that the smallest face asked for fills
//! the window: the larger that face, the less there is to search. Each halving of the picture is
//! searched on its own, because rustface shrinks without smoothing: in a large picture it misses large
//! faces with beards, wrinkles or hair on the forehead.

use image::GrayImage;
use image::imageops::{FilterType, resize, thumbnail};
use shared_model::image::{GrayView, Rect};

use crate::SAME_FACE;

#[cfg(feature = "cascade")]
mod cascade;
#[cfg(not(feature = "cascade"))]
#[path = "face/no_cascade.rs"]
mod cascade;

use cascade::Cascade;

/// Where cargo keeps the package of the detector, whose photograph tests take.
#[cfg(feature = "cascade")]
pub const PACKAGE: &str = env!("DETECTOR_PACKAGE");

/// Side of the detector's window in pixels, fixed by its model.
const WINDOW: f32 = 40.0;

/// Smallest face that can be asked for, in pixels; smaller ones are not told from noise.
pub const MIN_FACE_PX: f32 = 20.0;

/// What a search may cost; [`DetectorConfig`] has what a user may choose.
struct SearchSettings {
    /// Most pixels that are searched; a larger picture is scaled down to them, and its smallest face grows.
    pixels: f32,
    /// Largest face of a quick search in pixels of the searched picture; its half is searched for larger ones. A little more
    /// than twice the window, so that none falls between the two.
    octave: f32,
    /// Step of the window in a quick search, in pixels of a level. It costs a third of one by 3 pixels.
    quick_step: u32,
    /// Least score in a quick search, in shares of the configured one: fewer windows see a face then.
    quick_score: f64,
}

const SEARCH: SearchSettings = SearchSettings {
    pixels: 4_000_000.0,
    octave: 2.1 * WINDOW,
    quick_step: 8,
    quick_score: 0.45,
};

/// How the cascade searches a picture for faces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectorConfig {
    /// Side of the smallest face in pixels of the picture, at least [`MIN_FACE_PX`]; 40 is the size at
    /// which the picture is searched as it is.
    pub min_face_px: f32,
    /// Least score of a face, above 0.
    pub score: f64,
    /// Ratio between two levels of the pyramid, 0.1 to 0.99.
    pub pyramid_step: f32,
    /// Step of the window in pixels of a level, 1 to 40.
    pub window_step: u32,
}

/// Over the 25 photographs that this was tuned on, the weakest true face scores 3.0 and the strongest
/// false one 2.2 (0.9 in pictures without a face): all 18 of the groups' faces are found, 14 of 15
/// others, and nothing false.
impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            min_face_px: 40.0,
            score: 2.5,
            pyramid_step: 0.8,
            window_step: 3,
        }
    }
}

/// A face that the cascade found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its square, in pixels of the picture; may reach beyond it.
    pub bounds: Rect,
    /// How sure the detector is; above [`DetectorConfig::score`], without an upper end.
    pub score: f32,
}

/// How hard a search looks. The score of a face is the sum over the windows that see it: a wide step has fewer of them,
/// and a lower limit. Measured on the project's photographs and films, against thorough searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// In steps of the configuration: finds what it can, in every single picture.
    Thorough,
    /// In wide steps: finds five of six of those faces, and nothing else.
    Quick,
}

impl Effort {
    /// Least score in shares of the configured one.
    fn score(self) -> f64 {
        match self {
            Self::Thorough => 1.0,
            Self::Quick => SEARCH.quick_score,
        }
    }
}

/// Why there is no detector.
#[derive(Debug, thiserror::Error)]
pub enum FaceError {
    /// A setting is out of its range.
    #[error("set up face detector: {setting} must be {expected}")]
    Config {
        /// Which one.
        setting: &'static str,
        /// Its range.
        expected: &'static str,
    },
    /// The model inside this program cannot be read.
    #[error("read the face detector's model: {0}; build the program again")]
    Model(#[from] std::io::Error),
    /// The program has no cascade, which this needs.
    #[error(
        "this program was built without the cascade: use a bundle with a detector of its own, or build with \
         `--features cascade`"
    )]
    NoCascade,
}

/// Whether this program can find faces with a bundle that has no detector.
pub const HAS_CASCADE: bool = cfg!(feature = "cascade");

/// Finds faces; keeps its buffers from picture to picture.
pub struct Detector {
    cascade: Cascade,
    config: DetectorConfig,
}

impl Detector {
    /// A detector with these settings.
    pub fn new(config: DetectorConfig) -> Result<Self, FaceError> {
        config.check()?;
        let cascade = Cascade::new(config.pyramid_step)?;
        Ok(Self { cascade, config })
    }

    /// The faces of a picture from left to right by a thorough search; the same picture gives the same faces.
    pub fn detect(&mut self, picture: GrayView<'_>) -> Vec<Detection> {
        self.search(picture, Effort::Thorough)
    }

    /// The faces of a picture from left to right, searched so hard.
    pub fn search(&mut self, picture: GrayView<'_>, effort: Effort) -> Vec<Detection> {
        let (step, octave) = match effort {
            Effort::Thorough => (self.config.window_step, SEARCH.pixels),
            Effort::Quick => (SEARCH.quick_step.max(self.config.window_step), SEARCH.octave),
        };
        let score = self.config.score * effort.score();
        let mut scale = scale(&picture.bounds(), self.config.min_face_px);
        let mut scaled = scaled(picture, scale);
        let mut faces = Vec::new();
        while (scaled.width().min(scaled.height()) as f32) >= WINDOW {
            let (width, height) = scaled.dimensions();
            let found = self.cascade.search(&scaled, step, score, octave as u32);
            faces.extend(found.into_iter().map(|face| detection(face, scale)));
            scaled = thumbnail(&scaled, (width / 2).max(1), (height / 2).max(1));
            scale /= 2.0;
        }
        let mut faces = distinct(faces);
        faces.sort_by(|a, b| {
            a.bounds
                .x
                .total_cmp(&b.bounds.x)
                .then(a.bounds.y.total_cmp(&b.bounds.y))
        });
        faces
    }
}

/// Size of the searched picture relative to the picture.
fn scale(picture: &Rect, min_face_px: f32) -> f32 {
    (WINDOW / min_face_px).min((SEARCH.pixels / (picture.w * picture.h)).sqrt())
}

impl DetectorConfig {
    fn check(&self) -> Result<(), FaceError> {
        let rules = [
            (
                self.min_face_px >= MIN_FACE_PX && self.min_face_px.is_finite(),
                "smallest face",
                "at least 20 pixels",
            ),
            (self.score > 0.0 && self.score.is_finite(), "score", "a number above 0"),
            (
                (0.1..=0.99).contains(&self.pyramid_step),
                "pyramid step",
                "in 0.1..=0.99",
            ),
            ((1..=40).contains(&self.window_step), "window step", "in 1..=40 pixels"),
        ];
        match rules.iter().find(|(holds, ..)| !holds) {
            Some(&(_, setting, expected)) => Err(FaceError::Config { setting, expected }),
            None => Ok(()),
        }
    }
}

/// The largest of these faces; the first of equals.
pub fn largest(faces: &[Detection]) -> Option<&Detection> {
    let larger = |best: &&Detection, face: &&Detection| best.bounds.w >= face.bounds.w;
    faces
        .iter()
        .reduce(|best, face| if larger(&best, &face) { best } else { face })
}

/// One detection for each face: of those that overlap, the one with the highest score.
fn distinct(mut faces: Vec<Detection>) -> Vec<Detection> {
    faces.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Detection> = Vec::with_capacity(faces.len());
    for face in faces {
        if kept.iter().all(|other| face.bounds.overlap(&other.bounds) < SAME_FACE) {
            kept.push(face);
        }
    }
    kept
}

/// A face of a scaled picture, in pixels of the picture itself.
fn detection(face: Detection, scale: f32) -> Detection {
    let Rect { x, y, w, h } = face.bounds;
    Detection {
        bounds: Rect {
            x: x / scale,
            y: y / scale,
            w: w / scale,
            h: h / scale,
        },
        ..face
    }
}

/// The picture at another size, without padding between its rows.
fn scaled(picture: GrayView<'_>, scale: f32) -> GrayImage {
    let (width, height) = (picture.width() as u32, picture.height() as u32);
    let mut data = Vec::with_capacity(picture.width() * picture.height());
    for y in 0..picture.height() {
        data.extend_from_slice(picture.row(y));
    }
    // One byte a pixel, row by row: the size fits.
    let image: GrayImage = GrayImage::from_raw(width, height, data).unwrap_or_default();
    let side = |length: u32| ((length as f32 * scale).round() as u32).max(1);
    let (to_width, to_height) = (side(width), side(height));
    if (to_width, to_height) == (width, height) {
        image
    } else if scale < 1.0 {
        thumbnail(&image, to_width, to_height)
    } else {
        resize(&image, to_width, to_height, FilterType::Triangle)
    }
}

#[cfg(test)]
mod tests;
