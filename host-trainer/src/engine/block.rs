//! The two kinds of residual block. Both end with `relu(branch + shortcut)`; the shortcut of an identity block is its
//! input, that of a convolution block is a convolution, pool and norm of its own.

use super::branch::{Branch, Extent, span};
use super::clock::Pass;
use super::matrix::{Sizes, add_weight_gradient, apply, apply_transposed};
use super::norm::Norm;
use super::params::{LayerGrads, LayerParams, LayerShape};
use super::pool::{Columns, pool_windows, unpool_windows};
use super::workspace::{Needs, Workspace};
use faer::Accum;
use std::ops::Range;

/// Pixels of a 2x2 pool window.
const WINDOW: usize = 4;

/// A block that keeps side and channels: layers a, b, c.
pub(super) struct Identity {
    extent: Extent,
    pub branch: Branch,
    /// `[n * side * side, 4 * inner]`
    pub output: Vec<f32>,
}

impl Identity {
    pub(super) fn new(extent: Extent, batch: usize) -> Self {
        let output = vec![0.0; batch * extent.rows() * extent.outer()];
        Self {
            extent,
            branch: Branch::new(extent, batch),
            output,
        }
    }

    pub(super) fn shapes(extent: Extent) -> [LayerShape; 3] {
        let (inner, outer) = (extent.inner, extent.outer());
        [(inner, outer, 1), (inner, inner, 3), (outer, inner, 1)].map(|(outputs, inputs, kernel)| LayerShape {
            outputs,
            inputs,
            kernel,
        })
    }

    /// From `input`, shaped as the output, to `output`.
    pub(super) fn forward(&mut self, layers: &[LayerParams], input: &[f32], images: usize, shared: &mut Workspace) {
        self.branch.norm_a.start(&layers[0]);
        for rows in self.extent.tiles(images) {
            let y_a = &mut self.branch.y_a[span(&rows, self.extent.inner)];
            let (input, weight) = (&input[span(&rows, self.extent.outer())], &layers[0].weight);
            shared
                .clock
                .time(Pass::Product, || apply(y_a, input, weight, sizes_a(self.extent, &rows)));
            shared.clock.time(Pass::Norm, || self.branch.norm_a.observe(y_a));
        }
        self.branch.forward(layers, images, shared);
        let all = 0..images * self.extent.rows() * self.extent.outer();
        let (output, y_c) = (&mut self.output[all.clone()], &self.branch.y_c[all.clone()]);
        shared.clock.time(Pass::Norm, || {
            self.branch.norm_c.relu_residual(output, y_c, &input[all]);
        });
    }

    /// Turns `shared.gradient` from the gradient of the output into that of the input.
    pub(super) fn backward(
        &mut self,
        layers: &[LayerParams],
        grads: &mut [LayerGrads],
        input: &[f32],
        images: usize,
        shared: &mut Workspace,
    ) {
        open(
            &mut self.branch.norm_c,
            &self.output,
            &self.branch.y_c,
            self.extent,
            images,
            shared,
        );
        self.branch.backward(layers, grads, images, shared);
        grads[0].weight.fill(0.0);
        let Workspace {
            narrow,
            gradient,
            gradient_a,
            clock,
            ..
        } = shared;
        for rows in self.extent.tiles(images) {
            let (inner, outer) = (span(&rows, self.extent.inner), span(&rows, self.extent.outer()));
            let (dy, sizes) = (&mut narrow[..inner.len()], sizes_a(self.extent, &rows));
            let branch = &self.branch;
            clock.time(Pass::Norm, || {
                branch
                    .norm_a
                    .backward(dy, &gradient_a[inner.clone()], &branch.y_a[inner]);
            });
            clock.time(Pass::Product, || {
                add_weight_gradient(&mut grads[0].weight, dy, &input[outer.clone()], sizes);
                apply_transposed(&mut gradient[outer], Accum::Add, dy, &layers[0].weight, sizes);
            });
        }
    }
}

fn sizes_a(extent: Extent, rows: &Range<usize>) -> Sizes {
    Sizes {
        rows: rows.len(),
        inputs: extent.outer(),
        outputs: extent.inner,
    }
}

/// Masks `shared.gradient` by the block's final `ReLU` and takes it into the sums of the branch's last norm.
fn open(norm: &mut Norm, output: &[f32], y: &[f32], extent: Extent, images: usize, shared: &mut Workspace) {
    norm.start_backward();
    for rows in extent.tiles(images) {
        let outer = span(&rows, extent.outer());
        let gradient = &mut shared.gradient[outer.clone()];
        shared.clock.time(Pass::Norm, || {
            norm.mask_and_sum(gradient, &output[outer.clone()], &y[outer]);
        });
    }
}

/// A block that halves the side: layers a, b, c, shortcut. The first convolutions of branch and shortcut read the same
/// input and end in the same pool; they are one product with `[inner + outer]` outputs, pooled while still in cache.
pub(super) struct Projection {
    extent: Extent,
    inputs: usize,
    branch: Branch,
    norm_short: Norm,
    /// `[n * 4 * side * side, inputs]` in window order; the block before writes it.
    pub input: Vec<f32>,
    /// `[n * side * side, 4 * inner]`
    pub output: Vec<f32>,
    y_short: Vec<f32>,
    largest_a: Vec<u8>,
    largest_short: Vec<u8>,
    weight: Vec<f32>,
    weight_grad: Vec<f32>,
}

impl Projection {
    pub(super) fn new(extent: Extent, inputs: usize, batch: usize) -> Self {
        let (rows, inner, outer) = (batch * extent.rows(), extent.inner, extent.outer());
        let weight = vec![0.0; (inner + outer) * inputs];
        Self {
            extent,
            inputs,
            branch: Branch::new(extent, batch),
            norm_short: Norm::new(outer),
            input: vec![0.0; WINDOW * rows * inputs],
            output: vec![0.0; rows * outer],
            y_short: vec![0.0; rows * outer],
            largest_a: vec![0; rows * inner],
            largest_short: vec![0; rows * outer],
            weight: weight.clone(),
            weight_grad: weight,
        }
    }

    pub(super) fn shapes(extent: Extent, inputs: usize) -> [LayerShape; 4] {
        let (inner, outer) = (extent.inner, extent.outer());
        [
            (inner, inputs, 1),
            (inner, inner, 3),
            (outer, inner, 1),
            (outer, inputs, 1),
        ]
        .map(|(outputs, inputs, kernel)| LayerShape {
            outputs,
            inputs,
            kernel,
        })
    }

    /// Sizes needed of the shared buffers for a batch.
    pub(super) fn needs(extent: Extent, inputs: usize, batch: usize) -> Needs {
        let common = extent.needs(batch);
        let wide = WINDOW * (common.wide / extent.outer()) * (extent.inner + extent.outer());
        common.max(Needs {
            wide,
            gradient: WINDOW * batch * extent.rows() * inputs,
            ..Needs::default()
        })
    }

    /// Norms in the order of the layers.
    pub(super) fn norms(&self) -> [&Norm; 4] {
        [
            &self.branch.norm_a,
            &self.branch.norm_b,
            &self.branch.norm_c,
            &self.norm_short,
        ]
    }

    /// From `input` to `output`.
    pub(super) fn forward(&mut self, layers: &[LayerParams], images: usize, shared: &mut Workspace) {
        shared.clock.time(Pass::Layout, || {
            let (a, short) = self.weight.split_at_mut(layers[0].weight.len());
            a.copy_from_slice(&layers[0].weight);
            short.copy_from_slice(&layers[3].weight);
        });
        self.branch.norm_a.start(&layers[0]);
        self.norm_short.start(&layers[3]);
        for rows in self.extent.tiles(images) {
            self.project(&rows, shared);
        }
        self.norm_short.settle(&layers[3]);
        self.branch.forward(layers, images, shared);
        for rows in self.extent.tiles(images) {
            let outer = span(&rows, self.extent.outer());
            let (short, output) = (&mut shared.narrow[..outer.len()], &mut self.output[outer.clone()]);
            shared.clock.time(Pass::Norm, || {
                self.norm_short.normal(short, &self.y_short[outer.clone()]);
                self.branch.norm_c.relu_residual(output, &self.branch.y_c[outer], short);
            });
        }
    }

    fn project(&mut self, rows: &Range<usize>, Workspace { wide, clock, .. }: &mut Workspace) {
        let sizes = self.sizes(rows);
        let map = &mut wide[..sizes.rows * sizes.outputs];
        let input = &self.input[span(rows, WINDOW * self.inputs)];
        clock.time(Pass::Product, || apply(map, input, &self.weight, sizes));
        let (inner, outer) = (span(rows, self.extent.inner), span(rows, self.extent.outer()));
        let [columns_a, columns_short] = self.columns();
        let (y_a, y_short) = (&mut self.branch.y_a[inner.clone()], &mut self.y_short[outer.clone()]);
        clock.time(Pass::Pool, || {
            pool_windows(y_a, &mut self.largest_a[inner], map, columns_a);
            pool_windows(y_short, &mut self.largest_short[outer], map, columns_short);
        });
        clock.time(Pass::Norm, || {
            self.branch.norm_a.observe(y_a);
            self.norm_short.observe(y_short);
        });
    }

    /// From `shared.gradient` of the output to `shared.window_gradient` of the input.
    pub(super) fn backward(
        &mut self,
        layers: &[LayerParams],
        grads: &mut [LayerGrads],
        images: usize,
        shared: &mut Workspace,
    ) {
        open(
            &mut self.branch.norm_c,
            &self.output,
            &self.branch.y_c,
            self.extent,
            images,
            shared,
        );
        self.norm_short.start_backward();
        for rows in self.extent.tiles(images) {
            let outer = span(&rows, self.extent.outer());
            let gradient = &shared.gradient[outer.clone()];
            shared
                .clock
                .time(Pass::Norm, || self.norm_short.sum(gradient, &self.y_short[outer]));
        }
        self.norm_short.settle_backward(&mut grads[3]);
        self.branch.backward(layers, grads, images, shared);
        self.weight_grad.fill(0.0);
        for rows in self.extent.tiles(images) {
            self.project_back(&rows, shared);
        }
        let (a, short) = self.weight_grad.split_at(layers[0].weight.len());
        grads[0].weight.copy_from_slice(a);
        grads[3].weight.copy_from_slice(short);
    }

    fn project_back(&mut self, rows: &Range<usize>, shared: &mut Workspace) {
        let Workspace {
            wide,
            narrow,
            gradient,
            window_gradient,
            gradient_a,
            clock,
            ..
        } = shared;
        let (sizes, branch, [columns_a, columns_short]) = (self.sizes(rows), &self.branch, self.columns());
        let map = &mut wide[..sizes.rows * sizes.outputs];
        let (inner, outer) = (span(rows, self.extent.inner), span(rows, self.extent.outer()));

        let dy = &mut narrow[..inner.len()];
        clock.time(Pass::Norm, || {
            branch
                .norm_a
                .backward(dy, &gradient_a[inner.clone()], &branch.y_a[inner.clone()]);
        });
        clock.time(Pass::Pool, || {
            unpool_windows(map, dy, &self.largest_a[inner], columns_a);
        });

        let dy = &mut narrow[..outer.len()];
        let (dz, y_short) = (&gradient[outer.clone()], &self.y_short[outer.clone()]);
        clock.time(Pass::Norm, || self.norm_short.backward(dy, dz, y_short));
        clock.time(Pass::Pool, || {
            unpool_windows(map, dy, &self.largest_short[outer], columns_short);
        });

        let input = span(rows, WINDOW * self.inputs);
        clock.time(Pass::Product, || {
            add_weight_gradient(&mut self.weight_grad, map, &self.input[input.clone()], sizes);
            apply_transposed(&mut window_gradient[input], Accum::Replace, map, &self.weight, sizes);
        });
    }

    fn sizes(&self, rows: &Range<usize>) -> Sizes {
        Sizes {
            rows: WINDOW * rows.len(),
            inputs: self.inputs,
            outputs: self.extent.inner + self.extent.outer(),
        }
    }

    /// Columns of the joint product that belong to the branch and to the shortcut.
    fn columns(&self) -> [Columns; 2] {
        let (inner, outer) = (self.extent.inner, self.extent.outer());
        let stride = inner + outer;
        [
            Columns {
                first: 0,
                stride,
                count: inner,
            },
            Columns {
                first: inner,
                stride,
                count: outer,
            },
        ]
    }
}
