//! One network as it is used on a face: the crop is sampled and normalised, the network sees it, or it and its mirror
//! image, and the outputs are in the crop's own pixels.
//!
//! The trainer measures networks with this code, so that its figures are those of the device. Where the crop lies
//! ([`shared_model::image::CropRule`]) is decided elsewhere.

use shared_model::image::{GrayView, INPUT_LEN, Normalisation, Rect, SIDE, sample};
use shared_model::keypoints::{COORDINATES, Keypoints};
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME, Network};

use super::{Model, PredictError};

/// Which output a network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// `keypoints`, [`COORDINATES`] values in pixels of the crop.
    Keypoints,
    /// `emotion`, one logit a class.
    Emotion {
        /// The number of classes.
        classes: usize,
    },
}

/// Which pictures of a face a network sees: test-time augmentation by a horizontal flip, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Views {
    /// The crop as it is.
    Plain,
    /// The crop and its mirror image; the mean of both outputs counts. Twice the work, and a smaller error, since
    /// the errors of the two are not the same.
    Mirrored,
}

/// What a network sees of a face this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The crop alone.
    Crop,
    /// The mirror image alone.
    Mirror,
    /// Both; the mean of the outputs counts.
    Both,
}

impl From<Views> for Look {
    fn from(views: Views) -> Self {
        match views {
            Views::Plain => Self::Crop,
            Views::Mirrored => Self::Both,
        }
    }
}

/// How a network is used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// The output that it has.
    pub output: Output,
    /// What is done to a crop before the network sees it.
    pub normalisation: Normalisation,
    /// The pictures of a crop that it sees.
    pub views: Views,
}

/// A network with the preprocessing of its crops.
pub struct FaceNetwork {
    model: Model,
    setup: Setup,
    /// Kept, so that no face allocates.
    input: Vec<f32>,
    /// Of the last face.
    outputs: Vec<f32>,
}

impl Output {
    /// Name of the output tensor.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keypoints => KEYPOINTS_NAME,
            Self::Emotion { .. } => EMOTION_NAME,
        }
    }

    /// Number of values in the output.
    pub fn count(self) -> usize {
        match self {
            Self::Keypoints => COORDINATES,
            Self::Emotion { classes } => classes,
        }
    }

    /// Turns what was seen in a mirror image into what it means for the crop itself.
    fn mirror_back(self, values: &mut [f32]) {
        // An expression has no left and right.
        if self == Self::Keypoints
            && let Some(points) = Keypoints::from_coordinates(values)
        {
            values.copy_from_slice(points.mirrored(SIDE as f32).0.as_flattened());
        }
    }
}

impl Setup {
    /// What a manifest says of a network.
    pub fn of(network: &Network, output: Output) -> Self {
        Self {
            output,
            normalisation: network.normalisation,
            views: if network.mirrored {
                Views::Mirrored
            } else {
                Views::Plain
            },
        }
    }
}

impl FaceNetwork {
    /// Builds the network from an ONNX file, which is dropped before: memory is scarce on a device.
    ///
    /// # Errors
    /// Those of [`Model::load`].
    pub fn load(onnx: Vec<u8>, setup: Setup) -> Result<Self, PredictError> {
        let model = Model::load_owned(onnx, &[(setup.output.name(), setup.output.count())])?;
        Ok(Self::of(model, setup))
    }

    /// Like [`FaceNetwork::load`], for whoever runs it at once: the network has not run yet.
    pub(super) fn build(onnx: Vec<u8>, setup: Setup) -> Result<Self, PredictError> {
        let model = Model::build_owned(onnx, &[(setup.output.name(), setup.output.count())])?;
        Ok(Self::of(model, setup))
    }

    fn of(model: Model, setup: Setup) -> Self {
        Self {
            model,
            setup,
            input: vec![0.0; INPUT_LEN],
            outputs: vec![0.0; setup.output.count()],
        }
    }

    /// The preprocessing and output that it was loaded with.
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// The network without its preprocessing.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Outputs for this crop of a picture: coordinates in pixels of the crop (0 to [`SIDE`]), or logits.
    ///
    /// # Errors
    /// [`PredictError::Crop`] where the crop is empty or not finite, and the errors of [`Model::run`].
    pub fn infer(&mut self, picture: GrayView<'_>, crop: &Rect) -> Result<&[f32], PredictError> {
        self.set_crop(picture, crop)?;
        self.run()?;
        Ok(&self.outputs)
    }

    /// Samples and normalises a crop, without running the network.
    pub(super) fn set_crop(&mut self, picture: GrayView<'_>, crop: &Rect) -> Result<(), PredictError> {
        if !crop.is_valid() {
            return Err(PredictError::Crop(*crop));
        }
        sample(picture, crop, SIDE, &mut self.input);
        self.setup.normalisation.apply(&mut self.input);
        Ok(())
    }

    /// Copies the input of another network, which normalises alike.
    pub(super) fn copy_input(&mut self, other: &Self) {
        self.input.copy_from_slice(&other.input);
    }

    /// Runs the network on its input, as often as its setup says.
    pub(super) fn run(&mut self) -> Result<(), PredictError> {
        self.run_on(self.setup.views.into())
    }

    /// Runs the network on this of its input.
    pub(super) fn run_on(&mut self, look: Look) -> Result<(), PredictError> {
        if look == Look::Crop {
            return self.run_once();
        }
        mirror(&mut self.input);
        let seen = self.run_once();
        mirror(&mut self.input);
        seen?;
        self.setup.output.mirror_back(&mut self.outputs);
        if look == Look::Both {
            self.model.run(&self.input)?;
            for (mean, plain) in self.outputs.iter_mut().zip(self.model.output(0)) {
                *mean = f32::midpoint(*mean, *plain);
            }
        }
        Ok(())
    }

    fn run_once(&mut self) -> Result<(), PredictError> {
        self.model.run(&self.input)?;
        self.outputs.copy_from_slice(self.model.output(0));
        Ok(())
    }

    /// Outputs of the last run.
    pub(super) fn outputs(&self) -> &[f32] {
        &self.outputs
    }
}

/// Mirrors a picture of [`SIDE`] columns left to right.
fn mirror(values: &mut [f32]) {
    for row in values.chunks_exact_mut(SIDE) {
        row.reverse();
    }
}

#[cfg(test)]
mod tests {
    use shared_model::keypoints::{LEFT_EYE, RIGHT_EYE};

    use super::*;
    use testing::network;

    fn outputs(setup: Setup, pixels: &[u8]) -> Vec<f32> {
        let onnx = network::encode(&network::linear(setup.output.name(), setup.output.count()));
        let picture = GrayView::new(pixels, SIDE, SIDE).unwrap();
        let mut network = FaceNetwork::load(onnx, setup).unwrap();
        network.infer(picture, &picture.bounds()).unwrap().to_vec()
    }

    fn setup(output: Output, views: Views) -> Setup {
        Setup {
            output,
            normalisation: Normalisation::Unit,
            views,
        }
    }

    /// Darker to the right and downwards, with no symmetry, and its mirror image.
    fn pictures() -> [Vec<u8>; 2] {
        let pixels: Vec<u8> = (0..INPUT_LEN).map(|at| (at % SIDE * 2 + at / SIDE / 3) as u8).collect();
        let mirrored = (pixels.chunks_exact(SIDE)).flat_map(|row| row.iter().rev().copied());
        let mirrored = mirrored.collect();
        [pixels, mirrored]
    }

    #[test]
    fn mirrored_logits_are_the_mean_of_both_pictures() {
        let output = Output::Emotion { classes: 5 };
        let [plain, flipped] = pictures().map(|pixels| outputs(setup(output, Views::Plain), &pixels));
        assert_ne!(plain, flipped);
        let both = outputs(setup(output, Views::Mirrored), &pictures()[0]);
        for at in 0..5 {
            assert!(
                (both[at] - f32::midpoint(plain[at], flipped[at])).abs() < 1e-5,
                "{both:?}"
            );
        }
    }

    #[test]
    fn mirrored_points_change_sides_and_places() {
        let [plain, flipped] = pictures().map(|pixels| outputs(setup(Output::Keypoints, Views::Plain), &pixels));
        let both = outputs(setup(Output::Keypoints, Views::Mirrored), &pictures()[0]);
        let (left, right) = (2 * LEFT_EYE, 2 * RIGHT_EYE);
        let x = (plain[left] + 96.0 - flipped[right]) / 2.0;
        let y = f32::midpoint(plain[left + 1], flipped[right + 1]);
        assert!(
            (both[left] - x).abs() < 1e-4 && (both[left + 1] - y).abs() < 1e-4,
            "{both:?}"
        );
    }

    #[test]
    fn whoever_asks_for_less_gets_the_points_of_the_crop_alone() {
        let [pixels, _] = pictures();
        let picture = GrayView::new(&pixels, SIDE, SIDE).unwrap();
        let plain = outputs(setup(Output::Keypoints, Views::Plain), &pixels);
        let onnx = network::encode(&network::linear(Output::Keypoints.name(), COORDINATES));
        let mut network = FaceNetwork::build(onnx, setup(Output::Keypoints, Views::Mirrored)).unwrap();
        assert_ne!(network.infer(picture, &picture.bounds()).unwrap(), plain);
        network.run_on(Look::Crop).unwrap();
        assert_eq!(network.outputs(), plain);
    }

    #[test]
    fn a_face_and_its_mirror_image_get_mirrored_points() {
        let [face, mirrored] = pictures().map(|pixels| outputs(setup(Output::Keypoints, Views::Mirrored), &pixels));
        let back = Keypoints::from_coordinates(&mirrored).unwrap().mirrored(SIDE as f32);
        for (got, expected) in back.0.as_flattened().iter().zip(&face) {
            assert!((got - expected).abs() < 1e-4, "{got} instead of {expected}");
        }
    }
}
