//! Where the time of a training step goes, by kind of pass.

use std::time::{Duration, Instant};

/// A kind of pass over the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// Matrix products.
    Product,
    /// Copies of convolution windows into patch rows.
    Patches,
    /// Batch statistics, normalisation, `ReLU`, residual addition, and their gradients.
    Norm,
    /// Max pools and their gradients.
    Pool,
    /// Reordering of weights, gradients, and maps.
    Layout,
}

impl Pass {
    /// Every kind, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Product, Self::Patches, Self::Norm, Self::Pool, Self::Layout];
}

/// Time spent in each kind of pass since the trunk was made.
#[derive(Clone, Debug, Default)]
pub struct Timings([Duration; Pass::ALL.len()]);

impl Timings {
    /// Time spent in `pass` since the clock was started.
    #[must_use]
    pub fn spent(&self, pass: Pass) -> Duration {
        self.0[pass as usize]
    }

    pub(super) fn time<R>(&mut self, pass: Pass, work: impl FnOnce() -> R) -> R {
        let start = Instant::now();
        let result = work();
        self.0[pass as usize] += start.elapsed();
        result
    }
}
