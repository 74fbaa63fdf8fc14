//! Post-training quantisation to 8-bit integers.
//!
//! Activations become `u8` with one scale and zero point a tensor, weights `s8` with one scale an output
//! channel, biases `s32`; products are summed in `s32`. The file stays ONNX: `QuantizeLinear` and
//! `DequantizeLinear` (QDQ) stand around every operator, so that any runtime computes the same, and one
//! that knows the pattern computes in integers. The outputs of the network stay 32-bit floats.
//!
//! Scheme and formulas: Jacob et al., Quantization and Training of Neural Networks for Efficient
//! Integer-Arithmetic-Only Inference, 2018; Nagel et al., A White Paper on Neural Network Quantization, 2021.

mod correct;
mod observe;
mod origin;
mod probe;
mod qdq;
mod weights;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use onnx::NodeProto;

use super::graph::{Form, Graph};
use super::{Description, metadata};
pub use observe::Observer;
pub use origin::{check_origin, spelled_out, task_of};
use probe::Probe;

/// How a network is quantised.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the range of an activation is found.
    pub observer: Observer,
    /// Whether biases make up for what rounding the weights moves on average.
    pub bias_correction: bool,
    /// Layers that stay 32-bit floats, by name.
    pub keep_float: BTreeSet<String>,
}

/// A quantised network, and what it cost.
pub struct Quantised {
    /// Content of the ONNX file, in QDQ form.
    pub onnx: Vec<u8>,
    /// What each layer costs, in the order in which they run.
    pub layers: Vec<LayerError>,
}

/// What quantising one layer alone, its input and its weights, does to the network's outputs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LayerError {
    /// Name of the layer in the file.
    pub name: String,
    /// Signal to quantisation noise of the outputs, in decibels: `10 log10(sum (x - m)² / sum (x - q)²)`
    /// with the mean `m` of each output over the faces, which carries no information.
    pub sqnr_db: f64,
}

/// Range of an activation, with the numbers that follow from it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    /// Real distance of two neighbouring integers, above 0.
    pub(crate) scale: f32,
    /// The integer that stands for 0.
    pub(crate) zero_point: u8,
}

impl Range {
    /// The range from `low` to `high`, widened so that it holds 0 exactly: padding and ReLU need that.
    fn new(low: f32, high: f32) -> Self {
        let (low, high) = (low.min(0.0), high.max(0.0));
        let scale = ((high - low) / 255.0).max(f32::MIN_POSITIVE);
        Self {
            scale,
            zero_point: (-low / scale).round().clamp(0.0, 255.0) as u8,
        }
    }

    /// What is left of a value after quantisation.
    fn round_trip(self, value: f32) -> f32 {
        let zero = f32::from(self.zero_point);
        let q = ((value / self.scale).round_ties_even() + zero).clamp(0.0, 255.0);
        (q - zero) * self.scale
    }
}

/// Quantises a network that [`crate::onnx::export`] or [`crate::onnx::merge`] wrote.
///
/// `calibration` are normalised inputs, as the network gets them; `tell` hears of each step of the work.
pub fn quantise(
    onnx: &[u8],
    description: &Description,
    settings: &Settings,
    calibration: &[Vec<f32>],
    tell: &mut dyn FnMut(&str),
) -> Result<Quantised> {
    rewritten(onnx, metadata(description), Form::Crop, settings, calibration, tell)
}

/// Quantises a network that gives maps, as the export of a detector writes it.
///
/// `metadata` is written into the file as key and value; `calibration` are normalised pictures of `columns` x `rows`
/// pixels, row by row.
pub fn quantise_maps(
    onnx: &[u8],
    metadata: Vec<(&'static str, String)>,
    settings: &Settings,
    [columns, rows]: [usize; 2],
    calibration: &[Vec<f32>],
    tell: &mut dyn FnMut(&str),
) -> Result<Quantised> {
    rewritten(
        onnx,
        metadata,
        Form::Maps { rows, columns },
        settings,
        calibration,
        tell,
    )
}

fn rewritten(
    onnx: &[u8],
    mut metadata: Vec<(&'static str, String)>,
    form: Form,
    settings: &Settings,
    calibration: &[Vec<f32>],
    tell: &mut dyn FnMut(&str),
) -> Result<Quantised> {
    if calibration.is_empty() {
        bail!("quantise: no face to calibrate with");
    }
    let graph = Graph {
        form,
        ..Graph::read(onnx)?
    };
    let layers = qdq::layers(&graph);
    if let Some(unknown) = settings.keep_float.iter().find(|name| !layers.contains(name)) {
        bail!(
            "quantise: there is no layer `{unknown}`; the layers are {}",
            layers.join(", ")
        );
    }
    tell(&format!("observing activations of {} faces", calibration.len()));
    let ranges = observe::ranges(&graph, settings.observer, calibration)?;
    let corrected = if settings.bias_correction {
        tell("correcting biases");
        correct::correct(&graph, calibration)?
    } else {
        graph.clone()
    };
    tell("measuring what each layer costs");
    let errors = layer_errors(&graph, &corrected, &ranges, calibration)?;
    let float: BTreeSet<&str> = settings.keep_float.iter().map(String::as_str).collect();
    let quantised = qdq::rewrite(&corrected, &ranges, &|layer| !float.contains(layer))?;
    metadata.push((origin::KEY, origin::of(onnx)));
    Ok(Quantised {
        onnx: quantised.write(&metadata),
        layers: errors,
    })
}

/// Faces over which the cost of a layer is measured.
const COMPARED: usize = 24;

/// Quantises each layer of `graph` alone, with its bias of `corrected`.
fn layer_errors(
    graph: &Graph,
    corrected: &Graph,
    ranges: &BTreeMap<String, Range>,
    calibration: &[Vec<f32>],
) -> Result<Vec<LayerError>> {
    let faces = &calibration[..calibration.len().min(COMPARED)];
    let exact = Probe::of_outputs(graph)?.all(faces)?;
    let error = |layer: &NodeProto| {
        let mut alone = graph.clone();
        if let Some((name, bias)) = layer
            .input
            .get(2)
            .and_then(|name| corrected.weights.get_key_value(name))
        {
            alone.weights.insert(name.clone(), bias.clone());
        }
        let one = qdq::rewrite(&alone, ranges, &|name| name == layer.name)?;
        let rough = Probe::of_outputs(&one)?.all(faces)?;
        Ok(LayerError {
            name: layer.name.clone(),
            sqnr_db: sqnr(&exact, &rough),
        })
    };
    let layers = graph.nodes.iter().filter(|node| qdq::has_weights(node));
    layers.map(error).collect()
}

/// Signal to noise over all faces; each row holds the outputs of one face.
fn sqnr(exact: &[Vec<f32>], rough: &[Vec<f32>]) -> f64 {
    let (mut signal, mut noise) = (0.0, 0.0);
    for at in 0..exact.first().map_or(0, Vec::len) {
        let column = || exact.iter().filter_map(|face| face.get(at)).map(|x| f64::from(*x));
        let mean = column().sum::<f64>() / exact.len() as f64;
        signal += column().map(|x| (x - mean).powi(2)).sum::<f64>();
        let pairs = exact
            .iter()
            .zip(rough)
            .filter_map(|(x, q)| Some(f64::from(x.get(at)? - q.get(at)?)));
        noise += pairs.map(|error| error.powi(2)).sum::<f64>();
    }
    10.0 * (signal / noise.max(f64::MIN_POSITIVE)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_zero_exactly() {
        for (low, high) in [(0.0, 6.0), (-1.0, 3.0), (-5.0, -1.0), (2.0, 4.0), (0.0, 0.0)] {
            let range = Range::new(low, high);
            assert_eq!(range.round_trip(0.0), 0.0, "{low} {high}");
        }
        let range = Range::new(-1.0, 1.55);
        assert!((range.scale - 0.01).abs() < 1e-6 && range.zero_point == 100);
        assert!((range.round_trip(0.502) - 0.5).abs() < 1e-6);
        assert!((range.round_trip(9.0) - 1.55).abs() < 1e-5);
    }

    #[test]
    fn noise_of_a_tenth_is_twenty_decibels() {
        // The second output never changes: it is no signal, however large.
        let db = sqnr(
            &[vec![1.0, 50.0], vec![-1.0, 50.0]],
            &[vec![1.1, 50.0], vec![-0.9, 50.0]],
        );
        assert!((db - 20.0).abs() < 1e-4, "{db}");
    }
}
