//! What finds the faces of a frame: the detector of the bundle, or the cascade of this program.

use inference::Predictor;
use shared_model::image::{GrayView, Rect};

use super::{TrackConfig, TrackError};
use crate::detector::finder::{Finder, FinderConfig, Glance, settings};
use crate::face::{Detector, Effort, FaceError};
use crate::tracker::{Observation, TrackerSettings};

/// Finds the faces of one frame after another.
pub(super) enum Eye {
    /// The detector of the bundle.
    Detector(Box<DetectorEye>),
    /// The cascade, for bundles without one.
    Cascade(Box<CascadeEye>),
}

/// The detector, and how it saw the last frame.
pub(super) struct DetectorEye {
    finder: Finder,
    /// Whether it saw the mirror image. It sees frame and mirror image in turns: some faces it is sure of in one of them only.
    mirrored: bool,
}

/// The cascade, and what it is spared in an empty room.
pub(super) struct CascadeEye {
    cascade: Detector,
    glance: Glance,
    config: FinderConfig,
}

impl Eye {
    /// The one that suits the predictor's bundle.
    ///
    /// # Errors
    /// [`FaceError`] where the bundle has no detector and the cascade cannot be had.
    pub(super) fn new(config: &TrackConfig, predictor: &Predictor) -> Result<Self, FaceError> {
        let finder = FinderConfig {
            min_face_px: config.detector.min_face_px,
            detector_px: config.detector_px,
        };
        Ok(match predictor.detector() {
            Some(network) => Self::Detector(Box::new(DetectorEye {
                finder: Finder::new(finder, network.entry()),
                mirrored: true,
            })),
            None => Self::Cascade(Box::new(CascadeEye {
                cascade: Detector::new(config.detector)?,
                glance: Glance::default(),
                config: finder,
            })),
        })
    }

    /// Whether it is that of the predictor's bundle.
    pub(super) fn suits(&self, predictor: &Predictor) -> bool {
        match (self, predictor.detector()) {
            (Self::Detector(eye), Some(network)) => eye.finder.detector() == network.entry(),
            (Self::Cascade(_), None) => true,
            _ => false,
        }
    }

    /// What tracking goes by with it.
    pub(super) fn settings(&self) -> TrackerSettings {
        match self {
            Self::Detector(eye) => settings(eye.finder.detector()),
            Self::Cascade(_) => TrackerSettings::default(),
        }
    }

    /// Takes in the next picture.
    pub(super) fn take(&mut self, picture: GrayView<'_>) {
        match self {
            Self::Detector(eye) => eye.finder.take(picture),
            Self::Cascade(eye) => eye.glance.take(picture, &eye.config),
        }
    }

    /// How the picture that was taken in last differs from the one that was searched last.
    pub(super) fn glance(&mut self) -> &mut Glance {
        match self {
            Self::Detector(eye) => eye.finder.glance(),
            Self::Cascade(eye) => &mut eye.glance,
        }
    }

    /// The faces of the picture that was taken in last, in its pixels, and how many cells of the detector were damaged.
    pub(super) fn find(
        &mut self,
        picture: GrayView<'_>,
        predictor: &mut Predictor,
        found: &mut Vec<Observation>,
    ) -> Result<u64, TrackError> {
        found.clear();
        match (self, predictor.detector_mut()) {
            (Self::Detector(eye), Some(network)) => {
                eye.mirrored = !eye.mirrored;
                let (faces, dropped) = if eye.mirrored {
                    eye.finder.find_mirrored(network)?
                } else {
                    eye.finder.find(network)?
                };
                found.extend_from_slice(faces);
                Ok(dropped.damaged as u64)
            }
            (Self::Detector(_), None) => Ok(0),
            (Self::Cascade(eye), _) => {
                eye.glance.remember();
                let faces = eye.cascade.search(picture, Effort::Quick);
                // Its scores have no upper end, and what it gives is a face.
                found.extend(faces.iter().map(|face| Observation {
                    bounds: face.bounds,
                    score: 1.0,
                    roll: 0.0,
                }));
                Ok(0)
            }
        }
    }

    /// How sure it is of a box and a roll that it gave for the picture that was taken in last, 0 to 1, when it looks again, and how
    /// many cells of the detector were damaged.
    pub(super) fn look_again(
        &mut self,
        picture: GrayView<'_>,
        (bounds, roll): (&Rect, f32),
        predictor: &mut Predictor,
    ) -> Result<(f32, u64), TrackError> {
        match (self, predictor.detector_mut()) {
            (Self::Detector(eye), Some(network)) => {
                let (score, dropped) = eye.finder.look_again(picture, (bounds, roll), network)?;
                Ok((score, dropped.damaged as u64))
            }
            // Its faces are certain.
            (Self::Detector(_), None) | (Self::Cascade(_), _) => Ok((1.0, 0)),
        }
    }
}
