//! A network while it is trained: forward with the batch's statistics, and backward.

use super::conv::Conv;
use super::layer::{After, Layer, ParamRanges, Plane, param_ranges, planes};
use super::norm::Norm;

/// Share of a batch in the running statistics.
const MOMENTUM: f32 = 0.02;

/// One layer's maps.
struct Stage {
    conv: Conv,
    norm: Norm,
    /// The convolution's output; empty for an output, whose map is `z`.
    y: Vec<f32>,
    /// The layer's output.
    z: Vec<f32>,
    /// Gradient of the loss by `z`.
    gradient: Vec<f32>,
}

/// Workspaces for batches of one size.
pub(crate) struct Trained {
    layers: Vec<Layer>,
    ranges: Vec<ParamRanges>,
    stages: Vec<Stage>,
    input: Vec<f32>,
    /// Patches of one tile.
    room: Vec<f32>,
    /// Gradient of a tile by `y`.
    tile: Vec<f32>,
    images: usize,
}

impl Trained {
    pub(crate) fn new(layers: &[Layer], input: Plane, images: usize) -> Self {
        let planes = planes(layers, input);
        let stages: Vec<Stage> = layers
            .iter()
            .zip(&planes)
            .map(|(layer, plane)| {
                let map = vec![0.0; images * plane.pixels() * layer.outputs];
                let normed = layer.has_norm();
                Stage {
                    conv: Conv::new(layer, layer.input.map_or(input, |at| planes[at])),
                    norm: Norm::new(if normed { layer.outputs } else { 0 }),
                    y: if normed { map.clone() } else { Vec::new() },
                    gradient: map.clone(),
                    z: map,
                }
            })
            .collect();
        let room = stages.iter().map(|stage| stage.conv.room(images)).max().unwrap_or(0);
        let tile = stages
            .iter()
            .map(|stage| stage.conv.room(images) / stage.conv.taps() * stage.conv.outputs);
        let tile = vec![0.0; tile.max().unwrap_or(0)];
        Self {
            layers: layers.to_vec(),
            ranges: param_ranges(layers).0,
            stages,
            input: vec![0.0; images * input.pixels()],
            room: vec![0.0; room],
            tile,
            images,
        }
    }

    /// The input, `[images, rows, columns]`, to be filled before [`Trained::forward`].
    pub(crate) fn input(&mut self) -> &mut [f32] {
        &mut self.input
    }

    /// The output of a layer, and its gradient, to be filled before [`Trained::backward`].
    pub(crate) fn output(&mut self, layer: usize) -> (&[f32], &mut [f32]) {
        let stage = &mut self.stages[layer];
        (&stage.z, &mut stage.gradient)
    }

    /// All layers, with the batch's statistics, which also go into the running ones.
    pub(crate) fn forward(&mut self, params: &[f32], statistics: &mut [f32]) {
        for at in 0..self.layers.len() {
            self.forward_layer(at, params);
            let (stage, range) = (&self.stages[at], &self.ranges[at]);
            average(&mut statistics[range.mean.clone()], &stage.norm.mean);
            average(&mut statistics[range.variance.clone()], &stage.norm.variance);
        }
    }

    fn forward_layer(&mut self, at: usize, params: &[f32]) {
        let (layer, range) = (&self.layers[at], &self.ranges[at]);
        let (before, rest) = self.stages.split_at_mut(at);
        let Stage { conv, norm, y, z, .. } = &mut rest[0];
        let x = layer.input.map_or(&self.input, |input| &before[input].z);
        let weight = &params[range.weight.clone()];
        norm.start();
        for lines in conv.tiles(self.images) {
            let span = conv.span(lines, conv.outputs);
            if layer.has_norm() {
                let y = &mut y[span];
                conv.forward(y, x, weight, &mut self.room, lines);
                norm.observe(y);
            } else {
                let z = &mut z[span];
                conv.forward(z, x, weight, &mut self.room, lines);
                add_bias(z, &params[range.beta.clone()]);
            }
        }
        let residual: &[f32] = match layer.after {
            After::Bias => return,
            After::NormRelu => &[],
            After::NormAddRelu(residual) => &before[residual].z,
        };
        norm.settle(&params[range.gamma.clone()], &params[range.beta.clone()]);
        norm.relu(z, y, residual);
    }

    /// Gradients of all parameters in `grads`, from those of the outputs.
    pub(crate) fn backward(&mut self, params: &[f32], grads: &mut [f32]) {
        grads.fill(0.0);
        for (layer, stage) in self.layers.iter().zip(&mut self.stages) {
            if layer.has_norm() {
                stage.gradient.fill(0.0);
            }
        }
        for at in (0..self.layers.len()).rev() {
            self.backward_layer(at, params, grads);
        }
    }

    fn backward_layer(&mut self, at: usize, params: &[f32], grads: &mut [f32]) {
        let (layer, range) = (&self.layers[at], &self.ranges[at]);
        let (before, rest) = self.stages.split_at_mut(at);
        let Stage {
            conv,
            norm,
            y,
            z,
            gradient,
        } = &mut rest[0];
        // Weight, gamma and beta of a layer follow one another.
        let (weight_grad, rest) = grads[range.weight.start..range.beta.end].split_at_mut(range.weight.len());
        let (gamma_grad, beta_grad) = rest.split_at_mut(range.gamma.len());
        if layer.has_norm() {
            norm.start();
            norm.mask(gradient, z, y);
            norm.settle_backward(gamma_grad, beta_grad);
        } else {
            sum_rows(beta_grad, gradient);
        }
        if let After::NormAddRelu(residual) = layer.after {
            add(&mut before[residual].gradient, gradient);
        }
        for lines in conv.tiles(self.images) {
            let span = conv.span(lines, conv.outputs);
            let dy = if layer.has_norm() {
                let dy = &mut self.tile[..span.len()];
                norm.backward(dy, &gradient[span.clone()], &y[span]);
                &*dy
            } else {
                &gradient[span]
            };
            let x = layer.input.map_or(&self.input, |input| &before[input].z);
            conv.add_weight_gradient(weight_grad, dy, x, &mut self.room, lines);
            if let Some(input) = layer.input {
                let dx = &mut before[input].gradient;
                conv.add_input_gradient(dx, dy, &params[range.weight.clone()], &mut self.room, lines);
            }
        }
    }
}

fn average(running: &mut [f32], batch: &[f32]) {
    for (running, batch) in running.iter_mut().zip(batch) {
        *running += MOMENTUM * (batch - *running);
    }
}

pub(super) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    for row in rows.chunks_exact_mut(bias.len()) {
        add(row, bias);
    }
}

fn sum_rows(sum: &mut [f32], rows: &[f32]) {
    for row in rows.chunks_exact(sum.len()) {
        add(sum, row);
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}
