//! A network as it runs: batch norm folded into weights and biases.

use super::conv::Conv;
use super::layer::{After, Layer, Plane, param_ranges, planes};
use super::norm::EPSILON;
use super::trained::add_bias;

/// One convolution with a bias.
#[derive(Debug, Clone)]
pub(crate) struct FoldedLayer {
    pub(crate) layer: Layer,
    /// `[outputs, kernel, kernel, inputs]`.
    pub(crate) weight: Vec<f32>,
    /// `[outputs]`.
    pub(crate) bias: Vec<f32>,
}

/// All layers.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    pub(crate) layers: Vec<FoldedLayer>,
}

impl Folded {
    /// Adds the weights of a network with the same layers.
    pub(crate) fn add(&mut self, other: &Self) {
        for (own, other) in self.layers.iter_mut().zip(&other.layers) {
            let pairs = own.weight.iter_mut().zip(&other.weight);
            for (own, other) in pairs.chain(own.bias.iter_mut().zip(&other.bias)) {
                *own += other;
            }
        }
    }

    /// Multiplies all weights by a factor.
    pub(crate) fn scale(&mut self, factor: f32) {
        for layer in &mut self.layers {
            for value in layer.weight.iter_mut().chain(&mut layer.bias) {
                *value *= factor;
            }
        }
    }

    /// Folds running statistics into the weights.
    pub(crate) fn new(layers: &[Layer], params: &[f32], statistics: &[f32]) -> Self {
        let ranges = param_ranges(layers).0;
        let folded = layers.iter().zip(&ranges).map(|(layer, range)| {
            let mut weight = params[range.weight.clone()].to_vec();
            let mut bias = params[range.beta.clone()].to_vec();
            if layer.has_norm() {
                let (mean, variance) = (&statistics[range.mean.clone()], &statistics[range.variance.clone()]);
                let gamma = &params[range.gamma.clone()];
                for (output, weight) in weight.chunks_exact_mut(layer.taps()).enumerate() {
                    let scale = gamma[output] / (variance[output] + EPSILON).sqrt();
                    for weight in weight {
                        *weight *= scale;
                    }
                    bias[output] -= mean[output] * scale;
                }
            }
            FoldedLayer {
                layer: layer.clone(),
                weight,
                bias,
            }
        });
        Self {
            layers: folded.collect(),
        }
    }

    /// Outputs of the layers without a `ReLU`, `[rows, columns, channels]` each with its size, for one input.
    pub(crate) fn run(&self, input: &[f32], size: Plane) -> Vec<(Vec<f32>, Plane)> {
        self.run_seen(input, size, &mut |_, _| ())
    }

    /// The same; `see` gets the index of each layer and what its convolution gives, bias included.
    pub(crate) fn run_seen(
        &self,
        input: &[f32],
        size: Plane,
        see: &mut dyn FnMut(usize, &[f32]),
    ) -> Vec<(Vec<f32>, Plane)> {
        let layers: Vec<Layer> = self.layers.iter().map(|folded| folded.layer.clone()).collect();
        let planes = planes(&layers, size);
        let mut maps: Vec<Vec<f32>> = Vec::with_capacity(layers.len());
        let mut room = Vec::new();
        for (folded, plane) in self.layers.iter().zip(&planes) {
            let layer = &folded.layer;
            let (x, from) = layer
                .input
                .map_or((input, size), |at| (maps[at].as_slice(), planes[at]));
            let conv = Conv::new(layer, from);
            room.resize(room.len().max(conv.room(1)), 0.0);
            let mut y = vec![0.0; plane.pixels() * layer.outputs];
            for lines in conv.tiles(1) {
                conv.forward(
                    &mut y[conv.span(lines, layer.outputs)],
                    x,
                    &folded.weight,
                    &mut room,
                    lines,
                );
            }
            add_bias(&mut y, &folded.bias);
            see(maps.len(), &y);
            if let After::NormAddRelu(residual) = layer.after {
                y.iter_mut().zip(&maps[residual]).for_each(|(y, add)| *y += add);
            }
            if layer.has_norm() {
                for y in &mut y {
                    *y = y.max(0.0);
                }
            }
            maps.push(y);
        }
        let outputs = maps.into_iter().zip(planes).zip(&layers);
        outputs
            .filter(|(_, layer)| !layer.has_norm())
            .map(|(output, _)| output)
            .collect()
    }
}
