//! Float weights in the order in which the kernels read them: `values[panel][k][channel % 16]`.

use crate::memory::{Aligned, Arena};
use crate::{Gather, LANES};

/// Packed weights and biases of a GEMM; channels beyond the last have weight and bias 0.
#[derive(Debug, Clone)]
pub struct FloatWeights {
    values: Aligned<f32>,
    bias: Vec<f32>,
    depth: usize,
}

impl FloatWeights {
    /// Packs the weights of `bias.len()` channels over the runs of a gather, and puts them into the arena.
    ///
    /// `weight(channel, k)` is asked for every position `k` in the runs, one after the other.
    pub fn pack(arena: &mut Arena, gather: &Gather, bias: &[f32], weight: impl Fn(usize, usize) -> f32) -> Self {
        let depth = gather.run_len() * gather.run_offsets().len();
        let channels = bias.len().next_multiple_of(LANES);
        let mut values = arena.take(0.0, channels * depth);
        for (panel, values) in values.chunks_exact_mut((LANES * depth).max(1)).enumerate() {
            let first = panel * LANES;
            let last = bias.len().min(first + LANES);
            for (k, lanes) in values.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
                for (lane, channel) in lanes.iter_mut().zip(first..last) {
                    *lane = weight(channel, k);
                }
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(channels, 0.0);
        Self { values, bias, depth }
    }

    /// In the order of this module.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// One value a channel, 0 beyond the last.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// Values of a dot product.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }
}
