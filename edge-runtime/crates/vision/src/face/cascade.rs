//! SeetaFace's cascade, by the `rustface` crate.

use image::GrayImage;
use rustface::{ImageData, create_detector_with_model, read_model};
use shared_model::image::Rect;

use super::{Detection, FaceError};

/// The cascade's model, taken from the `rustface` package when this crate was built.
const MODEL: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/face_detector.bin"));

/// Searches one level after another.
pub(super) struct Cascade(Box<dyn rustface::Detector>);

impl Cascade {
    /// A cascade whose pyramid has this ratio between two levels.
    pub(super) fn new(pyramid_step: f32) -> Result<Self, FaceError> {
        let mut inner = create_detector_with_model(read_model(MODEL)?);
        inner.set_pyramid_scale_factor(pyramid_step);
        Ok(Self(inner))
    }

    /// The faces of a picture, in its pixels, from a score on and up to a side, with the window moved by so many pixels.
    pub(super) fn search(&mut self, picture: &GrayImage, step: u32, score: f64, most: u32) -> Vec<Detection> {
        let (width, height) = picture.dimensions();
        self.0.set_slide_window_step(step, step);
        self.0.set_score_thresh(score);
        self.0.set_max_face_size(most);
        let found = self.0.detect(&ImageData::new(picture.as_raw(), width, height));
        found.iter().map(detection).collect()
    }
}

fn detection(face: &rustface::FaceInfo) -> Detection {
    let bounds = face.bbox();
    Detection {
        bounds: Rect {
            x: bounds.x() as f32,
            y: bounds.y() as f32,
            w: bounds.width() as f32,
            h: bounds.height() as f32,
        },
        score: face.score() as f32,
    }
}
