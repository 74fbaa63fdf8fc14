//! Finds faces in a grey picture.
//!
//! SeetaFace's funnel-structured cascade (the `rustface` crate) looks through a pyramid of the picture
//! with a window of 40 pixels. The picture is scaled first, so that the smallest face asked for fills
//! the window: the larger that face, the less there is to search. Each halving of the picture is
//! searched on its own, because rustface shrinks without smoothing: in a large picture it misses large
//! faces with beards, wrinkles or hair on the forehead.

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

/// Largest face of a quick search in pixels of the searched picture; its half is searched for larger ones. A little more
/// than twice the window, so that none falls between the two.
const OCTAVE: f32 = 2.1 * WINDOW;

/// Share of the union from which two detections are one face; rustface's own within one search.
const SAME_FACE: f32 = 0.3;

/// Step of the window in a quick search, in pixels of a level. It costs a third of one by 3 pixels.
const QUICK_STEP: u32 = 8;

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

/// A face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Its square, in pixels of the picture; may reach beyond it.
    pub bounds: Rect,
    /// How sure the detector is; above [`DetectorConfig::score`], without an upper end.
    pub score: f32,
}

/// What a search looks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Aim {
    /// Side of the smallest face in pixels of the picture; [`MIN_FACE_PX`] if it is less.
    pub min_px: f32,
    /// Side of the largest one; may be infinite.
    pub max_px: f32,
    /// How hard it looks.
    pub effort: Effort,
}

/// How hard a search looks. The score of a face is the sum over the windows that see it: a wide step has fewer of them,
/// and a lower limit. Measured on the project's photographs and films, against thorough searches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// In steps of the configuration: finds what it can, in every single picture.
    Thorough,
    /// In wide steps: finds five of six of those faces, and nothing else.
    Quick,
    /// In wide steps, content with a lower score: finds as many as a thorough search where a face is known to be or to
    /// have been, and something in one of 200 places without a face.
    Known,
}

impl Effort {
    /// Least score in shares of the configured one.
    fn score(self) -> f64 {
        match self {
            Self::Thorough => 1.0,
            Self::Quick => 0.45,
            Self::Known => 0.25,
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
        inner.set_pyramid_scale_factor(config.pyramid_step);
        Ok(Self { inner, config })
    }

    /// The faces of a picture from left to right; the same picture gives the same faces.
    pub fn detect(&mut self, picture: GrayView<'_>) -> Vec<Detection> {
        let aim = Aim {
            min_px: self.config.min_face_px,
            max_px: f32::INFINITY,
            effort: Effort::Thorough,
        };
        self.search(picture, &aim)
    }

    /// The faces of a picture that an aim asks for, from left to right.
    pub fn search(&mut self, picture: GrayView<'_>, aim: &Aim) -> Vec<Detection> {
        let (step, octave) = match aim.effort {
            Effort::Thorough => (self.config.window_step, MAX_SEARCHED),
            Effort::Quick | Effort::Known => (QUICK_STEP.max(self.config.window_step), OCTAVE),
        };
        self.inner.set_slide_window_step(step, step);
        self.inner.set_score_thresh(self.config.score * aim.effort.score());
        let mut scale = scale(picture, aim.min_px.max(MIN_FACE_PX));
        let mut scaled = scaled(picture, scale);
        let mut faces = Vec::new();
        while (scaled.width().min(scaled.height()) as f32) >= WINDOW && aim.max_px * scale >= WINDOW {
            let (width, height) = scaled.dimensions();
            self.inner.set_max_face_size((aim.max_px * scale).min(octave) as u32);
            let found = self.inner.detect(&ImageData::new(scaled.as_raw(), width, height));
            faces.extend(found.iter().map(|face| detection(face, scale)));
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
fn scale(picture: GrayView<'_>, min_face_px: f32) -> f32 {
    let pixels = picture.width() as f32 * picture.height() as f32;
    (WINDOW / min_face_px).min((MAX_SEARCHED / pixels).sqrt())
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::picture::Picture;
    use crate::testing::shared_data;

    fn at(x: f32, w: f32, score: f32) -> Detection {
        Detection {
            bounds: Rect { x, y: 0.0, w, h: w },
            score,
        }
    }

    fn photo(path: &Path) -> Picture {
        Picture::decode(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn refuses_settings_out_of_range() {
        let good = DetectorConfig::default();
        assert!(Detector::new(good).is_ok());
        for bad in [
            DetectorConfig {
                min_face_px: 19.0,
                ..good
            },
            DetectorConfig {
                min_face_px: f32::NAN,
                ..good
            },
            DetectorConfig { score: 0.0, ..good },
            DetectorConfig {
                pyramid_step: 1.0,
                ..good
            },
            DetectorConfig { window_step: 0, ..good },
        ] {
            assert!(Detector::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn finds_nothing_in_flat_noisy_or_tiny_pictures() {
        let mut detector = Detector::new(DetectorConfig::default()).unwrap();
        let noise: Vec<u8> = (0..120u32 * 90)
            .map(|v| (v.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for (data, width, height) in [
            (&noise[..], 120, 90),
            (&[0; 10_800], 120, 90),
            (&noise, 1, 900),
            (&noise, 41, 39),
        ] {
            let picture = GrayView::new(data, width, height).unwrap();
            assert_eq!(detector.detect(picture), [], "{width} x {height}");
        }
    }

    #[test]
    fn overlapping_detections_are_one_face() {
        let faces = distinct(vec![at(0.0, 10.0, 1.0), at(1.0, 10.0, 3.0), at(9.0, 10.0, 2.0)]);
        assert_eq!(faces, [at(1.0, 10.0, 3.0), at(9.0, 10.0, 2.0)]);
    }

    #[test]
    fn largest_face_is_the_widest_and_the_first_of_equals() {
        assert_eq!(largest(&[]), None);
        let faces = [at(0.0, 10.0, 9.0), at(20.0, 30.0, 1.0), at(60.0, 30.0, 2.0)];
        assert_eq!(largest(&faces), Some(&faces[1]));
    }

    #[test]
    fn finds_the_faces_of_the_photographs_and_no_others() {
        let Some(dir) = shared_data("photos") else { return };
        let annotations = std::fs::read(dir.join("annotations.json")).unwrap();
        let annotations: serde_json::Value = serde_json::from_slice(&annotations).unwrap();
        let mut detector = Detector::new(DetectorConfig::default()).unwrap();
        let (mut boxes, mut hits, mut single, mut false_ones) = (0, 0, 0, 0);
        for (name, truth) in annotations.as_object().unwrap() {
            let picture = photo(&dir.join(name));
            let found = detector.detect(picture.gray().unwrap());
            for face in truth["faces"].as_array().into_iter().flatten() {
                let side = |at: usize| face["box"][at].as_f64().unwrap() as f32;
                let bounds = Rect {
                    x: side(0),
                    y: side(1),
                    w: side(2),
                    h: side(3),
                };
                boxes += 1;
                hits += usize::from(found.iter().any(|face| face.bounds.overlap(&bounds) > 0.3));
            }
            match truth["n_faces"].as_u64() {
                Some(0) => false_ones += found.len(),
                Some(1) => single += usize::from(found.len() == 1),
                _ => {}
            }
        }
        assert_eq!((boxes, false_ones), (18, 0));
        assert!(hits >= 17, "{hits} of 18 faces");
        assert!(single >= 13, "{single} of 15 portraits");
    }

    #[test]
    fn quick_searches_find_known_faces_of_their_size_and_nothing_elsewhere() {
        let Some(dir) = shared_data("photos") else { return };
        let mut detector = Detector::new(DetectorConfig::default()).unwrap();
        let aim = |min_px: f32, max_px: f32, effort| Aim { min_px, max_px, effort };
        for name in ["dlib_2008_001009.jpg", "fr_obama.jpg"] {
            let picture = photo(&dir.join(name));
            let picture = picture.gray().unwrap();
            for face in detector.detect(picture) {
                let (side, margin) = (face.bounds.w, 0.35 * face.bounds.w);
                let around = Rect {
                    x: face.bounds.x - margin,
                    y: face.bounds.y - margin,
                    w: side + 2.0 * margin,
                    h: side + 2.0 * margin,
                };
                let (part, [x, y]) = picture.part(&around).unwrap();
                let found = detector.search(part, &aim(0.85 * side, 1.3 * side, Effort::Known));
                let there = |found: &Detection| {
                    let bounds = Rect {
                        x: found.bounds.x + x as f32,
                        y: found.bounds.y + y as f32,
                        ..found.bounds
                    };
                    bounds.overlap(&face.bounds) > 0.5
                };
                assert!(found.iter().any(there), "{name}: {found:?} instead of {face:?}");
                let smaller = detector.search(part, &aim(20.0, 0.3 * side, Effort::Known));
                assert!(!smaller.iter().any(there), "{name}: {smaller:?} are too large");
            }
        }
        for name in ["mtcnn_no_faces.jpg", "ski_brick.png", "ski_coins.png", "ski_gravel.png"] {
            let picture = photo(&dir.join(name));
            let found = detector.search(picture.gray().unwrap(), &aim(40.0, f32::INFINITY, Effort::Quick));
            assert_eq!(found, [], "{name}");
        }
    }

    #[test]
    fn a_padded_row_changes_nothing() {
        let Some(dir) = shared_data("photos") else { return };
        let picture = photo(&dir.join("dlib_2008_001009.jpg"));
        let plain = picture.gray().unwrap();
        let (width, height) = (plain.width(), plain.height());
        let padded: Vec<u8> = (0..height)
            .flat_map(|y| plain.row(y).iter().copied().chain([255; 7]))
            .collect();
        let padded = GrayView::with_stride(&padded, width, height, width + 7).unwrap();
        let mut detector = Detector::new(DetectorConfig::default()).unwrap();
        let faces = detector.detect(plain);
        assert_eq!(faces.len(), 2);
        assert!(faces[0].bounds.x < faces[1].bounds.x);
        assert_eq!(detector.detect(padded), faces);
    }
}
