//! The network: 3x3 convolutions, one residual pair a stage, a head at strides 8, 16 and 32.
//!
//! About 42 million multiplications for 160 x 120 pixels. The head at stride 8 also predicts on cells of 4 pixels (see
//! [`vision::detector::decode`]): small faces get the finer grid without an operator that enlarges maps.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use vision::detector::decode::FIELDS;

use super::engine::Layer;
use super::engine::{After, param_ranges};
use super::levels::{CHANNELS, GRIDS, HEADS};

/// The network by name, for files and manifests.
pub(crate) const ARCHITECTURE: &str = "plain-16-32-48-64-64";
/// Channels at strides 2, 4, 8, 16, 32.
const WIDTHS: [usize; 5] = [16, 32, 48, 64, 64];
/// Channels of the heads' own convolutions.
const HEAD_WIDTHS: [usize; HEADS] = [48, 32, 32];
/// Subtracted from each pixel of 0 to 255 before the network gets it.
pub(crate) const MEAN: f32 = 128.0;
/// Divides what is left after [`MEAN`] is taken off: the network gets -1 to 1.
pub(crate) const SPREAD: f32 = 128.0;
/// Probability of a face that a new network sees everywhere.
const PRIOR: f32 = 0.01;

/// The layers in an order in which they can run.
pub(crate) fn layers() -> Vec<Layer> {
    let mut layers = Vec::new();
    let mut last = None;
    let mut inputs = 1;
    let mut ends = Vec::new();
    for (stage, outputs) in WIDTHS.into_iter().enumerate() {
        let down = push(
            &mut layers,
            format!("stage{}", stage + 1),
            last,
            [inputs, outputs],
            2,
            After::NormRelu,
        );
        last = Some(down);
        if stage >= 2 {
            let name = |part: &str| format!("stage{}.{part}", stage + 1);
            let first = push(&mut layers, name("a"), last, [outputs; 2], 1, After::NormRelu);
            last = Some(push(
                &mut layers,
                name("b"),
                Some(first),
                [outputs; 2],
                1,
                After::NormAddRelu(down),
            ));
            ends.push((last, outputs));
        }
        inputs = outputs;
    }
    for (head, (end, inputs)) in ends.into_iter().enumerate() {
        let width = HEAD_WIDTHS[head];
        let own = push(
            &mut layers,
            format!("head{head}"),
            end,
            [inputs, width],
            1,
            After::NormRelu,
        );
        push(
            &mut layers,
            output_name(head),
            Some(own),
            [width, CHANNELS[head]],
            1,
            After::Bias,
        );
    }
    layers
}

fn push(
    layers: &mut Vec<Layer>,
    name: String,
    input: Option<usize>,
    [inputs, outputs]: [usize; 2],
    stride: usize,
    after: After,
) -> usize {
    let kernel = if after == After::Bias { 1 } else { 3 };
    layers.push(Layer {
        name,
        input,
        inputs,
        outputs,
        kernel,
        stride,
        after,
    });
    layers.len() - 1
}

fn output_name(head: usize) -> String {
    format!("faces{head}")
}

/// Names of the output maps, in the order of the heads.
pub(crate) fn output_names() -> [String; HEADS] {
    std::array::from_fn(output_name)
}

/// Indices of the layers that are the outputs, in the order of the heads.
pub(crate) fn outputs(layers: &[Layer]) -> [usize; HEADS] {
    let mut found = layers
        .iter()
        .enumerate()
        .filter(|(_, layer)| !layer.has_norm())
        .map(|(at, _)| at);
    std::array::from_fn(|_| found.next().unwrap_or(0))
}

/// Weights of a new network, and its running statistics.
pub(crate) fn initial(layers: &[Layer], seed: u64) -> (Vec<f32>, Vec<f32>) {
    let (ranges, params, statistics) = param_ranges(layers);
    let (mut params, mut statistics) = (vec![0.0; params], vec![0.0; statistics]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for (layer, range) in layers.iter().zip(&ranges) {
        // Uniform with the variance of He et al. (2015); small for outputs.
        let gain = if layer.has_norm() { 6.0 } else { 0.3 };
        let bound = (gain / layer.taps() as f32).sqrt();
        for weight in &mut params[range.weight.clone()] {
            *weight = bound * (2.0 * rng.random::<f32>() - 1.0);
        }
        // A residual pair begins nearly as the identity.
        let gamma = if matches!(layer.after, After::NormAddRelu(_)) {
            0.25
        } else {
            1.0
        };
        params[range.gamma.clone()].fill(gamma);
        statistics[range.variance.clone()].fill(1.0);
    }
    let outputs = outputs(layers);
    for grid in &GRIDS {
        let bias = &mut params[ranges[outputs[grid.head]].beta.clone()];
        for part in 0..grid.split * grid.split {
            bias[grid.first + part * FIELDS] = -(1.0 / PRIOR - 1.0).ln();
        }
    }
    (params, statistics)
}
