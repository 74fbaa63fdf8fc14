//! Batch norm in training mode with the residual and the `ReLU` behind it, forward and backward.
//!
//! Formulae as in [`crate::engine`]; here for any number of channels that [`LANES`] divides.

use crate::engine::vectorised;

/// Added to the variance before the root is taken.
pub(crate) const EPSILON: f32 = 1e-4;
/// Channels that one step of a loop handles.
const LANES: usize = 16;
/// Rows summed in `f32` before the sum goes on in `f64`.
const PART: usize = 256;

/// Statistics and coefficients of one norm, each `[channels]`.
#[derive(Debug, Clone)]
pub(super) struct Norm {
    count: f64,
    sum: Vec<f64>,
    square: Vec<f64>,
    pub(super) mean: Vec<f32>,
    /// Biased.
    pub(super) variance: Vec<f32>,
    inverse: Vec<f32>,
    /// `z = y * scale + shift`.
    scale: Vec<f32>,
    shift: Vec<f32>,
    /// `dy = scale * dz + slope * y + offset`.
    slope: Vec<f32>,
    offset: Vec<f32>,
}

impl Norm {
    pub(super) fn new(channels: usize) -> Self {
        let zeros = vec![0.0; channels];
        Self {
            count: 0.0,
            sum: vec![0.0; channels],
            square: vec![0.0; channels],
            mean: zeros.clone(),
            variance: zeros.clone(),
            inverse: zeros.clone(),
            scale: zeros.clone(),
            shift: zeros.clone(),
            slope: zeros.clone(),
            offset: zeros,
        }
    }

    /// Starts a pass.
    pub(super) fn start(&mut self) {
        self.count = 0.0;
        self.sum.fill(0.0);
        self.square.fill(0.0);
    }

    fn add(&mut self, block: usize, sums: &[[f32; LANES]; 2]) {
        let channels = block * LANES..(block + 1) * LANES;
        for (sum, added) in self.sum[channels.clone()].iter_mut().zip(&sums[0]) {
            *sum += f64::from(*added);
        }
        for (square, added) in self.square[channels].iter_mut().zip(&sums[1]) {
            *square += f64::from(*added);
        }
    }

    /// Takes rows of `y` into the statistics.
    pub(super) fn observe(&mut self, y: &[f32]) {
        let channels = self.mean.len();
        self.count += (y.len() / channels) as f64;
        for part in y.chunks(PART * channels) {
            for block in 0..channels / LANES {
                let sums = vectorised(
                    #[inline(always)]
                    || {
                        let mut sums = [[0.0; LANES]; 2];
                        for row in part.chunks_exact(channels) {
                            let row = &row.as_chunks::<LANES>().0[block];
                            for lane in 0..LANES {
                                sums[0][lane] += row[lane];
                                sums[1][lane] += row[lane] * row[lane];
                            }
                        }
                        sums
                    },
                );
                self.add(block, &sums);
            }
        }
    }

    /// Closes the statistics and derives the forward coefficients.
    pub(super) fn settle(&mut self, gamma: &[f32], beta: &[f32]) {
        for channel in 0..self.mean.len() {
            let mean = self.sum[channel] / self.count;
            let variance = (self.square[channel] / self.count - mean * mean).max(0.0);
            let inverse = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            let scale = inverse * f64::from(gamma[channel]);
            self.mean[channel] = mean as f32;
            self.variance[channel] = variance as f32;
            self.inverse[channel] = inverse as f32;
            self.scale[channel] = scale as f32;
            self.shift[channel] = (f64::from(beta[channel]) - mean * scale) as f32;
        }
    }

    /// `z = relu(norm(y) + residual)`; an empty residual is none.
    pub(super) fn relu(&self, z: &mut [f32], y: &[f32], residual: &[f32]) {
        let channels = self.mean.len();
        let (scale, shift) = (self.scale.as_chunks::<LANES>().0, self.shift.as_chunks::<LANES>().0);
        let (z, y) = (z.as_chunks_mut::<LANES>().0, y.as_chunks::<LANES>().0);
        let residual = residual.as_chunks::<LANES>().0;
        let blocks = channels / LANES;
        vectorised(
            #[inline(always)]
            || {
                for (at, (z, y)) in z.chunks_exact_mut(blocks).zip(y.chunks_exact(blocks)).enumerate() {
                    for block in 0..blocks {
                        let (scale, shift) = (&scale[block], &shift[block]);
                        let add = residual.get(at * blocks + block).unwrap_or(&[0.0; LANES]);
                        for lane in 0..LANES {
                            z[block][lane] = (y[block][lane] * scale[lane] + shift[lane] + add[lane]).max(0.0);
                        }
                    }
                }
            },
        );
    }

    /// Sets `dz` to zero where the `ReLU` gave zero, and takes the rest into the sums of the backward pass.
    pub(super) fn mask(&mut self, dz: &mut [f32], z: &[f32], y: &[f32]) {
        let channels = self.mean.len();
        self.count += (y.len() / channels) as f64;
        let parts = z.chunks(PART * channels).zip(y.chunks(PART * channels));
        for (dz, (z, y)) in dz.chunks_mut(PART * channels).zip(parts) {
            for block in 0..channels / LANES {
                let mean = self.mean.as_chunks::<LANES>().0[block];
                let sums = vectorised(
                    #[inline(always)]
                    || {
                        let mut sums = [[0.0; LANES]; 2];
                        let rows = z.chunks_exact(channels).zip(y.chunks_exact(channels));
                        for (dz, (z, y)) in dz.chunks_exact_mut(channels).zip(rows) {
                            let dz = &mut dz.as_chunks_mut::<LANES>().0[block];
                            let (z, y) = (&z.as_chunks::<LANES>().0[block], &y.as_chunks::<LANES>().0[block]);
                            for lane in 0..LANES {
                                let kept = if z[lane] > 0.0 { dz[lane] } else { 0.0 };
                                dz[lane] = kept;
                                sums[0][lane] += kept;
                                sums[1][lane] += kept * (y[lane] - mean[lane]);
                            }
                        }
                        sums
                    },
                );
                self.add(block, &sums);
            }
        }
    }

    /// Adds to the gradients of scale and shift, and derives the coefficients of [`Norm::backward`].
    pub(super) fn settle_backward(&mut self, gamma_grad: &mut [f32], beta_grad: &mut [f32]) {
        for channel in 0..self.mean.len() {
            let inverse = f64::from(self.inverse[channel]);
            let (sum, dot) = (self.sum[channel], self.square[channel] * inverse);
            gamma_grad[channel] += dot as f32;
            beta_grad[channel] += sum as f32;
            let scale = f64::from(self.scale[channel]);
            let slope = -scale * dot * inverse / self.count;
            self.slope[channel] = slope as f32;
            self.offset[channel] = (-scale * sum / self.count - slope * f64::from(self.mean[channel])) as f32;
        }
    }

    /// `dy` from the masked `dz`.
    pub(super) fn backward(&self, dy: &mut [f32], dz: &[f32], y: &[f32]) {
        let blocks = self.mean.len() / LANES;
        let (scale, slope) = (self.scale.as_chunks::<LANES>().0, self.slope.as_chunks::<LANES>().0);
        let offset = self.offset.as_chunks::<LANES>().0;
        let (dy, dz, y) = (
            dy.as_chunks_mut::<LANES>().0,
            dz.as_chunks::<LANES>().0,
            y.as_chunks::<LANES>().0,
        );
        vectorised(
            #[inline(always)]
            || {
                let rows = dz.chunks_exact(blocks).zip(y.chunks_exact(blocks));
                for (dy, (dz, y)) in dy.chunks_exact_mut(blocks).zip(rows) {
                    for block in 0..blocks {
                        let (scale, slope, offset) = (&scale[block], &slope[block], &offset[block]);
                        for lane in 0..LANES {
                            dy[block][lane] =
                                scale[lane] * dz[block][lane] + slope[lane] * y[block][lane] + offset[lane];
                        }
                    }
                }
            },
        );
    }
}
