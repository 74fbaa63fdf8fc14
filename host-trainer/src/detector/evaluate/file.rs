//! A network in an ONNX file, run by the runtime's code.

use std::collections::BTreeMap;

use inference::{InputSize, Model, OutputMap, PredictError};
use vision::detector::decode::Map;

use crate::detector::levels::{CHANNELS, HEADS};
use crate::detector::network::output_names;

/// Sizes of inputs for which the network is kept ready.
const KEPT: usize = 32;

/// The file, and what was built of it.
pub(super) struct FileNetwork {
    onnx: Vec<u8>,
    /// By width and height of the input.
    models: BTreeMap<[usize; 2], Model>,
}

impl FileNetwork {
    /// A file that can be run.
    pub(super) fn new(onnx: Vec<u8>) -> Result<Self, PredictError> {
        let mut network = Self {
            onnx,
            models: BTreeMap::new(),
        };
        network.model([32, 32])?;
        Ok(network)
    }

    /// Runs it on the normalised pixels of a picture, row by row, and shows the output maps.
    pub(super) fn run<T>(
        &mut self,
        values: &[f32],
        size: [usize; 2],
        see: impl FnOnce(&[Map<'_>; HEADS]) -> T,
    ) -> Result<T, PredictError> {
        let model = self.model(size)?;
        model.run(values)?;
        let nothing = OutputMap {
            values: &[],
            rows: 0,
            columns: 0,
            pixel_step: 0,
            channel_step: 0,
        };
        let maps = std::array::from_fn(|head| {
            let map = model.map(head).unwrap_or(nothing);
            Map {
                values: map.values,
                columns: map.columns,
                rows: map.rows,
                pixel_step: map.pixel_step,
                channel_step: map.channel_step,
            }
        });
        Ok(see(&maps))
    }

    fn model(&mut self, size: [usize; 2]) -> Result<&mut Model, PredictError> {
        if self.models.len() >= KEPT && !self.models.contains_key(&size) {
            self.models.clear();
        }
        match self.models.entry(size) {
            std::collections::btree_map::Entry::Occupied(entry) => Ok(entry.into_mut()),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let [columns, rows] = size;
                let names = output_names();
                let outputs: [(&str, usize); HEADS] =
                    std::array::from_fn(|head| (names[head].as_str(), CHANNELS[head]));
                Ok(entry.insert(Model::load_maps(&self.onnx, InputSize { rows, columns }, &outputs)?))
            }
        }
    }
}
