//! Dropout whose masks depend on a seed alone.
//!
//! burn's own layer draws from one generator per backend, so that replicas on several threads would
//! get masks that depend on timing.

use burn::tensor::{Tensor, TensorData};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// How a forward pass treats its batch.
#[derive(Debug)]
pub(crate) enum Dropout {
    /// Inference: running statistics normalise, nothing is dropped.
    Inference,
    /// Training: the batch's own statistics normalise; masks come from the generator, if there is one.
    Training(Option<Box<ChaCha8Rng>>),
}

impl Dropout {
    /// Training masks of one replica in one step.
    pub(crate) fn seeded(seed: u64, step: u64, replica: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(replica);
        // Each step has its own 2^32 words of the stream.
        rng.set_word_pos(u128::from(step) << 32);
        Self::Training(Some(Box::new(rng)))
    }

    pub(crate) fn is_training(&self) -> bool {
        matches!(self, Self::Training(_))
    }

    /// Drops each value with probability `rate` and scales the others by `1 / (1 - rate)`.
    pub(crate) fn apply(&mut self, x: Tensor<2>, rate: f64) -> Tensor<2> {
        let Self::Training(Some(rng)) = self else { return x };
        if rate <= 0.0 {
            return x;
        }
        let keep = (1.0 / (1.0 - rate)) as f32;
        let mask = (0..x.shape().num_elements())
            .map(|_| if rng.random_bool(rate) { 0.0 } else { keep })
            .collect();
        let mask = Tensor::from_data(TensorData::new::<f32, _>(mask, x.shape()), &x.device());
        x * mask
    }
}
