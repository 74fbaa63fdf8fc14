//! From a face in a picture to scores and keypoints.
//!
//! Everything of tract stays in this module. [`Model`] is one network; [`Predictor`] holds the two of a
//! bundle and knows which crop each of them sees and how it is normalised. Where the face is comes from
//! outside ([`crate::face`], or the caller).

mod floats;
mod layer;
mod model;
mod quantised;
mod structure;

use shared_model::emotion::Scores;
use shared_model::image::{CropRule, GrayView, INPUT_LEN, Normalisation, Rect, SIDE, sample};
use shared_model::keypoints::{COORDINATES, Keypoints};
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME, Network, Precision};

use crate::bundle::{Bundle, BundleError};

pub use layer::Layer;
pub use model::Model;

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The file is no ONNX protobuf.
    #[error("read network: not an ONNX file: {0}")]
    NotOnnx(String),
    /// The file is ONNX, but not a network of contract 1.
    #[error("check network: {0}")]
    Structure(String),
    /// tract cannot build the network.
    #[error("build network: {0}")]
    Load(String),
    /// tract gave up altogether.
    #[error("build network: the file is damaged or uses what tract does not support: {0}")]
    Panic(String),
    /// An output has another shape or type than asked for.
    #[error("check network: output `{name}` must be [1, {length}] of 32-bit floats, not {found}")]
    Output {
        /// Which one.
        name: String,
        /// Expected length.
        length: usize,
        /// What the network gives.
        found: String,
    },
    /// An input has the wrong length.
    #[error("run network: an input of {0} values instead of {INPUT_LEN}")]
    Input(usize),
    /// tract cannot run the network.
    #[error("run network: {0}")]
    Run(String),
    /// The network gave a value that is no finite number.
    #[error("run network: output `{0}` is not finite")]
    NotFinite(String),
    /// A crop is empty or not finite.
    #[error("crop face: {0:?} is no rectangle")]
    Crop(Rect),
    /// A file of the bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

/// What each network sees of a picture, in its pixels; may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crops {
    /// For the keypoint network.
    pub keypoints: Rect,
    /// For the emotion network.
    pub emotion: Rect,
}

impl Crops {
    /// The same region for both networks.
    pub fn both(rect: Rect) -> Self {
        Self {
            keypoints: rect,
            emotion: rect,
        }
    }
}

/// What the networks say about one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// A probability for each class.
    pub scores: Scores,
    /// In pixels of the picture.
    pub keypoints: Keypoints,
}

/// The two networks of a bundle.
pub struct Predictor {
    keypoints: Part,
    emotion: Part,
    temperature: f32,
    /// What was cut last.
    crops: Option<Crops>,
}

/// A network and what is done to its input.
struct Part {
    model: Model,
    normalisation: Normalisation,
    crop: CropRule,
    /// Kept, so that no frame allocates.
    input: Vec<f32>,
}

impl Predictor {
    /// Loads both networks, in 32-bit floats where the bundle has them.
    pub fn load(bundle: &Bundle) -> Result<Self, PredictError> {
        let manifest = bundle.manifest();
        let classes = manifest.classes.len();
        Ok(Self {
            keypoints: Part::load(bundle, &manifest.keypoints, (KEYPOINTS_NAME, COORDINATES))?,
            emotion: Part::load(bundle, &manifest.emotion, (EMOTION_NAME, classes))?,
            temperature: manifest.decision.temperature,
            crops: None,
        })
    }

    /// The crops for a box of the face detector.
    pub fn crops(&self, face: &Rect) -> Crops {
        Crops {
            keypoints: self.keypoints.crop.apply(face),
            emotion: self.emotion.crop.apply(face),
        }
    }

    /// Runs both networks on their crops of the picture.
    pub fn predict(&mut self, picture: GrayView<'_>, crops: &Crops) -> Result<Prediction, PredictError> {
        self.crop(picture, crops)?;
        self.run()
    }

    /// Cuts the inputs of both networks out of the picture.
    pub fn crop(&mut self, picture: GrayView<'_>, crops: &Crops) -> Result<(), PredictError> {
        self.crops = None;
        self.keypoints.fill(picture, &crops.keypoints)?;
        if crops.keypoints == crops.emotion && self.keypoints.normalisation == self.emotion.normalisation {
            self.emotion.input.copy_from_slice(&self.keypoints.input);
        } else {
            self.emotion.fill(picture, &crops.emotion)?;
        }
        self.crops = Some(*crops);
        Ok(())
    }

    /// Runs both networks on what [`Predictor::crop`] cut last.
    pub fn run(&mut self) -> Result<Prediction, PredictError> {
        let crops = self.crops.ok_or(PredictError::Input(0))?;
        self.keypoints.model.run(&self.keypoints.input)?;
        self.emotion.model.run(&self.emotion.input)?;
        Ok(Prediction {
            scores: self.scores()?,
            keypoints: self.points(&crops.keypoints)?,
        })
    }

    fn scores(&self) -> Result<Scores, PredictError> {
        Scores::from_logits(self.emotion.model.output(0), self.temperature)
            .ok_or_else(|| PredictError::NotFinite(EMOTION_NAME.to_owned()))
    }

    fn points(&self, crop: &Rect) -> Result<Keypoints, PredictError> {
        let points = Keypoints::from_coordinates(self.keypoints.model.output(0))
            .ok_or_else(|| PredictError::NotFinite(KEYPOINTS_NAME.to_owned()))?;
        Ok(Keypoints(points.0.map(|point| crop.to_picture(point, SIDE as f32))))
    }
}

impl Part {
    fn load(bundle: &Bundle, network: &Network, output: (&str, usize)) -> Result<Self, PredictError> {
        let file = network.file(Precision::F32).or_else(|| network.file(Precision::Int8));
        // A checked manifest has at least one file a network.
        let file = file.ok_or_else(|| PredictError::Structure(format!("no file for `{}`", output.0)))?;
        Ok(Self {
            model: Model::load_owned(bundle.read(file)?, &[output])?,
            normalisation: network.normalisation,
            crop: network.crop,
            input: vec![0.0; INPUT_LEN],
        })
    }

    fn fill(&mut self, picture: GrayView<'_>, crop: &Rect) -> Result<(), PredictError> {
        if !crop.is_valid() {
            return Err(PredictError::Crop(*crop));
        }
        sample(picture, crop, SIDE, &mut self.input);
        self.normalisation.apply(&mut self.input);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::bundle::write_bundle;
    use crate::testing::network;

    fn predictor() -> Predictor {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap()
    }

    fn gradient(width: usize, height: usize) -> Vec<u8> {
        (0..width * height).map(|at| (at % width + at / width) as u8).collect()
    }

    #[test]
    fn whole_crop_gives_the_networks_own_numbers() {
        let data = gradient(SIDE, SIDE);
        let picture = GrayView::new(&data, SIDE, SIDE).unwrap();
        let prediction = predictor().predict(picture, &Crops::both(picture.bounds())).unwrap();
        let input: Vec<f32> = data.iter().map(|value| f32::from(*value) / 255.0).collect();
        let scores = Scores::from_logits(&network::expected(&input, 5), 2.0).unwrap();
        for (got, expected) in prediction.scores.as_slice().iter().zip(scores.as_slice()) {
            assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        }
        let points = network::expected(&input, COORDINATES);
        assert!((prediction.keypoints.0[3][1] - points[7]).abs() < 1e-2);
    }

    #[test]
    fn keypoints_come_back_in_pixels_of_the_picture() {
        let data = vec![128; 400 * 300];
        let picture = GrayView::new(&data, 400, 300).unwrap();
        let mut predictor = predictor();
        let crop = |x, w| Crops::both(Rect { x, y: 20.0, w, h: w });
        let near = predictor.predict(picture, &crop(10.0, 96.0)).unwrap().keypoints;
        let far = predictor.predict(picture, &crop(110.0, 192.0)).unwrap().keypoints;
        for (near, far) in near.0.iter().zip(far.0) {
            assert!((110.0 + (near[0] - 10.0) * 2.0 - far[0]).abs() < 1e-2);
            assert!((20.0 + (near[1] - 20.0) * 2.0 - far[1]).abs() < 1e-2);
        }
    }

    #[test]
    fn crops_follow_the_rules_of_the_manifest() {
        let face = Rect {
            x: 10.0,
            y: 20.0,
            w: 40.0,
            h: 40.0,
        };
        let crops = predictor().crops(&face);
        assert_eq!(crops.keypoints, face);
        assert_eq!(
            crops.emotion,
            Rect {
                x: 0.0,
                y: 10.0,
                w: 60.0,
                h: 60.0
            }
        );
    }

    #[test]
    fn refuses_crops_that_are_no_rectangles() {
        let data = vec![0; 100];
        let picture = GrayView::new(&data, 10, 10).unwrap();
        for w in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            let crops = Crops::both(Rect {
                x: 0.0,
                y: 0.0,
                w,
                h: 5.0,
            });
            assert!(matches!(
                predictor().predict(picture, &crops),
                Err(PredictError::Crop(_))
            ));
        }
    }
}
