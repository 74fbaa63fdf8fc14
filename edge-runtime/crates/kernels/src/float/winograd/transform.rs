//! The transforms of Winograd's method: sums and differences of a few values, in both directions of a patch.
//!
//! An interpolation at the points 0, 1, -1 and infinity makes two outputs of a row out of four inputs, one at 2 and -2 as
//! well four out of six. Each function here is one row; a patch is all its columns and then all its rows.

use crate::float::register::Register;

/// A transform of one row; a type, since calls of functions that are values are not inlined where features differ.
pub(super) trait Line<const A: usize, const M: usize> {
    /// # Safety
    /// The processor has the register's instructions.
    unsafe fn line<R: Register>(values: [R; A]) -> [R; M];
}

/// Four inputs as values at the points 0, 1, -1 and infinity.
pub(super) struct Input2;

impl Line<4, 4> for Input2 {
    #[inline(always)]
    unsafe fn line<R: Register>([a, b, c, d]: [R; 4]) -> [R; 4] {
        // SAFETY: as the caller promises.
        unsafe { [a.sub(c), b.add(c), c.sub(b), d.sub(b)] }
    }
}

/// Two outputs of products at these points.
pub(super) struct Output2;

impl Line<4, 2> for Output2 {
    #[inline(always)]
    unsafe fn line<R: Register>([a, b, c, d]: [R; 4]) -> [R; 2] {
        // SAFETY: as the caller promises.
        unsafe { [a.add(b).add(c), b.sub(c).add(d)] }
    }
}

/// Three weights at these points.
pub(super) fn weights_2([a, b, c]: [f64; 3]) -> [f64; 4] {
    [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]
}

/// Six inputs as values at the points 0, 1, -1, 2, -2 and infinity.
pub(super) struct Input4;

impl Line<6, 6> for Input4 {
    #[inline(always)]
    unsafe fn line<R: Register>([a, b, c, d, e, f]: [R; 6]) -> [R; 6] {
        // SAFETY: as the caller promises.
        unsafe {
            let (even, odd) = (c.fused(-4.0, e), b.fused(-4.0, d));
            let (even_2, odd_2) = (e.sub(c), d.sub(b));
            [
                a.fused(4.0, c.fused(-5.0, e)),
                even.add(odd),
                even.sub(odd),
                odd_2.fused(2.0, even_2),
                odd_2.fused(-2.0, even_2),
                b.fused(4.0, d.fused(-5.0, f)),
            ]
        }
    }
}

/// Four outputs of products at these points.
pub(super) struct Output4;

impl Line<6, 4> for Output4 {
    #[inline(always)]
    unsafe fn line<R: Register>([a, b, c, d, e, f]: [R; 6]) -> [R; 4] {
        // SAFETY: as the caller promises.
        unsafe {
            let (even, odd) = (b.add(c), b.sub(c));
            let (even_2, odd_2) = (d.add(e), d.sub(e));
            [
                a.add(even).add(even_2),
                odd_2.fused(2.0, odd),
                even_2.fused(4.0, even),
                odd_2.fused(8.0, odd).add(f),
            ]
        }
    }
}

/// Three weights at these points.
pub(super) fn weights_4([a, b, c]: [f64; 3]) -> [f64; 6] {
    let (even, even_2) = (a + c, a / 4.0 + c);
    [
        a / 4.0,
        -(even + b) / 6.0,
        -(even - b) / 6.0,
        (even_2 + b / 2.0) / 6.0,
        (even_2 - b / 2.0) / 6.0,
        c,
    ]
}

/// A row of weights after another, then of the columns.
pub(super) fn weights<const A: usize>(row: impl Fn([f64; 3]) -> [f64; A], window: [[f64; 3]; 3]) -> [[f64; A]; A] {
    let rows = window.map(&row);
    let columns: [[f64; A]; A] = std::array::from_fn(|at| row(rows.map(|row| row[at])));
    std::array::from_fn(|y| std::array::from_fn(|x| columns[x][y]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LANES;

    /// One output of three weights over three of the inputs, for each of them.
    fn check<const A: usize, const M: usize, I: Line<A, A>, O: Line<A, M>>(weights: fn([f64; 3]) -> [f64; A]) {
        let values: [[f32; LANES]; A] = std::array::from_fn(|at| [(at * at + 1) as f32; LANES]);
        let window = [3.0, -7.0, 12.0];
        // SAFETY: arrays need no instructions of their own.
        let inputs = unsafe { I::line(values) };
        let factors = weights(window);
        let products = std::array::from_fn(|at| [(f64::from(inputs[at][1]) * factors[at]) as f32; LANES]);
        // SAFETY: as above.
        let outputs = unsafe { O::line(products) };
        for (at, [found, ..]) in outputs.into_iter().enumerate() {
            let expected: f64 = (0..3).map(|k| f64::from(values[at + k][0]) * window[k]).sum();
            assert!((f64::from(found) - expected).abs() < 1e-4, "{at}: {found} {expected}");
        }
    }

    #[test]
    fn a_row_of_two_or_four_is_that_of_three_weights() {
        check::<4, 2, Input2, Output2>(weights_2);
        check::<6, 4, Input4, Output4>(weights_4);
    }
}
