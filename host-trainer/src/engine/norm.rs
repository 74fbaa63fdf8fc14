//! Batch norm in training mode, with the `ReLU` that follows it, forward and backward.
//!
//! Forward: `z = relu(gamma * (y - mean) * inverse + beta (+ residual))` with the batch's own mean and biased variance.
//! Backward, with `dz` the gradient behind the `ReLU`'s mask and `x = (y - mean) * inverse` (Ioffe and Szegedy 2015):
//! `dbeta = sum dz`, `dgamma = sum dz * x`, `dy = gamma * inverse * (dz - dbeta / rows - x * dgamma / rows)`.
//! `x` is computed anew from `y` wherever it is needed. A frozen layer normalises with its running statistics instead, and
//! has no backward pass.

use super::BLOCK;
use super::dispatch::vectorised;
use super::moments::Moments;
use super::params::{LayerGrads, LayerParams, Running};

/// Added to the variance before the square root is taken.
const EPSILON: f64 = 1e-3;

/// One batch norm: statistics of the last batch and the coefficients of both passes, each `[channels]`.
pub(super) struct Norm {
    moments: Moments,
    /// Whether the layer is frozen, so that the batch is not looked at.
    frozen: bool,
    mean: Vec<f32>,
    /// The mean with the convolution's bias, which the engine leaves out of `y`.
    biased_mean: Vec<f32>,
    variance: Vec<f32>,
    inverse: Vec<f32>,
    /// `gamma * inverse`.
    scale: Vec<f32>,
    beta: Vec<f32>,
    /// `sum dz`.
    sum: Vec<f64>,
    /// `sum dz * (y - mean)`.
    dot: Vec<f64>,
    /// `dy = scale * dz + slope * (y - mean) + offset`.
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl Norm {
    pub(super) fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self {
            moments: Moments::new(channels),
            frozen: false,
            mean: zeros.clone(),
            biased_mean: zeros.clone(),
            variance: zeros.clone(),
            inverse: zeros.clone(),
            scale: zeros.clone(),
            beta: zeros.clone(),
            sum: vec![0.0; channels],
            dot: vec![0.0; channels],
            slope: zeros.clone(),
            offset: zeros,
        }
    }

    /// Mean (bias included) and biased variance that the last batch was normalised with.
    pub(super) fn statistics(&self) -> (&[f32], &[f32]) {
        (&self.biased_mean, &self.variance)
    }

    /// Starts a forward pass.
    pub(super) fn start(&mut self, params: &LayerParams) {
        self.frozen = params.running.is_some();
        self.moments.clear();
    }

    /// Takes rows of `y` into the statistics.
    pub(super) fn observe(&mut self, y: &[f32]) {
        if !self.frozen {
            self.moments.merge(y);
        }
    }

    /// Closes the statistics and derives the forward coefficients.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "statistics are gathered in f64 and used in f32"
    )]
    pub(super) fn settle(&mut self, params: &LayerParams) {
        for channel in 0..self.mean.len() {
            let bias = f64::from(params.bias[channel]);
            let (mean, variance) = match &params.running {
                None => self.moments.of(channel),
                Some(Running { mean, variance }) => (f64::from(mean[channel]) - bias, f64::from(variance[channel])),
            };
            let inverse = 1.0 / (variance + EPSILON).sqrt();
            self.mean[channel] = mean as f32;
            self.biased_mean[channel] = (mean + bias) as f32;
            self.variance[channel] = variance as f32;
            self.inverse[channel] = inverse as f32;
            self.scale[channel] = (inverse * f64::from(params.gamma[channel])) as f32;
        }
        self.beta.copy_from_slice(&params.beta);
    }

    /// `z = relu(norm(y))`.
    pub(super) fn relu(&self, z: &mut [f32], y: &[f32]) {
        let channels = self.mean.len();
        let (mean, scale, beta) = (blocks(&self.mean), blocks(&self.scale), blocks(&self.beta));
        vectorised(
            #[inline(always)]
            || {
                for (z, y) in z.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
                    for (block, (z, y)) in blocks_mut(z).iter_mut().zip(blocks(y)).enumerate() {
                        let (mean, scale, beta) = (&mean[block], &scale[block], &beta[block]);
                        for lane in 0..BLOCK {
                            z[lane] = ((y[lane] - mean[lane]) * scale[lane] + beta[lane]).max(0.0);
                        }
                    }
                }
            },
        );
    }

    /// `z = relu(norm(y) + residual)`.
    pub(super) fn relu_residual(&self, z: &mut [f32], y: &[f32], residual: &[f32]) {
        let channels = self.mean.len();
        let (mean, scale, beta) = (blocks(&self.mean), blocks(&self.scale), blocks(&self.beta));
        vectorised(
            #[inline(always)]
            || {
                let rows = y.chunks_exact(channels).zip(residual.chunks_exact(channels));
                for (z, (y, residual)) in z.chunks_exact_mut(channels).zip(rows) {
                    let inputs = blocks(y).iter().zip(blocks(residual));
                    for (block, (z, (y, residual))) in blocks_mut(z).iter_mut().zip(inputs).enumerate() {
                        let (mean, scale, beta) = (&mean[block], &scale[block], &beta[block]);
                        for lane in 0..BLOCK {
                            let normal = (y[lane] - mean[lane]) * scale[lane] + beta[lane];
                            z[lane] = (normal + residual[lane]).max(0.0);
                        }
                    }
                }
            },
        );
    }

    /// `z = norm(y)`, without a `ReLU`.
    pub(super) fn normal(&self, z: &mut [f32], y: &[f32]) {
        let channels = self.mean.len();
        let (mean, scale, beta) = (blocks(&self.mean), blocks(&self.scale), blocks(&self.beta));
        vectorised(
            #[inline(always)]
            || {
                for (z, y) in z.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
                    for (block, (z, y)) in blocks_mut(z).iter_mut().zip(blocks(y)).enumerate() {
                        let (mean, scale, beta) = (&mean[block], &scale[block], &beta[block]);
                        for lane in 0..BLOCK {
                            z[lane] = (y[lane] - mean[lane]) * scale[lane] + beta[lane];
                        }
                    }
                }
            },
        );
    }

    /// Starts a backward pass.
    pub(super) fn start_backward(&mut self) {
        self.sum.fill(0.0);
        self.dot.fill(0.0);
    }

    /// Sets `dz` to zero where the `ReLU` gave zero (`z`), and takes the rest into the sums.
    pub(super) fn mask_and_sum(&mut self, dz: &mut [f32], z: &[f32], y: &[f32]) {
        let channels = self.mean.len();
        for block in 0..channels / BLOCK {
            let mean = &blocks(&self.mean)[block];
            let (sum, dot) = mask_block(dz, z, y, mean, channels, block);
            self.add_sums(block, &sum, &dot);
        }
    }

    /// Takes `dz`, already masked, into the sums.
    pub(super) fn sum(&mut self, dz: &[f32], y: &[f32]) {
        let channels = self.mean.len();
        for block in 0..channels / BLOCK {
            let mean = &blocks(&self.mean)[block];
            let (sum, dot) = sum_block(dz, y, mean, channels, block);
            self.add_sums(block, &sum, &dot);
        }
    }

    fn add_sums(&mut self, block: usize, sum: &[f32; BLOCK], dot: &[f32; BLOCK]) {
        for lane in 0..BLOCK {
            self.sum[block * BLOCK + lane] += f64::from(sum[lane]);
            self.dot[block * BLOCK + lane] += f64::from(dot[lane]);
        }
    }

    /// Closes the sums: writes the layer's gradients but the weight's, and derives the backward coefficients.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "sums are gathered in f64 and used in f32"
    )]
    pub(super) fn settle_backward(&mut self, grads: &mut LayerGrads) {
        let rows = self.moments.count();
        for channel in 0..self.mean.len() {
            let (inverse, scale) = (f64::from(self.inverse[channel]), f64::from(self.scale[channel]));
            let gamma = self.dot[channel] * inverse;
            grads.gamma[channel] = gamma as f32;
            grads.beta[channel] = self.sum[channel] as f32;
            self.slope[channel] = (-scale * inverse * gamma / rows) as f32;
            self.offset[channel] = (-scale * self.sum[channel] / rows) as f32;
        }
        grads.bias.fill(0.0);
    }

    /// `dy` from the masked `dz`.
    pub(super) fn backward(&self, dy: &mut [f32], dz: &[f32], y: &[f32]) {
        let channels = self.mean.len();
        vectorised(
            #[inline(always)]
            || {
                let rows = dz.chunks_exact(channels).zip(y.chunks_exact(channels));
                for (dy, (dz, y)) in dy.chunks_exact_mut(channels).zip(rows) {
                    let inputs = blocks(dz).iter().zip(blocks(y));
                    for (block, (dy, (dz, y))) in blocks_mut(dy).iter_mut().zip(inputs).enumerate() {
                        self.backward_block(block, dy, dz, y);
                    }
                }
            },
        );
    }

    /// Replaces `dz` by `dy`.
    pub(super) fn backward_in_place(&self, dz: &mut [f32], y: &[f32]) {
        let channels = self.mean.len();
        vectorised(
            #[inline(always)]
            || {
                for (dz, y) in dz.chunks_exact_mut(channels).zip(y.chunks_exact(channels)) {
                    for (block, (dz, y)) in blocks_mut(dz).iter_mut().zip(blocks(y)).enumerate() {
                        let before = *dz;
                        self.backward_block(block, dz, &before, y);
                    }
                }
            },
        );
    }

    #[expect(
        clippy::inline_always,
        reason = "must be compiled for the instruction set of the calling kernel"
    )]
    #[inline(always)]
    fn backward_block(&self, block: usize, dy: &mut [f32; BLOCK], dz: &[f32; BLOCK], y: &[f32; BLOCK]) {
        let (mean, scale) = (&blocks(&self.mean)[block], &blocks(&self.scale)[block]);
        let (slope, offset) = (&blocks(&self.slope)[block], &blocks(&self.offset)[block]);
        for lane in 0..BLOCK {
            dy[lane] = scale[lane] * dz[lane] + slope[lane] * (y[lane] - mean[lane]) + offset[lane];
        }
    }
}

/// Masks one block of channels of `dz` and sums `dz` and `dz * (y - mean)` over the rows.
fn mask_block(
    dz: &mut [f32],
    z: &[f32],
    y: &[f32],
    mean: &[f32; BLOCK],
    channels: usize,
    block: usize,
) -> ([f32; BLOCK], [f32; BLOCK]) {
    vectorised(
        #[inline(always)]
        || {
            let rows = z.chunks_exact(channels).zip(y.chunks_exact(channels));
            let (mut sum, mut dot) = ([0.0; BLOCK], [0.0; BLOCK]);
            for (dz, (z, y)) in dz.chunks_exact_mut(channels).zip(rows) {
                let (dz, z, y) = (&mut blocks_mut(dz)[block], &blocks(z)[block], &blocks(y)[block]);
                for lane in 0..BLOCK {
                    let passed = if z[lane] > 0.0 { dz[lane] } else { 0.0 };
                    dz[lane] = passed;
                    sum[lane] += passed;
                    dot[lane] += passed * (y[lane] - mean[lane]);
                }
            }
            (sum, dot)
        },
    )
}

/// Sums one block of channels of `dz` and `dz * (y - mean)` over the rows.
fn sum_block(
    dz: &[f32],
    y: &[f32],
    mean: &[f32; BLOCK],
    channels: usize,
    block: usize,
) -> ([f32; BLOCK], [f32; BLOCK]) {
    vectorised(
        #[inline(always)]
        || {
            let (mut sum, mut dot) = ([0.0; BLOCK], [0.0; BLOCK]);
            for (dz, y) in dz.chunks_exact(channels).zip(y.chunks_exact(channels)) {
                let (dz, y) = (&blocks(dz)[block], &blocks(y)[block]);
                for lane in 0..BLOCK {
                    sum[lane] += dz[lane];
                    dot[lane] += dz[lane] * (y[lane] - mean[lane]);
                }
            }
            (sum, dot)
        },
    )
}

#[expect(
    clippy::inline_always,
    reason = "must be compiled for the instruction set of the calling kernel"
)]
#[inline(always)]
fn blocks(row: &[f32]) -> &[[f32; BLOCK]] {
    row.as_chunks().0
}

#[expect(
    clippy::inline_always,
    reason = "must be compiled for the instruction set of the calling kernel"
)]
#[inline(always)]
fn blocks_mut(row: &mut [f32]) -> &mut [[f32; BLOCK]] {
    row.as_chunks_mut().0
}
