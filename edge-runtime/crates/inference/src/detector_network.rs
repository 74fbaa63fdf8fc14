//! The network of a bundle that finds faces: a reduced grey picture goes in, output maps come out.
//!
//! It consists of convolutions alone, so that it takes pictures of any size; it is built anew when the size changes.
//! What the maps mean is told by the manifest and read elsewhere.

use shared_model::image::{GrayView, SIDE};
use shared_model::manifest::{Detector, Precision};

use super::signature::{InputSize, OutputMap};
use super::{Input, LEVELS, Model, PredictError};

/// Name of the detector in messages and golden vectors.
pub const DETECTOR_NAME: &str = "detector";

/// Of all numbers of the maps, every so manyth is a golden value: a prime, so that every channel has some.
const GOLDEN_STEP: usize = 37;

/// A detector with the preprocessing of its pictures.
pub struct DetectorNetwork {
    entry: Detector,
    precision: Precision,
    /// Its file, from which it is built for each size.
    onnx: Vec<u8>,
    model: Model,
    /// What the network sees of each grey level.
    levels: [f32; LEVELS],
}

impl DetectorNetwork {
    /// Builds the network from an ONNX file in this precision, for pictures of the size that it was trained at.
    ///
    /// # Errors
    /// Those of [`Model::load_maps`].
    pub fn load(onnx: Vec<u8>, entry: &Detector, precision: Precision) -> Result<Self, PredictError> {
        let size = InputSize {
            rows: entry.trained_at.height as usize,
            columns: entry.trained_at.width as usize,
        };
        let model = Model::load_maps(&onnx, size, &outputs(entry))?;
        Ok(Self::of(model, onnx, entry, precision))
    }

    /// Like [`DetectorNetwork::load`], for whoever compares it with the golden vectors at once: for pictures of their size,
    /// and the network has not run yet.
    pub(super) fn build(onnx: Vec<u8>, entry: &Detector, precision: Precision) -> Result<Self, PredictError> {
        let size = InputSize {
            rows: SIDE,
            columns: SIDE,
        };
        let model = Model::build_maps(&onnx, size, &outputs(entry))?;
        Ok(Self::of(model, onnx, entry, precision))
    }

    fn of(model: Model, onnx: Vec<u8>, entry: &Detector, precision: Precision) -> Self {
        let normalisation = entry.normalisation;
        Self {
            model,
            levels: std::array::from_fn(|level| (level as f32 - normalisation.mean) / normalisation.spread),
            entry: entry.clone(),
            precision,
            onnx,
        }
    }

    /// What the manifest says of it.
    pub fn entry(&self) -> &Detector {
        &self.entry
    }

    /// The number format of the file that runs.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The network itself, built for the picture that it saw last.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Makes it ready for pictures of this size; that takes memory and some milliseconds where it was another one.
    ///
    /// # Errors
    /// Those of [`Model::load_maps`].
    pub fn resize(&mut self, size: InputSize) -> Result<(), PredictError> {
        if self.model.input_size() != size {
            self.model = Model::build_maps(&self.onnx, size, &outputs(&self.entry))?;
        }
        Ok(())
    }

    /// Runs on a whole picture, whose size is that of the input.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::resize`] and [`Model::run`].
    pub fn run(&mut self, picture: GrayView<'_>) -> Result<(), PredictError> {
        let (rows, columns) = (picture.height(), picture.width());
        self.resize(InputSize { rows, columns })?;
        self.model.run_on(Input::Grey(picture, &self.levels))
    }

    /// The output maps of the last run, in the order of the manifest.
    pub fn maps(&self) -> impl Iterator<Item = OutputMap<'_>> {
        (0..self.entry.outputs.len()).filter_map(|at| self.model.map(at))
    }

    /// Some numbers of the maps for a picture, of every channel, in an order that no engine changes.
    pub(crate) fn golden_values(&mut self, picture: GrayView<'_>) -> Result<Vec<f32>, PredictError> {
        self.run(picture)?;
        let channels = self
            .entry
            .outputs
            .iter()
            .map(shared_model::manifest::OutputMap::channels);
        let all = self.maps().zip(channels).flat_map(|(map, channels)| {
            let pixels = map.rows * map.columns;
            (0..channels).flat_map(move |channel| {
                (0..pixels).map(move |pixel| map.values.get(pixel * map.pixel_step + channel * map.channel_step))
            })
        });
        Ok(all
            .step_by(GOLDEN_STEP)
            .map(|value| value.copied().unwrap_or(f32::NAN))
            .collect())
    }
}

/// Names and channels of its maps.
fn outputs(entry: &Detector) -> Vec<(&str, usize)> {
    let maps = entry.outputs.iter();
    maps.map(|map| (map.name.as_str(), map.channels())).collect()
}
