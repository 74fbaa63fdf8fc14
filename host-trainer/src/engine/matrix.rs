//! Matrix products on row-major slices, on the calling thread.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

/// Sizes of a layer's product: `rows` of `inputs` values become `rows` of `outputs` values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// `y = x w^T` for `y: [rows, outputs]`, `x: [rows, inputs]`, `w: [outputs, inputs]`.
pub(super) fn apply(y: &mut [f32], x: &[f32], w: &[f32], sizes: Sizes) {
    let Sizes { rows, inputs, outputs } = sizes;
    let y = MatMut::from_row_major_slice_mut(y, rows, outputs);
    let x = MatRef::from_row_major_slice(x, rows, inputs);
    let w = MatRef::from_row_major_slice(w, outputs, inputs);
    matmul(y, Accum::Replace, x, w.transpose(), 1.0, Par::Seq);
}

/// `dx = dy w` for `dx: [rows, inputs]`, `dy: [rows, outputs]`, `w: [outputs, inputs]`; or `dx += dy w`, as `accum` says.
pub(super) fn apply_transposed(dx: &mut [f32], accum: Accum, dy: &[f32], w: &[f32], sizes: Sizes) {
    let Sizes { rows, inputs, outputs } = sizes;
    let dx = MatMut::from_row_major_slice_mut(dx, rows, inputs);
    let dy = MatRef::from_row_major_slice(dy, rows, outputs);
    let w = MatRef::from_row_major_slice(w, outputs, inputs);
    matmul(dx, accum, dy, w, 1.0, Par::Seq);
}

/// `dw += dy^T x` for `dw: [outputs, inputs]`, `dy: [rows, outputs]`, `x: [rows, inputs]`.
pub(super) fn add_weight_gradient(dw: &mut [f32], dy: &[f32], x: &[f32], sizes: Sizes) {
    let Sizes { rows, inputs, outputs } = sizes;
    let dw = MatMut::from_row_major_slice_mut(dw, outputs, inputs);
    let dy = MatRef::from_row_major_slice(dy, rows, outputs);
    let x = MatRef::from_row_major_slice(x, rows, inputs);
    matmul(dw, Accum::Add, dy.transpose(), x, 1.0, Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: Sizes = Sizes {
        rows: 2,
        inputs: 3,
        outputs: 2,
    };
    const X: [f32; 6] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    const W: [f32; 6] = [1.0, 0.0, -1.0, 2.0, 1.0, 0.0];

    #[test]
    fn multiplies_rows_by_each_output_s_weights() {
        let mut y = [9.0; 4];
        apply(&mut y, &X, &W, SIZES);
        assert_eq!(y.to_vec(), [-2.0, 4.0, -2.0, 13.0]);
    }

    #[test]
    fn leads_gradients_back_to_inputs() {
        let mut dx = [1.0; 6];
        apply_transposed(&mut dx, Accum::Add, &[1.0, 0.0, 0.0, 2.0], &W, SIZES);
        assert_eq!(dx.to_vec(), [2.0, 1.0, 0.0, 5.0, 3.0, 1.0]);
    }

    #[test]
    fn adds_to_weight_gradients() {
        let mut dw = [1.0; 6];
        add_weight_gradient(&mut dw, &[1.0, 0.0, 1.0, 2.0], &X, SIZES);
        assert_eq!(dw.to_vec(), [6.0, 8.0, 10.0, 9.0, 11.0, 13.0]);
    }
}
