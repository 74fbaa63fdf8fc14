//! The branch that convolution and identity blocks share, from the output of its first convolution on:
//! norm, `ReLU`, 3x3 convolution, norm, `ReLU`, 1x1 convolution, norm.

use super::clock::Pass;
use super::matrix::{Sizes, add_weight_gradient, apply, apply_transposed};
use super::norm::Norm;
use super::params::{LayerGrads, LayerParams, pack_kernel, turn_back, turn_kernel};
use super::patches::patches;
use super::workspace::{Needs, Workspace, tile_images};
use faer::Accum;
use std::ops::Range;

/// Output channels for each channel inside the branch.
const WIDENING: usize = 4;

/// Sizes of a block's maps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Side of the block's output in pixels.
    pub side: usize,
    /// Channels between the branch's two convolutions.
    pub inner: usize,
}

impl Extent {
    /// Rows of one image.
    pub(super) fn rows(self) -> usize {
        self.side * self.side
    }

    /// Channels of the block's output.
    pub(super) fn outer(self) -> usize {
        WIDENING * self.inner
    }

    /// Rows of each tile of `images` images.
    pub(super) fn tiles(self, images: usize) -> impl Iterator<Item = Range<usize>> {
        let (step, end) = (tile_images(self.rows()) * self.rows(), images * self.rows());
        (0..end).step_by(step).map(move |start| start..(start + step).min(end))
    }

    /// Sizes needed of the shared buffers for a batch.
    pub(super) fn needs(self, batch: usize) -> Needs {
        let tile = tile_images(self.rows()) * self.rows();
        Needs {
            wide: tile * self.outer(),
            narrow: tile * self.outer(),
            patches: tile * 9 * self.inner,
            gradient: batch * self.rows() * self.outer(),
            branch_gradient: batch * self.rows() * self.inner,
        }
    }
}

/// The values of `rows` in a map of `channels` columns.
pub(super) fn span(rows: &Range<usize>, channels: usize) -> Range<usize> {
    rows.start * channels..rows.end * channels
}

/// Workspaces of a branch; maps hold the whole batch. `y` is a convolution's output, `z` what norm and `ReLU` make of it.
pub(super) struct Branch {
    extent: Extent,
    pub norm_a: Norm,
    pub norm_b: Norm,
    pub norm_c: Norm,
    pub y_a: Vec<f32>,
    z_a: Vec<f32>,
    y_b: Vec<f32>,
    z_b: Vec<f32>,
    pub y_c: Vec<f32>,
    packed: Vec<f32>,
    turned: Vec<f32>,
    turned_grad: Vec<f32>,
}

impl Branch {
    pub(super) fn new(extent: Extent, batch: usize) -> Self {
        let inner = extent.inner;
        let map = || vec![0.0; batch * extent.rows() * inner];
        let kernel = || vec![0.0; 9 * inner * inner];
        Self {
            extent,
            norm_a: Norm::new(inner),
            norm_b: Norm::new(inner),
            norm_c: Norm::new(extent.outer()),
            y_a: map(),
            z_a: map(),
            y_b: map(),
            z_b: map(),
            y_c: vec![0.0; batch * extent.rows() * extent.outer()],
            packed: kernel(),
            turned: kernel(),
            turned_grad: kernel(),
        }
    }

    /// From `y_a`, whose statistics `norm_a` has observed, to `y_c` and the settled `norm_c`; `layers` are a, b, c.
    pub(super) fn forward(&mut self, layers: &[LayerParams], images: usize, shared: &mut Workspace) {
        self.norm_a.settle(&layers[0]);
        shared.clock.time(Pass::Layout, || {
            pack_kernel(&mut self.packed, &layers[1].weight, self.extent.inner);
        });
        self.norm_b.start(&layers[1]);
        for rows in self.extent.tiles(images) {
            self.forward_b(&rows, shared);
        }
        self.norm_b.settle(&layers[1]);
        self.norm_c.start(&layers[2]);
        for rows in self.extent.tiles(images) {
            self.forward_c(&layers[2], &rows, shared);
        }
        self.norm_c.settle(&layers[2]);
    }

    fn forward_b(
        &mut self,
        rows: &Range<usize>,
        Workspace {
            patches: lines, clock, ..
        }: &mut Workspace,
    ) {
        let inner = self.extent.inner;
        let narrow = span(rows, inner);
        let (z_a, y_b) = (&mut self.z_a[narrow.clone()], &mut self.y_b[narrow.clone()]);
        let lines = &mut lines[..rows.len() * 9 * inner];
        clock.time(Pass::Norm, || self.norm_a.relu(z_a, &self.y_a[narrow]));
        clock.time(Pass::Patches, || patches(lines, z_a, self.extent.side, inner));
        let sizes = Sizes {
            rows: rows.len(),
            inputs: 9 * inner,
            outputs: inner,
        };
        clock.time(Pass::Product, || apply(y_b, lines, &self.packed, sizes));
        clock.time(Pass::Norm, || self.norm_b.observe(y_b));
    }

    fn forward_c(&mut self, params: &LayerParams, rows: &Range<usize>, Workspace { clock, .. }: &mut Workspace) {
        let (narrow, sizes) = (span(rows, self.extent.inner), self.sizes_c(rows));
        let (z_b, y_c) = (
            &mut self.z_b[narrow.clone()],
            &mut self.y_c[span(rows, self.extent.outer())],
        );
        clock.time(Pass::Norm, || self.norm_b.relu(z_b, &self.y_b[narrow]));
        clock.time(Pass::Product, || apply(y_c, z_b, &params.weight, sizes));
        clock.time(Pass::Norm, || self.norm_c.observe(y_c));
    }

    /// From `shared.gradient`, masked and taken into the sums of `norm_c`, to `shared.gradient_a`, masked, and the settled
    /// `norm_a`.
    pub(super) fn backward(
        &mut self,
        layers: &[LayerParams],
        grads: &mut [LayerGrads],
        images: usize,
        shared: &mut Workspace,
    ) {
        self.norm_c.settle_backward(&mut grads[2]);
        self.norm_b.start_backward();
        grads[2].weight.fill(0.0);
        for rows in self.extent.tiles(images) {
            self.backward_c(&layers[2], &mut grads[2], &rows, shared);
        }
        self.norm_b.settle_backward(&mut grads[1]);
        self.norm_a.start_backward();
        shared
            .clock
            .time(Pass::Layout, || turn_kernel(&mut self.turned, &layers[1].weight));
        self.turned_grad.fill(0.0);
        for rows in self.extent.tiles(images) {
            self.backward_b(&rows, shared);
        }
        self.norm_a.settle_backward(&mut grads[0]);
        shared
            .clock
            .time(Pass::Layout, || turn_back(&mut grads[1].weight, &self.turned_grad));
    }

    fn backward_c(
        &mut self,
        params: &LayerParams,
        grads: &mut LayerGrads,
        rows: &Range<usize>,
        shared: &mut Workspace,
    ) {
        let Workspace {
            wide,
            gradient,
            gradient_b,
            clock,
            ..
        } = shared;
        let (narrow, outer) = (span(rows, self.extent.inner), span(rows, self.extent.outer()));
        let (dy, dz_b) = (&mut wide[..outer.len()], &mut gradient_b[narrow.clone()]);
        let (z_b, sizes) = (&self.z_b[narrow.clone()], self.sizes_c(rows));
        clock.time(Pass::Norm, || {
            self.norm_c.backward(dy, &gradient[outer.clone()], &self.y_c[outer]);
        });
        clock.time(Pass::Product, || {
            add_weight_gradient(&mut grads.weight, dy, z_b, sizes);
            apply_transposed(dz_b, Accum::Replace, dy, &params.weight, sizes);
        });
        clock.time(Pass::Norm, || self.norm_b.mask_and_sum(dz_b, z_b, &self.y_b[narrow]));
    }

    /// The patches of the output gradient serve both products: with the turned kernel they give the input gradient, with
    /// the input the turned kernel's gradient.
    fn backward_b(&mut self, rows: &Range<usize>, shared: &mut Workspace) {
        let Workspace {
            narrow: dy,
            patches: lines,
            gradient_a,
            gradient_b,
            clock,
            ..
        } = shared;
        let inner = self.extent.inner;
        let narrow = span(rows, inner);
        let (dy, lines) = (&mut dy[..narrow.len()], &mut lines[..9 * narrow.len()]);
        let (dz_a, z_a) = (&mut gradient_a[narrow.clone()], &self.z_a[narrow.clone()]);
        clock.time(Pass::Norm, || {
            self.norm_b
                .backward(dy, &gradient_b[narrow.clone()], &self.y_b[narrow.clone()]);
        });
        clock.time(Pass::Patches, || patches(lines, dy, self.extent.side, inner));
        let sizes = Sizes {
            rows: rows.len(),
            inputs: inner,
            outputs: 9 * inner,
        };
        clock.time(Pass::Product, || {
            add_weight_gradient(&mut self.turned_grad, lines, z_a, sizes);
            apply_transposed(dz_a, Accum::Replace, lines, &self.turned, sizes);
        });
        clock.time(Pass::Norm, || self.norm_a.mask_and_sum(dz_a, z_a, &self.y_a[narrow]));
    }

    fn sizes_c(&self, rows: &Range<usize>) -> Sizes {
        Sizes {
            rows: rows.len(),
            inputs: self.extent.inner,
            outputs: self.extent.outer(),
        }
    }
}
