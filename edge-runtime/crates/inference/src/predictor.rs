//! The two networks of a bundle, and which crop each of them sees.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use shared_model::emotion::Scores;
use shared_model::image::{CropRule, GrayView, Rect, SIDE};
use shared_model::keypoints::Keypoints;
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME, Network, Precision};

use crate::bundle::Bundle;
use crate::golden::Extent;
use crate::{DETECTOR_NAME, DetectorNetwork, FaceNetwork, Golden, Look, Output, PredictError, Setup, Threads, Views};

/// Which of a bundle's files run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum PrecisionChoice {
    /// 8-bit integers of each network that the bundle has them of, else 32-bit floats.
    #[default]
    Auto,
    /// The files in 32-bit floats.
    F32,
    /// The files in 8-bit integers.
    Int8,
}

impl PrecisionChoice {
    /// What is looked for, the best first.
    fn wanted(self) -> &'static [Precision] {
        match self {
            Self::Auto => &[Precision::Int8, Precision::F32],
            Self::F32 => &[Precision::F32],
            Self::Int8 => &[Precision::Int8],
        }
    }
}

/// What each network sees of a picture, in its pixels; may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crops {
    /// Crop of the keypoint network.
    pub keypoints: Rect,
    /// Crop of the emotion network.
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

/// The number format of the files that run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precisions {
    /// Precision of the keypoint network.
    pub keypoints: Precision,
    /// Precision of the emotion network.
    pub emotion: Precision,
}

/// The outputs of both networks for one face.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// A probability for each class; their sum is 1.
    pub scores: Scores,
    /// The keypoints, in pixels of the picture.
    pub keypoints: Keypoints,
}

/// What the networks see of a face in one frame of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLook {
    /// The keypoint network sees the crop alone, whatever the bundle says. Its points are a little less exact.
    pub rough_points: bool,
    /// What the emotion network sees where the bundle shows it mirrored faces as well; elsewhere it always sees the crop.
    pub emotion: Look,
}

/// Tells the networks that were loaded once from all others, and from the same ones loaded again.
#[derive(Debug, Clone, Default)]
pub struct Loaded(Arc<()>);

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The two networks of a bundle.
pub struct Predictor {
    loaded: Loaded,
    keypoints: Part,
    emotion: Part,
    /// Finds faces, where the bundle has it.
    detector: Option<DetectorNetwork>,
    temperature: f32,
    threads: Threads,
    /// What was cut last.
    crops: Option<Crops>,
}

/// A network and which crop it sees.
struct Part {
    network: FaceNetwork,
    precision: Precision,
    crop: CropRule,
}

impl Predictor {
    /// Loads both networks, in 8-bit integers where the bundle has them, and compares them with the golden vectors.
    ///
    /// # Errors
    /// Those of [`Predictor::load_with_precision`].
    pub fn load(bundle: &Bundle) -> Result<Self, PredictError> {
        Self::load_with_precision(bundle, PrecisionChoice::Auto)
    }

    /// Like [`Predictor::load`], in the precision of one's choice.
    ///
    /// # Errors
    /// [`PredictError::Precision`] where the bundle has no such file, [`PredictError::Bundle`] where one cannot be read,
    /// [`PredictError::GoldenFile`] and [`PredictError::Golden`] where the golden vectors are damaged or do not come out,
    /// and the errors of [`Model::load`](crate::Model::load).
    pub fn load_with_precision(bundle: &Bundle, choice: PrecisionChoice) -> Result<Self, PredictError> {
        Self::load_comparing(bundle, choice, Extent::All)
    }

    /// Like [`Predictor::load_with_precision`], for whoever is to start soon: one golden picture is compared.
    ///
    /// # Errors
    /// Those of [`Predictor::load_with_precision`].
    pub fn load_to_run(bundle: &Bundle, choice: PrecisionChoice) -> Result<Self, PredictError> {
        Self::load_comparing(bundle, choice, Extent::First)
    }

    fn load_comparing(bundle: &Bundle, choice: PrecisionChoice, extent: Extent) -> Result<Self, PredictError> {
        let manifest = bundle.manifest();
        let classes = manifest.classes.len();
        let golden = Golden::of(bundle)?;
        golden.check_manifest(bundle)?;
        let golden = (&golden, extent);
        Ok(Self {
            loaded: Loaded::default(),
            keypoints: Part::load(bundle, &manifest.keypoints, Output::Keypoints, choice, golden)?,
            emotion: Part::load(bundle, &manifest.emotion, Output::Emotion { classes }, choice, golden)?,
            detector: load_detector(bundle, choice, golden)?,
            temperature: manifest.decision.temperature,
            threads: Threads::default(),
            crops: None,
        })
    }

    /// The same networks, on so many threads.
    #[must_use]
    pub fn with_threads(self, threads: Threads) -> Self {
        Self { threads, ..self }
    }

    /// Which networks these are, told from all others.
    pub fn loaded(&self) -> &Loaded {
        &self.loaded
    }

    /// The network that finds faces, if the bundle has one.
    pub fn detector(&self) -> Option<&DetectorNetwork> {
        self.detector.as_ref()
    }

    /// The same as [`Predictor::detector`], to be run.
    pub fn detector_mut(&mut self) -> Option<&mut DetectorNetwork> {
        self.detector.as_mut()
    }

    /// Precision of the two files that run.
    pub fn precisions(&self) -> Precisions {
        Precisions {
            keypoints: self.keypoints.precision,
            emotion: self.emotion.precision,
        }
    }

    /// The crops for a box of the face detector, both in pixels of the picture.
    pub fn crops(&self, face: &Rect) -> Crops {
        Crops {
            keypoints: self.keypoints.crop.apply(face),
            emotion: self.emotion.crop.apply(face),
        }
    }

    /// Runs both networks on their crops of the picture.
    ///
    /// # Errors
    /// Those of [`Predictor::crop`] and [`Predictor::run`].
    pub fn predict(&mut self, picture: GrayView<'_>, crops: &Crops) -> Result<Prediction, PredictError> {
        self.crop(picture, crops)?;
        self.run()
    }

    /// Samples the inputs of both networks from the picture.
    ///
    /// # Errors
    /// [`PredictError::Crop`] where a crop is empty or not finite.
    pub fn crop(&mut self, picture: GrayView<'_>, crops: &Crops) -> Result<(), PredictError> {
        self.crops = None;
        let (keypoints, emotion) = (&mut self.keypoints.network, &mut self.emotion.network);
        keypoints.set_crop(picture, &crops.keypoints)?;
        if crops.keypoints == crops.emotion && keypoints.setup().normalisation == emotion.setup().normalisation {
            emotion.copy_input(keypoints);
        } else {
            emotion.set_crop(picture, &crops.emotion)?;
        }
        self.crops = Some(*crops);
        Ok(())
    }

    /// Runs both networks on what [`Predictor::crop`] sampled last; a mirrored network sees the mirror image as well.
    ///
    /// # Errors
    /// [`PredictError::Input`] before the first crop, [`PredictError::NotFinite`] where an output is not finite, and the
    /// errors of [`Model::run`](crate::Model::run).
    pub fn run(&mut self) -> Result<Prediction, PredictError> {
        let [keypoints, emotion] = [&self.keypoints, &self.emotion].map(|part| part.network.setup().views.into());
        self.run_on(keypoints, emotion)
    }

    /// Like [`Predictor::run`], for a face that is seen in many frames: it need not be seen in full in each of them.
    ///
    /// # Errors
    /// Those of [`Predictor::run`].
    pub fn run_frame(&mut self, look: FrameLook) -> Result<Prediction, PredictError> {
        let keypoints = if look.rough_points {
            Look::Crop
        } else {
            self.keypoints.network.setup().views.into()
        };
        let emotion = if self.sees_mirrored_emotion() {
            look.emotion
        } else {
            Look::Crop
        };
        self.run_on(keypoints, emotion)
    }

    /// Whether the emotion network sees the crop and its mirror image.
    pub fn sees_mirrored_emotion(&self) -> bool {
        self.emotion.network.setup().views == Views::Mirrored
    }

    fn run_on(&mut self, of_keypoints: Look, of_emotion: Look) -> Result<Prediction, PredictError> {
        let crops = self.crops.ok_or(PredictError::Input(0))?;
        let (keypoints, emotion) = (&mut self.keypoints.network, &mut self.emotion.network);
        self.threads
            .run(|| keypoints.run_on(of_keypoints), || emotion.run_on(of_emotion))?;
        Ok(Prediction {
            scores: self.scores()?,
            keypoints: self.points(&crops.keypoints)?,
        })
    }

    fn scores(&self) -> Result<Scores, PredictError> {
        Scores::from_logits(self.emotion.network.outputs(), self.temperature)
            .ok_or_else(|| PredictError::NotFinite(EMOTION_NAME.to_owned()))
    }

    fn points(&self, crop: &Rect) -> Result<Keypoints, PredictError> {
        let points = Keypoints::from_coordinates(self.keypoints.network.outputs())
            .ok_or_else(|| PredictError::NotFinite(KEYPOINTS_NAME.to_owned()))?;
        Ok(Keypoints(points.0.map(|point| crop.to_picture(point, SIDE as f32))))
    }
}

impl Part {
    fn load(
        bundle: &Bundle,
        entry: &Network,
        output: Output,
        choice: PrecisionChoice,
        (golden, extent): (&Golden, Extent),
    ) -> Result<Self, PredictError> {
        let wanted = choice.wanted();
        let file = wanted.iter().find_map(|precision| entry.file(*precision));
        let file = file.ok_or_else(|| PredictError::Precision {
            network: output.name(),
            precision: wanted[0],
        })?;
        let mut network = FaceNetwork::build(bundle.read(file.into())?, Setup::of(entry, output))?;
        golden.check(&mut network, file.precision, extent)?;
        Ok(Self {
            network,
            precision: file.precision,
            crop: entry.crop,
        })
    }
}

/// The detector of a bundle, compared with the golden vectors; `None` where the bundle has none.
fn load_detector(
    bundle: &Bundle,
    choice: PrecisionChoice,
    (golden, extent): (&Golden, Extent),
) -> Result<Option<DetectorNetwork>, PredictError> {
    let Some(entry) = &bundle.manifest().detector else {
        return Ok(None);
    };
    let wanted = choice.wanted();
    let file = wanted.iter().find_map(|precision| entry.file(*precision));
    let file = file.ok_or(PredictError::Precision {
        network: DETECTOR_NAME,
        precision: wanted[0],
    })?;
    let mut network = DetectorNetwork::build(bundle.read(file.into())?, entry, file.precision)?;
    golden.check_detector(&mut network, extent)?;
    Ok(Some(network))
}

#[cfg(test)]
mod tests;
