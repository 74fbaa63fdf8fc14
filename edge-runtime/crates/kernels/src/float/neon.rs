//! NEON: four registers are one value's weights of a panel; four values of a pixel lie in a register.

use std::arch::aarch64::{float32x4_t, vdupq_n_f32, vfmaq_laneq_f32, vld1q_f32, vst1q_f32};

use super::tile::{GemmArgs, Kernel, POOLED, columns};
use crate::LANES;
use crate::schedule::{Peak, Tiles};

/// Registers of a panel.
const PARTS: usize = LANES / 4;

/// Sums that do not wait for each other.
const CHAINS: usize = 16;

/// 20 sums, 4 registers of weights and 5 of values fill 29 of 32.
pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::single(1, column::<1, 0, 1>),
        Tiles::single(4, column::<4, 0, 1>),
        Tiles::single(5, column::<5, 4, 1>),
    ],
    pooled: Tiles::single(POOLED, pooled::<1>),
    peak: Some(Peak {
        run: peak,
        macs: 4 * CHAINS as u64,
    }),
};

columns!("neon");

/// The sums of `M` pixels and `P` panels.
#[inline(always)]
unsafe fn sums<const M: usize, const P: usize>(
    args: &GemmArgs<'_>,
    pixel: usize,
    panel: usize,
) -> [[[float32x4_t; PARTS]; P]; M] {
    // SAFETY: the caller's pixels and panels exist; runs end within the input, and a panel has 16 weights for each
    // value of them.
    unsafe {
        let mut sums = [[[vdupq_n_f32(0.0); PARTS]; P]; M];
        for column in 0..P {
            let bias = [0, 4, 8, 12].map(|at| args.bias(panel + column, at));
            for sums in &mut sums {
                sums[column] = bias;
            }
        }
        let mut weights = args.panel(panel);
        for run in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*run as usize);
            }
            let run = args.gather.run_len();
            let fours = run - run % 4;
            for step in (0..fours).step_by(4) {
                let mut values = [vdupq_n_f32(0.0); M];
                for (values, row) in values.iter_mut().zip(rows) {
                    *values = vld1q_f32(row.add(step));
                }
                for column in 0..P {
                    let weights = weights.add(column * LANES * args.depth);
                    add::<M, P, 0>(&mut sums, column, &values, weights);
                    add::<M, P, 1>(&mut sums, column, &values, weights.add(LANES));
                    add::<M, P, 2>(&mut sums, column, &values, weights.add(2 * LANES));
                    add::<M, P, 3>(&mut sums, column, &values, weights.add(3 * LANES));
                }
                weights = weights.add(4 * LANES);
            }
            let rest = run - fours;
            if rest > 0 {
                // The last lanes of the last four values are left over.
                let mut values = [vdupq_n_f32(0.0); M];
                for (values, row) in values.iter_mut().zip(rows) {
                    *values = last(row, run);
                }
                for column in 0..P {
                    let mut weights = weights.add(column * LANES * args.depth);
                    if rest == 3 {
                        add::<M, P, 1>(&mut sums, column, &values, weights);
                        weights = weights.add(LANES);
                    }
                    if rest >= 2 {
                        add::<M, P, 2>(&mut sums, column, &values, weights);
                        weights = weights.add(LANES);
                    }
                    add::<M, P, 3>(&mut sums, column, &values, weights);
                }
                weights = weights.add(rest * LANES);
            }
        }
        sums
    }
}

/// The last four of so many values, at least one; zeros before them where there are fewer.
///
/// # Safety
/// There are as many values.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn last(values: *const f32, length: usize) -> float32x4_t {
    // SAFETY: as the caller promises.
    unsafe {
        if length >= 4 {
            return vld1q_f32(values.add(length - 4));
        }
        let mut lanes = [0.0; 4];
        for at in 0..length {
            lanes[4 - length + at] = *values.add(at);
        }
        vld1q_f32(lanes.as_ptr())
    }
}

/// Adds the products of one of four values to a panel's sums.
///
/// # Safety
/// There are 16 weights.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn add<const M: usize, const P: usize, const LANE: i32>(
    sums: &mut [[[float32x4_t; PARTS]; P]; M],
    column: usize,
    values: &[float32x4_t; M],
    weights: *const f32,
) {
    for part in 0..PARTS {
        // SAFETY: as the caller promises.
        let weights = unsafe { vld1q_f32(weights.add(4 * part)) };
        for (sums, values) in sums.iter_mut().zip(values) {
            let sum = &mut sums[column][part];
            *sum = vfmaq_laneq_f32::<LANE>(*sum, weights, *values);
        }
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn lanes(sums: &[float32x4_t; PARTS]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    for (place, sum) in lanes.as_chunks_mut::<4>().0.iter_mut().zip(sums) {
        // SAFETY: there are four places.
        unsafe { vst1q_f32(place.as_mut_ptr(), *sum) };
    }
    lanes
}

#[target_feature(enable = "neon")]
fn peak(rounds: u32) -> i32 {
    // Different beginnings, or the compiler would see that all are the same.
    let mut sums: [float32x4_t; CHAINS] = std::array::from_fn(|at| vdupq_n_f32(at as f32));
    let factor = std::hint::black_box(vdupq_n_f32(0.5));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = vfmaq_laneq_f32::<0>(factor, *sum, factor);
        }
    }
    sums.iter()
        .fold(0, |total, sum| total ^ lanes(&[*sum; PARTS])[0].to_bits() as i32)
}
