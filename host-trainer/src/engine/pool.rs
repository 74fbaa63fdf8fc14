//! Max pools and their gradients. Each output remembers, as one byte, which pixel of its window was the largest; of
//! equal pixels the first.

use super::BLOCK;
use super::dispatch::vectorised;
use super::patches::STEM_SIDE;

/// Side of the stem's pooled map as the first stage reads it: the 23x23 outputs of a 3x3 pool with stride 2 over 48x48,
/// without the last line and column, which the first stage's own 2x2 pool drops.
pub(super) const STEM_POOLED_SIDE: usize = 22;

/// Rows of a map in window order for images of `side` x `side`: for each row the pixel it comes from.
pub(super) fn window_order(side: usize) -> Vec<usize> {
    let pooled = side / 2;
    let corner = |window: usize| 2 * (window / pooled) * side + 2 * (window % pooled);
    (0..pooled * pooled)
        .flat_map(|window| [0, 1, side, side + 1].map(|step| corner(window) + step))
        .collect()
}

/// Columns of a wider map that a pool works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    /// First column of the wide map that is pooled, from 0.
    pub first: usize,
    /// Columns of a row of the wide map.
    pub stride: usize,
    /// Number of columns that are pooled.
    pub count: usize,
}

/// 2x2 pool over `map: [4 * windows, stride]` in window order: `pooled` and `largest` are `[windows, count]`.
pub(super) fn pool_windows(pooled: &mut [f32], largest: &mut [u8], map: &[f32], columns: Columns) {
    let Columns { first, stride, count } = columns;
    vectorised(
        #[inline(always)]
        || {
            let outputs = pooled.chunks_exact_mut(count).zip(largest.chunks_exact_mut(count));
            for ((pooled, largest), window) in outputs.zip(map.chunks_exact(4 * stride)) {
                let (top, low) = window.split_at(2 * stride);
                let pixels = [top, &top[stride..], low, &low[stride..]];
                let pixels = pixels.map(|rest| rest[first..first + count].as_chunks::<BLOCK>().0);
                let outputs = pooled
                    .as_chunks_mut::<BLOCK>()
                    .0
                    .iter_mut()
                    .zip(largest.as_chunks_mut::<BLOCK>().0);
                for (block, (pooled, largest)) in outputs.enumerate() {
                    let [a, b, c, d] = pixels.map(|row| &row[block]);
                    for lane in 0..BLOCK {
                        let (top, top_index) = if b[lane] > a[lane] { (b[lane], 1) } else { (a[lane], 0) };
                        let (low, low_index) = if d[lane] > c[lane] { (d[lane], 3) } else { (c[lane], 2) };
                        pooled[lane] = if low > top { low } else { top };
                        largest[lane] = if low > top { low_index } else { top_index };
                    }
                }
            }
        },
    );
}

/// Gradient of [`pool_windows`]: writes every value of the given columns of `map`.
pub(super) fn unpool_windows(map: &mut [f32], pooled: &[f32], largest: &[u8], columns: Columns) {
    let Columns { first, stride, count } = columns;
    vectorised(
        #[inline(always)]
        || {
            let inputs = pooled.chunks_exact(count).zip(largest.chunks_exact(count));
            for ((pooled, largest), window) in inputs.zip(map.chunks_exact_mut(4 * stride)) {
                let (pooled, largest) = (pooled.as_chunks::<BLOCK>().0, largest.as_chunks::<BLOCK>().0);
                for (pixel, row) in (0u8..).zip(window.chunks_exact_mut(stride)) {
                    let row = row[first..first + count].as_chunks_mut::<BLOCK>().0;
                    for (row, (pooled, largest)) in row.iter_mut().zip(pooled.iter().zip(largest)) {
                        for lane in 0..BLOCK {
                            row[lane] = if largest[lane] == pixel { pooled[lane] } else { 0.0 };
                        }
                    }
                }
            }
        },
    );
}

/// First row of a stem pool's window, for each pooled pixel in window order.
pub(super) fn stem_windows() -> Vec<usize> {
    let corner = |pixel: usize| 2 * (pixel / STEM_POOLED_SIDE) * STEM_SIDE + 2 * (pixel % STEM_POOLED_SIDE);
    window_order(STEM_POOLED_SIDE).into_iter().map(corner).collect()
}

/// 3x3 pool with stride 2 of one image: `map: [48 * 48, 64]`; `pooled` and `largest` are `[22 * 22, 64]`, with the rows
/// that `windows` gives. Where `sign` is -1 the smallest value is taken.
///
/// Batch norm and `ReLU` rise or fall with a channel as the sign of its gamma says, so that pooling before them gives the
/// same as after them, on a quarter of the values.
pub(super) fn pool_stem(
    pooled: &mut [[f32; BLOCK]],
    largest: &mut [[u8; BLOCK]],
    map: &[[f32; BLOCK]],
    sign: &[f32; BLOCK],
    windows: &[usize],
) {
    vectorised(
        #[inline(always)]
        || {
            for ((pooled, largest), &start) in pooled.iter_mut().zip(largest.iter_mut()).zip(windows) {
                let (mut best, mut best_tap) = ([f32::NEG_INFINITY; BLOCK], [0i32; BLOCK]);
                for tap in 0..9 {
                    let row = &map[start + stem_step(tap)];
                    let tap = i32::from(tap);
                    for lane in 0..BLOCK {
                        let value = row[lane] * sign[lane];
                        best_tap[lane] = if value > best[lane] { tap } else { best_tap[lane] };
                        best[lane] = if value > best[lane] { value } else { best[lane] };
                    }
                }
                for lane in 0..BLOCK {
                    pooled[lane] = best[lane] * sign[lane];
                    largest[lane] = best_tap[lane].to_le_bytes()[0];
                }
            }
        },
    );
}

/// Gradient of [`pool_stem`]: adds to `map`.
pub(super) fn unpool_stem(
    map: &mut [[f32; BLOCK]],
    pooled: &[[f32; BLOCK]],
    largest: &[[u8; BLOCK]],
    windows: &[usize],
) {
    vectorised(
        #[inline(always)]
        || {
            for ((pooled, largest), &start) in pooled.iter().zip(largest).zip(windows) {
                for tap in 0..9 {
                    let row = &mut map[start + stem_step(tap)];
                    for lane in 0..BLOCK {
                        row[lane] += if largest[lane] == tap { pooled[lane] } else { 0.0 };
                    }
                }
            }
        },
    );
}

#[expect(
    clippy::inline_always,
    reason = "must be compiled for the instruction set of the calling kernel"
)]
#[inline(always)]
fn stem_step(tap: u8) -> usize {
    usize::from(tap / 3) * STEM_SIDE + usize::from(tap % 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_order_drops_the_odd_line() {
        assert_eq!(
            window_order(5),
            [0, 1, 5, 6, 2, 3, 7, 8, 10, 11, 15, 16, 12, 13, 17, 18]
        );
    }

    #[test]
    fn gradient_returns_to_the_first_largest_pixel() {
        let columns = Columns {
            first: BLOCK,
            stride: 2 * BLOCK,
            count: BLOCK,
        };
        for (values, winner) in [
            ([1.0, 2.0, 3.0, 0.0], 2),
            ([5.0, 5.0, 5.0, 5.0], 0),
            ([0.0, 1.0, 2.0, 3.0], 3),
        ] {
            let map: Vec<f32> = values
                .iter()
                .flat_map(|&value| [[9.0; BLOCK], [value; BLOCK]].concat())
                .collect();
            let (mut pooled, mut largest) = (vec![0.0; BLOCK], vec![0; BLOCK]);
            pool_windows(&mut pooled, &mut largest, &map, columns);
            assert_eq!(pooled, [values[winner]; BLOCK]);
            let mut gradient = vec![7.0; map.len()];
            unpool_windows(&mut gradient, &[1.5; BLOCK], &largest, columns);
            for (pixel, row) in gradient.chunks_exact(2 * BLOCK).enumerate() {
                let expected = if pixel == winner { 1.5 } else { 0.0 };
                assert_eq!(row[..BLOCK], [7.0; BLOCK]);
                assert_eq!(row[BLOCK..], [expected; BLOCK]);
            }
        }
    }

    #[test]
    fn stem_pool_takes_the_smallest_where_the_sign_is_negative() {
        let mut map = vec![[0.0; BLOCK]; STEM_SIDE * STEM_SIDE];
        map[STEM_SIDE + 1] = [2.0; BLOCK];
        map[2 * STEM_SIDE] = [-3.0; BLOCK];
        let mut sign = [1.0; BLOCK];
        sign[1] = -1.0;
        let (mut pooled, mut largest) = (vec![[0.0; BLOCK]; 1], vec![[0; BLOCK]; 1]);
        pool_stem(&mut pooled, &mut largest, &map, &sign, &[0]);
        assert_eq!(
            (pooled[0][..2].to_vec(), &largest[0][..2]),
            (vec![2.0, -3.0], &[4, 6][..])
        );
        let mut gradient = vec![[0.0; BLOCK]; STEM_SIDE * STEM_SIDE];
        unpool_stem(&mut gradient, &[[1.0; BLOCK]], &largest, &[0]);
        assert_eq!(
            (
                gradient[STEM_SIDE + 1][..2].to_vec(),
                gradient[2 * STEM_SIDE][..2].to_vec()
            ),
            (vec![1.0, 0.0], vec![0.0, 1.0])
        );
    }
}
