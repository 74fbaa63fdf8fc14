//! The stem: 7x7 convolution with stride 2 from one channel to 64, batch norm, `ReLU`, 3x3 max pool with stride 2.
//!
//! A tile is one image. The pool comes before norm and `ReLU` (see [`pool_stem`]); the statistics are those of the whole
//! map. Its output is in window order, ready for the first stage.

use super::clock::{Pass, Timings};
use super::matrix::{Sizes, add_weight_gradient, apply};
use super::norm::Norm;
use super::params::{LayerGrads, LayerParams, LayerShape};
use super::patches::{PADDED, STEM_SIDE, STEM_TAPS, stem_patches};
use super::pool::{STEM_POOLED_SIDE, pool_stem, stem_windows, unpool_stem};
use super::workspace::{Needs, Workspace};
use super::{BLOCK, SIDE};

/// Pixels of the stem's map.
const PIXELS: usize = STEM_SIDE * STEM_SIDE;
/// Pixels of its pooled map.
const POOLED: usize = STEM_POOLED_SIDE * STEM_POOLED_SIDE;
/// Values of an input image.
pub(super) const IMAGE: usize = SIDE * SIDE;
const SIZES: Sizes = Sizes {
    rows: PIXELS,
    inputs: STEM_TAPS,
    outputs: BLOCK,
};

/// The stem's workspaces; maps hold the whole batch.
pub(super) struct Stem {
    pub norm: Norm,
    /// First row of each pool window.
    windows: Vec<usize>,
    padded: Vec<f32>,
    /// Convolution output.
    y: Vec<f32>,
    /// Pooled convolution output.
    pooled: Vec<f32>,
    largest: Vec<u8>,
}

impl Stem {
    pub(super) const SHAPE: LayerShape = LayerShape {
        outputs: BLOCK,
        inputs: 1,
        kernel: 7,
    };

    pub(super) fn new(batch: usize) -> Self {
        Self {
            norm: Norm::new(BLOCK),
            windows: stem_windows(),
            padded: vec![0.0; PADDED],
            y: vec![0.0; batch * PIXELS * BLOCK],
            pooled: vec![0.0; batch * POOLED * BLOCK],
            largest: vec![0; batch * POOLED * BLOCK],
        }
    }

    /// Sizes needed of the shared buffers.
    pub(super) fn needs() -> Needs {
        Needs {
            wide: PIXELS * BLOCK,
            patches: PIXELS * STEM_TAPS,
            ..Needs::default()
        }
    }

    /// From `images: [n, 96, 96]` to `output: [n * 22 * 22, 64]` in window order.
    pub(super) fn forward(&mut self, params: &LayerParams, images: &[f32], output: &mut [f32], shared: &mut Workspace) {
        let Workspace { patches, clock, .. } = shared;
        let patches = &mut patches[..PIXELS * STEM_TAPS];
        let sign = signs(&params.gamma);
        self.norm.start(params);
        for (tile, image) in images.chunks_exact(IMAGE).enumerate() {
            clock.time(Pass::Patches, || stem_patches(patches, &mut self.padded, image));
            let y = &mut self.y[tile * PIXELS * BLOCK..][..PIXELS * BLOCK];
            clock.time(Pass::Product, || apply(y, patches, &params.weight, SIZES));
            clock.time(Pass::Norm, || self.norm.observe(y));
            let pooled = self.pooled[tile * POOLED * BLOCK..].as_chunks_mut().0;
            let largest = self.largest[tile * POOLED * BLOCK..].as_chunks_mut().0;
            clock.time(Pass::Pool, || {
                pool_stem(pooled, largest, y.as_chunks().0, &sign, &self.windows);
            });
        }
        self.norm.settle(params);
        clock.time(Pass::Norm, || self.norm.relu(output, &self.pooled));
    }

    /// From `gradient` of the output, both as in [`Self::forward`], to the gradients of the parameters. The `ReLU`'s mask
    /// is applied to `gradient`.
    pub(super) fn backward(
        &mut self,
        grads: &mut LayerGrads,
        images: &[f32],
        output: &[f32],
        gradient: &mut [f32],
        shared: &mut Workspace,
    ) {
        let Workspace {
            wide, patches, clock, ..
        } = shared;
        let (dy, patches) = (&mut wide[..PIXELS * BLOCK], &mut patches[..PIXELS * STEM_TAPS]);
        self.norm.start_backward();
        clock.time(Pass::Norm, || {
            let maps = output.chunks(POOLED * BLOCK).zip(self.pooled.chunks(POOLED * BLOCK));
            for (gradient, (output, pooled)) in gradient.chunks_mut(POOLED * BLOCK).zip(maps) {
                self.norm.mask_and_sum(gradient, output, pooled);
            }
        });
        self.norm.settle_backward(grads);
        for (tile, image) in images.chunks_exact(IMAGE).enumerate() {
            self.spread(dy, &gradient[tile * POOLED * BLOCK..][..POOLED * BLOCK], tile, clock);
            clock.time(Pass::Patches, || stem_patches(patches, &mut self.padded, image));
            clock.time(Pass::Product, || {
                add_weight_gradient(&mut grads.weight, dy, patches, SIZES);
            });
        }
    }

    /// Gradient of one image's convolution output from that of its pooled and normalised map.
    fn spread(&self, dy: &mut [f32], gradient: &[f32], tile: usize, clock: &mut Timings) {
        let largest = self.largest[tile * POOLED * BLOCK..][..POOLED * BLOCK].as_chunks().0;
        clock.time(Pass::Pool, || {
            dy.fill(0.0);
            unpool_stem(dy.as_chunks_mut().0, gradient.as_chunks().0, largest, &self.windows);
        });
        let y = &self.y[tile * PIXELS * BLOCK..][..PIXELS * BLOCK];
        clock.time(Pass::Norm, || self.norm.backward_in_place(dy, y));
    }
}

fn signs(gamma: &[f32]) -> [f32; BLOCK] {
    let mut signs = [1.0; BLOCK];
    for (sign, gamma) in signs.iter_mut().zip(gamma) {
        *sign = if *gamma < 0.0 { -1.0 } else { 1.0 };
    }
    signs
}
