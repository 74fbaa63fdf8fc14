//! Which parts of a picture are faces, and what the networks see of each.

use shared_model::image::{GrayView, Rect};

use crate::detector::finder::{Finder, FinderConfig, settings};
use crate::detector::stills::StillFinder;
use crate::face::{Detector, DetectorConfig, FaceError};
use inference::{Crops, PredictError, Predictor};

/// Where the faces of a picture come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Faces {
    /// The cascade finds them.
    Detect(DetectorConfig),
    /// The bundle's detector finds them, from this side in pixels on.
    DetectByBundle(f32),
    /// The bundle's detector finds them at one size, from this side in pixels on, as a run searches a frame.
    DetectAsRun(f32),
    /// Every picture is one face, already cut as the networks want it.
    Whole,
    /// Every picture has one face, in this box as the detector would give it, in pixels.
    Box(Rect),
}

impl Faces {
    /// Found in still pictures by what suits the predictor's bundle: by its detector, or by the cascade where it has none.
    pub fn of_bundle(predictor: &Predictor, cascade: DetectorConfig) -> Self {
        match predictor.detector() {
            Some(_) => Self::DetectByBundle(cascade.min_face_px),
            None => Self::Detect(cascade),
        }
    }
}

/// A face and its crops, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Located {
    /// Box of the face, in pixels.
    pub bounds: Rect,
    /// The squares that the networks see.
    pub crops: Crops,
}

/// Finds the faces of one picture after another.
pub struct Locator(Way);

enum Way {
    Detect(Box<Detector>),
    ByBundle(f32, Option<Box<StillFinder>>),
    AsRun(f32, Option<Box<Finder>>),
    Whole,
    Box(Rect),
}

impl Locator {
    /// A locator for this kind of pictures.
    pub fn new(faces: Faces) -> Result<Self, FaceError> {
        Ok(Self(match faces {
            Faces::Detect(config) => Way::Detect(Box::new(Detector::new(config)?)),
            Faces::DetectByBundle(min_face_px) => Way::ByBundle(min_face_px, None),
            Faces::DetectAsRun(min_face_px) => Way::AsRun(min_face_px, None),
            Faces::Whole => Way::Whole,
            Faces::Box(bounds) => Way::Box(bounds),
        }))
    }

    /// Every face of the picture, from left to right.
    ///
    /// # Errors
    /// [`PredictError`] where the bundle's detector cannot run.
    pub fn all(&mut self, picture: GrayView<'_>, predictor: &mut Predictor) -> Result<Vec<Located>, PredictError> {
        let whole = Located {
            bounds: picture.bounds(),
            crops: Crops::both(picture.bounds()),
        };
        let bounds: Vec<Rect> = match &mut self.0 {
            Way::Detect(detector) => detector.detect(picture).iter().map(|face| face.bounds).collect(),
            Way::ByBundle(min_face_px, finder) => match predictor.detector_mut() {
                Some(network) => {
                    let finder =
                        finder.get_or_insert_with(|| Box::new(StillFinder::new(*min_face_px, network.entry())));
                    finder.find(picture, network)?.iter().map(|face| face.bounds).collect()
                }
                None => Vec::new(),
            },
            Way::AsRun(min_face_px, finder) => match predictor.detector_mut() {
                Some(network) => {
                    let config = FinderConfig {
                        min_face_px: *min_face_px,
                        detector_px: None,
                    };
                    let finder = finder.get_or_insert_with(|| Box::new(Finder::new(config, network.entry())));
                    finder.take(picture);
                    let (faces, _) = finder.find(network)?;
                    let least = settings(network.entry()).sure_score;
                    let mut sure: Vec<Rect> = (faces.iter().filter(|face| face.score >= least))
                        .map(|face| face.bounds)
                        .collect();
                    sure.sort_by(|one, other| one.x.total_cmp(&other.x));
                    sure
                }
                None => Vec::new(),
            },
            Way::Whole => return Ok(vec![whole]),
            Way::Box(bounds) => vec![*bounds],
        };
        let located = |bounds: &Rect| Located {
            bounds: *bounds,
            crops: predictor.crops(bounds),
        };
        Ok(bounds.iter().map(located).collect())
    }

    /// The largest face of the picture; the first of equals.
    ///
    /// # Errors
    /// Those of [`Locator::all`].
    pub fn largest(
        &mut self,
        picture: GrayView<'_>,
        predictor: &mut Predictor,
    ) -> Result<Option<Located>, PredictError> {
        // No list for what is known without a search: such frames take no memory.
        let known = match self.0 {
            Way::Whole => Some(Located {
                bounds: picture.bounds(),
                crops: Crops::both(picture.bounds()),
            }),
            Way::Box(bounds) => Some(Located {
                bounds,
                crops: predictor.crops(&bounds),
            }),
            Way::Detect(_) | Way::ByBundle(..) | Way::AsRun(..) => None,
        };
        if known.is_some() {
            return Ok(known);
        }
        let larger = |best: &Located, face: &Located| best.bounds.w >= face.bounds.w;
        let all = self.all(picture, predictor)?.into_iter();
        Ok(all.reduce(|best, face| if larger(&best, &face) { best } else { face }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use inference::bundle::Bundle;
    use testing::bundle::write_bundle;

    #[test]
    fn whole_pictures_are_their_own_crops_and_boxes_follow_the_rules() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let data = [0; 64 * 48];
        let picture = GrayView::new(&data, 64, 48).unwrap();
        let whole = Locator::new(Faces::Whole)
            .unwrap()
            .all(picture, &mut predictor)
            .unwrap();
        assert_eq!(
            whole,
            [Located {
                bounds: picture.bounds(),
                crops: Crops::both(picture.bounds())
            }]
        );
        let bounds = Rect {
            x: 5.0,
            y: 6.0,
            w: 20.0,
            h: 20.0,
        };
        let boxed = Locator::new(Faces::Box(bounds))
            .unwrap()
            .largest(picture, &mut predictor)
            .unwrap();
        assert_eq!(
            boxed,
            Some(Located {
                bounds,
                crops: predictor.crops(&bounds)
            })
        );
        let none = Locator::new(Faces::Detect(DetectorConfig::default()))
            .unwrap()
            .largest(picture, &mut predictor)
            .unwrap();
        assert_eq!(none, None);
    }
}
