//! Which parts of a picture are faces, and what the networks see of each.

use shared_model::image::{GrayView, Rect};

use crate::face::{Detector, DetectorConfig, FaceError, largest};
use inference::{Crops, Predictor};

/// Where the faces of a picture come from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Faces {
    /// The face detector finds them.
    Detect(DetectorConfig),
    /// Every picture is one face, already cut as the networks want it.
    Whole,
    /// Every picture has one face, in this box as the detector would give it, in pixels.
    Box(Rect),
}

/// A face and its crops, in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Located {
    /// The face.
    pub bounds: Rect,
    /// What the networks see.
    pub crops: Crops,
}

/// Finds the faces of one picture after another.
pub struct Locator(Way);

enum Way {
    Detect(Box<Detector>),
    Whole,
    Box(Rect),
}

impl Locator {
    /// A locator for this kind of pictures.
    pub fn new(faces: Faces) -> Result<Self, FaceError> {
        Ok(Self(match faces {
            Faces::Detect(config) => Way::Detect(Box::new(Detector::new(config)?)),
            Faces::Whole => Way::Whole,
            Faces::Box(bounds) => Way::Box(bounds),
        }))
    }

    /// Every face of the picture, from left to right.
    pub fn all(&mut self, picture: GrayView<'_>, predictor: &Predictor) -> Vec<Located> {
        let located = |bounds: Rect| Located {
            bounds,
            crops: predictor.crops(&bounds),
        };
        match &mut self.0 {
            Way::Detect(detector) => detector
                .detect(picture)
                .iter()
                .map(|face| located(face.bounds))
                .collect(),
            Way::Whole => vec![Located {
                bounds: picture.bounds(),
                crops: Crops::both(picture.bounds()),
            }],
            Way::Box(bounds) => vec![located(*bounds)],
        }
    }

    /// The largest face of the picture.
    pub fn largest(&mut self, picture: GrayView<'_>, predictor: &Predictor) -> Option<Located> {
        let located = |bounds: Rect| Located {
            bounds,
            crops: predictor.crops(&bounds),
        };
        match &mut self.0 {
            Way::Detect(detector) => largest(&detector.detect(picture)).map(|face| located(face.bounds)),
            Way::Whole => Some(Located {
                bounds: picture.bounds(),
                crops: Crops::both(picture.bounds()),
            }),
            Way::Box(bounds) => Some(located(*bounds)),
        }
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
        let predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let data = [0; 64 * 48];
        let picture = GrayView::new(&data, 64, 48).unwrap();
        let whole = Locator::new(Faces::Whole).unwrap().all(picture, &predictor);
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
        let boxed = Locator::new(Faces::Box(bounds)).unwrap().largest(picture, &predictor);
        assert_eq!(
            boxed,
            Some(Located {
                bounds,
                crops: predictor.crops(&bounds)
            })
        );
        let none = Locator::new(Faces::Detect(DetectorConfig::default()))
            .unwrap()
            .largest(picture, &predictor);
        assert_eq!(none, None);
    }
}
