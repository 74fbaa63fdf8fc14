//! Convolutions as products over patches, and their gradients.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use super::layer::{Layer, Plane};

/// Values of the patches of one tile at most: half a megabyte, which leaves room for the rest in the second-level cache.
const TILE: usize = 1 << 17;

/// A convolution between two maps of known size.
#[derive(Debug, Clone)]
pub(super) struct Conv {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) from: Plane,
    pub(super) to: Plane,
}

/// Lines of the output, counted over all images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    pub(super) first: usize,
    pub(super) count: usize,
}

impl Conv {
    pub(super) fn new(layer: &Layer, from: Plane) -> Self {
        let to = from.behind(layer.stride);
        Self {
            kernel: layer.kernel,
            stride: layer.stride,
            inputs: layer.inputs,
            outputs: layer.outputs,
            from,
            to,
        }
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel * self.kernel * self.inputs
    }

    /// Numbers needed for the patches of a tile.
    pub(super) fn room(&self, images: usize) -> usize {
        self.step(images) * self.to.columns * self.taps()
    }

    fn step(&self, images: usize) -> usize {
        (TILE / (self.to.columns * self.taps())).clamp(1, images * self.to.rows)
    }

    /// The tiles of `images` images.
    pub(super) fn tiles(&self, images: usize) -> impl Iterator<Item = Lines> + use<> {
        let (step, end) = (self.step(images), images * self.to.rows);
        (0..end).step_by(step).map(move |first| Lines {
            first,
            count: step.min(end - first),
        })
    }

    /// Where the output of a tile lies in a map of `channels` channels.
    pub(super) fn span(&self, lines: Lines, channels: usize) -> std::ops::Range<usize> {
        let line = self.to.columns * channels;
        lines.first * line..(lines.first + lines.count) * line
    }

    /// Whether patches are the input itself.
    fn plain(&self) -> bool {
        self.kernel == 1 && self.stride == 1
    }

    /// `y[lines] = patches(x) w^T`.
    pub(super) fn forward(&self, y: &mut [f32], x: &[f32], weight: &[f32], room: &mut [f32], lines: Lines) {
        let rows = lines.count * self.to.columns;
        let taps = self.taps();
        let patches = self.patches(x, room, lines);
        let y = MatMut::from_row_major_slice_mut(y, rows, self.outputs);
        let x = MatRef::from_row_major_slice(patches, rows, taps);
        let w = MatRef::from_row_major_slice(weight, self.outputs, taps);
        matmul(y, Accum::Replace, x, w.transpose(), 1.0, Par::Seq);
    }

    /// `dw += dy^T patches(x)`.
    pub(super) fn add_weight_gradient(&self, dw: &mut [f32], dy: &[f32], x: &[f32], room: &mut [f32], lines: Lines) {
        let rows = lines.count * self.to.columns;
        let taps = self.taps();
        let patches = self.patches(x, room, lines);
        let dw = MatMut::from_row_major_slice_mut(dw, self.outputs, taps);
        let dy = MatRef::from_row_major_slice(dy, rows, self.outputs);
        let x = MatRef::from_row_major_slice(patches, rows, taps);
        matmul(dw, Accum::Add, dy.transpose(), x, 1.0, Par::Seq);
    }

    /// Adds to `dx`, the whole map, what `dy` of the lines leads back.
    pub(super) fn add_input_gradient(
        &self,
        dx: &mut [f32],
        dy: &[f32],
        weight: &[f32],
        room: &mut [f32],
        lines: Lines,
    ) {
        let rows = lines.count * self.to.columns;
        let taps = self.taps();
        let dy = MatRef::from_row_major_slice(dy, rows, self.outputs);
        let w = MatRef::from_row_major_slice(weight, self.outputs, taps);
        if self.plain() {
            let dx = &mut dx[self.span(lines, self.inputs)];
            matmul(
                MatMut::from_row_major_slice_mut(dx, rows, taps),
                Accum::Add,
                dy,
                w,
                1.0,
                Par::Seq,
            );
            return;
        }
        let patches = &mut room[..rows * taps];
        let product = MatMut::from_row_major_slice_mut(&mut *patches, rows, taps);
        matmul(product, Accum::Replace, dy, w, 1.0, Par::Seq);
        let line = self.to.columns * taps;
        for (at, patches) in patches.chunks_exact(line).enumerate() {
            self.scatter(dx, patches, lines.first + at);
        }
    }

    fn patches<'a>(&self, x: &'a [f32], room: &'a mut [f32], lines: Lines) -> &'a [f32] {
        if self.plain() {
            return &x[self.span(lines, self.inputs)];
        }
        let line = self.to.columns * self.taps();
        let room = &mut room[..lines.count * line];
        for (at, patches) in room.chunks_exact_mut(line).enumerate() {
            self.gather(patches, x, lines.first + at);
        }
        room
    }

    /// The rows of the input under a line of the output: for each row of the kernel, the first value of the line.
    fn under(&self, line: usize) -> impl Iterator<Item = Option<usize>> + use<> {
        let (image, row) = (line / self.to.rows, line % self.to.rows);
        let (rows, width) = (self.from.rows, self.from.columns * self.inputs);
        let (stride, margin) = (self.stride, self.kernel / 2);
        (0..self.kernel).map(move |tap| {
            let row = (row * stride + tap).checked_sub(margin).filter(|row| *row < rows)?;
            Some((image * rows + row) * width)
        })
    }

    /// Columns of the input under a pixel of the output: taps left out at the left, first column, columns inside.
    fn across(&self, column: usize) -> (usize, usize, usize) {
        let margin = self.kernel / 2;
        let first = column * self.stride;
        let missing = margin.saturating_sub(first);
        let start = (first + missing) - margin;
        let inside = (self.kernel - missing).min(self.from.columns - start);
        (missing, start, inside)
    }

    fn gather(&self, patches: &mut [f32], x: &[f32], line: usize) {
        let (taps, channels, width) = (self.taps(), self.inputs, self.kernel * self.inputs);
        for (tap, start) in self.under(line).enumerate() {
            for (column, patch) in patches.chunks_exact_mut(taps).enumerate() {
                let part = &mut patch[tap * width..(tap + 1) * width];
                let Some(start) = start else {
                    part.fill(0.0);
                    continue;
                };
                let (missing, first, inside) = self.across(column);
                let source = &x[start + first * channels..][..inside * channels];
                if inside == self.kernel {
                    part.copy_from_slice(source);
                    continue;
                }
                part.fill(0.0);
                part[missing * channels..][..source.len()].copy_from_slice(source);
            }
        }
    }

    fn scatter(&self, dx: &mut [f32], patches: &[f32], line: usize) {
        let (taps, channels, width) = (self.taps(), self.inputs, self.kernel * self.inputs);
        for (tap, start) in self.under(line).enumerate() {
            let Some(start) = start else { continue };
            for (column, patch) in patches.chunks_exact(taps).enumerate() {
                let (missing, first, inside) = self.across(column);
                let part = &patch[tap * width + missing * channels..][..inside * channels];
                for (dx, value) in dx[start + first * channels..][..part.len()].iter_mut().zip(part) {
                    *dx += value;
                }
            }
        }
    }
}
