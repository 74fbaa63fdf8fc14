//! Finds faces in a grey picture.
//!
//! SeetaFace's funnel-structured cascade (the `rustface` crate) looks through a pyramid of the picture
//! with a window of 40 pixels. The picture is scaled first, so that the smallest face asked for fills
//! the window: the larger that face, the less there is to search.

use image::GrayImage;
use image::imageops::{FilterType, resize, thumbnail};
use rustface::{ImageData, create_detector_with_model, read_model};
use shared_model::image::{GrayView, Rect};

/// The detector's model, taken from the `rustface` package when this crate was built.
const MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/face_detector.bin"));

/// Side of the detector's window in pixels, fixed by its model.
const WINDOW: f32 = 40.0;

/// Smallest face that can be asked for, in pixels; smaller ones are not told from noise.
pub const MIN_FACE_PX: f32 = 20.0;

/// Most pixels that are searched; a larger picture is scaled down to them, and its smallest face grows.
const MAX_SEARCHED: f32 = 4_000_000.0;

/// How faces are searched.
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

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            min_face_px: 40.0,
            score: 3.85,
            pyramid_step: 0.8,
            window_step: 4,
        }
    }
}

/// A face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its square, in pixels of the picture; may reach beyond it.
    pub bounds: Rect,
    /// How sure the detector is; above [`DetectorConfig::score`], without an upper end.
    pub score: f32,
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
}

/// Finds faces; keeps its buffers from picture to picture.
pub struct Detector {
    inner: Box<dyn rustface::Detector>,
    config: DetectorConfig,
}

impl Detector {
    /// A detector with these settings.
    pub fn new(config: DetectorConfig) -> Result<Self, FaceError> {
        config.check()?;
        let mut inner = create_detector_with_model(read_model(MODEL)?);
        inner.set_score_thresh(config.score);
        inner.set_pyramid_scale_factor(config.pyramid_step);
        inner.set_slide_window_step(config.window_step, config.window_step);
        Ok(Self { inner, config })
    }

    /// The faces of a picture from left to right; the same picture gives the same faces.
    pub fn detect(&mut self, picture: GrayView<'_>) -> Vec<Detection> {
        let scale = self.scale(picture);
        let scaled = scaled(picture, scale);
        let (width, height) = scaled.dimensions();
        if (width.min(height) as f32) < WINDOW {
            return Vec::new();
        }
        let found = self.inner.detect(&ImageData::new(scaled.as_raw(), width, height));
        let mut faces: Vec<_> = found.iter().map(|face| detection(face, scale)).collect();
        faces.sort_by(|a, b| {
            a.bounds
                .x
                .total_cmp(&b.bounds.x)
                .then(a.bounds.y.total_cmp(&b.bounds.y))
        });
        faces
    }

    /// Size of the searched picture relative to the picture.
    fn scale(&self, picture: GrayView<'_>) -> f32 {
        let pixels = picture.width() as f32 * picture.height() as f32;
        (WINDOW / self.config.min_face_px).min((MAX_SEARCHED / pixels).sqrt())
    }
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

fn detection(face: &rustface::FaceInfo, scale: f32) -> Detection {
    let bounds = face.bbox();
    Detection {
        bounds: Rect {
            x: bounds.x() as f32 / scale,
            y: bounds.y() as f32 / scale,
            w: bounds.width() as f32 / scale,
            h: bounds.height() as f32 / scale,
        },
        score: face.score() as f32,
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
