//! Quantised weights and biases of a convolution or dense layer.

use crate::graph::Why;
use crate::graph::constants::Constants;
use crate::graph::geometry::Geometry;

/// Weights as the file has them.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// Signed 8-bit integers in two's complement.
    pub(super) bytes: Vec<u8>,
    /// Distance of output channels, and of positions `(channel, row, column)` of the window, in `bytes`.
    pub(super) strides: [usize; 2],
    /// One scale an output channel.
    pub(super) scales: Vec<f32>,
    /// One an output channel, in units of activation scale times weight scale.
    pub(super) biases: Vec<i32>,
}

/// The inputs of a `DequantizeLinear` of a constant.
#[derive(Debug, Clone)]
pub(super) struct DequantizeInputs {
    /// Integers, scales and, where there are any, zero points.
    pub(super) names: Vec<String>,
    /// The axis along which there are several scales.
    pub(super) axis: i64,
}

impl DequantizeInputs {
    /// Name of the integer tensor.
    pub(super) fn integers(&self) -> &str {
        self.names.first().map_or("", String::as_str)
    }
}

/// Largest relative difference of a bias' scale from activation scale times weight scale; both are rounded floats, and
/// each multiplication is off by 2^-24 at most.
const SCALE_TOLERANCE: f32 = 1e-5;

/// Reads what the `DequantizeLinear` of weights and of biases take. `scale` is the activations'.
pub(super) fn read(
    constants: &mut Constants,
    weights: &DequantizeInputs,
    biases: Option<&DequantizeInputs>,
    geometry: &Geometry,
    scale: f32,
) -> Result<Filter, Why> {
    let [name, scales, zero_points @ ..] = &weights.names[..] else {
        return Err(Why::Quantisation("its weights have no scale".to_owned()));
    };
    let outputs = geometry.output[2];
    let axes = constants.shape(name)?.len() as i64;
    let scales = constants.floats(scales)?;
    if scales.len() > 1 && weights.axis.rem_euclid(axes.max(1)) != geometry.axis as i64 {
        return Err(Why::Quantisation(format!(
            "its weights have scales along axis {} instead of {}",
            weights.axis, geometry.axis
        )));
    }
    let scales = per_channel(scales, outputs)?;
    if zero_points.iter().any(|name| {
        constants
            .signed(name)
            .is_ok_and(|zeros| zeros.iter().any(|zero| *zero != 0))
    }) {
        return Err(Why::Quantisation(
            "its weights have a zero point that is not 0".to_owned(),
        ));
    }
    let biases = match biases {
        Some(names) => read_biases(constants, &names.names, &scales, scale)?,
        None => vec![0; outputs],
    };
    let bytes = constants.take_signed(name)?;
    Ok(Filter {
        bytes,
        strides: geometry.strides,
        scales,
        biases,
    })
}

fn read_biases(constants: &Constants, names: &[String], scales: &[f32], scale: f32) -> Result<Vec<i32>, Why> {
    let [name, own_scales, zero_points @ ..] = names else {
        return Err(Why::Quantisation("its biases have no scale".to_owned()));
    };
    if zero_points.iter().any(|name| {
        constants
            .integers(name)
            .is_ok_and(|zeros| zeros.iter().any(|zero| *zero != 0))
    }) {
        return Err(Why::Quantisation(
            "its biases have a zero point that is not 0".to_owned(),
        ));
    }
    let biases = constants.integers(name)?;
    if biases.len() != scales.len() {
        return Err(Why::Quantisation(format!(
            "{} biases for {} output channels",
            biases.len(),
            scales.len()
        )));
    }
    let own_scales = per_channel(constants.floats(own_scales)?, scales.len())?;
    for (own, weight) in own_scales.iter().zip(scales) {
        let expected = weight * scale;
        if (own - expected).abs() > expected * SCALE_TOLERANCE {
            return Err(Why::Quantisation(format!(
                "a bias has the scale {own}, activations and weights have {expected}"
            )));
        }
    }
    Ok(biases)
}

/// One scale a channel, where the file may have one for all.
fn per_channel(scales: Vec<f32>, channels: usize) -> Result<Vec<f32>, Why> {
    match scales.len() {
        1 => Ok(vec![scales[0]; channels]),
        length if length == channels => Ok(scales),
        length => Err(Why::Quantisation(format!(
            "{length} scales for {channels} output channels"
        ))),
    }
}
