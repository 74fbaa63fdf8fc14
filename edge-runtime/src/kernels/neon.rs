//! NEON without dot products: `SMULL` and `SMLAL` add two products of signed bytes in 16 bits, `SADALP` adds
//! neighbours to 32-bit sums.
//!
//! Activations are taken as signed, `a - 128`. Two products are at most `2 * 128 * 127 < 2^15`, because no weight is
//! -128. A register of weights is four channels of a group; each half, two channels, has its own register of sums, and
//! each channel two partial sums in it, added at the end.

use std::arch::aarch64::{
    int8x8_t, int8x16_t, int32x4_t, vadd_s8, vaddq_s32, vdup_n_s8, vdupq_lane_s32, vdupq_n_s8, vdupq_n_s32,
    vget_low_s8, vgetq_lane_s32, vld1_u8, vld1q_s8, vld1q_s32, vmlal_high_s8, vmlal_s8, vmull_high_s8, vmull_s8,
    vpadalq_s16, vpaddq_s32, vreinterpret_s8_u8, vreinterpret_s32_s8, vreinterpretq_s8_s32, vst1q_s32,
};

use super::LANES;
use super::schedule::{Peak, Tiles, column};
use super::tile::{Job, Kernel};

/// Registers of weights in a group of a panel.
const PARTS: usize = LANES / 4;

/// Sums that do not wait for each other.
const CHAINS: usize = 12;

/// 16 sums, 8 registers of weights and 4 of activations fill 28 of 32.
pub(super) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column::<1>), Tiles::single(2, column::<2>)],
    offset: 128,
    peak: Some(Peak {
        run: peak,
        products: 16 * CHAINS as u64,
    }),
};

column!("neon", M);

/// `M` pixels, one panel.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn tile<const M: usize>(job: &mut Job<'_>, pixel: usize, panel: usize) {
    let mut sums = [[[vdupq_n_s32(0); 2]; PARTS]; M];
    // SAFETY: the caller's pixels and panel exist; runs are multiples of 8 bytes and end within the input, and a panel
    // has 128 weights for each 8 of them.
    unsafe {
        let mut weights = job.panel(panel);
        for run in job.gather.runs() {
            let mut rows = [job.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = job.row(pixel + row).add(*run as usize);
            }
            for step in (0..job.gather.run()).step_by(8) {
                let mut activations = [[vdupq_n_s8(0); 2]; M];
                for (groups, row) in activations.iter_mut().zip(rows) {
                    let bytes = signed(row.add(step));
                    *groups = [repeat::<0>(bytes), repeat::<1>(bytes)];
                }
                for part in 0..PARTS {
                    let first = vld1q_s8(weights.add(16 * part));
                    let second = vld1q_s8(weights.add(4 * LANES + 16 * part));
                    for (sums, groups) in sums.iter_mut().zip(&activations) {
                        add_group(&mut sums[part], [first, second], groups);
                    }
                }
                weights = weights.add(8 * LANES);
            }
        }
    }
    let mut starts = [vdupq_n_s32(0); PARTS];
    for (part, register) in starts.iter_mut().enumerate() {
        // SAFETY: the caller's panel exists; a part of it is a register.
        *register = unsafe { vld1q_s32(job.starts(panel).as_ptr().add(4 * part)) };
    }
    let mut totals = [[0; LANES]; M];
    for (row, sums) in totals.iter_mut().zip(&sums) {
        *row = lanes(sums, &starts);
    }
    // SAFETY: as the caller promises.
    unsafe { job.finish(pixel, panel, &totals) };
}

/// Eight activations less 128.
///
/// # Safety
/// There are eight bytes.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn signed(bytes: *const u8) -> int8x8_t {
    // SAFETY: as the caller promises.
    let bytes = vreinterpret_s8_u8(unsafe { vld1_u8(bytes) });
    // Modulo 256, adding 128 takes 128 away.
    vadd_s8(bytes, vdup_n_s8(i8::MIN))
}

/// Four bytes, four times.
#[target_feature(enable = "neon")]
#[inline]
fn repeat<const GROUP: i32>(bytes: int8x8_t) -> int8x16_t {
    vreinterpretq_s8_s32(vdupq_lane_s32::<GROUP>(vreinterpret_s32_s8(bytes)))
}

/// Adds two groups of four channels.
#[target_feature(enable = "neon")]
#[inline]
fn add_group(sums: &mut [int32x4_t; 2], weights: [int8x16_t; 2], activations: &[int8x16_t; 2]) {
    let low = vmull_s8(vget_low_s8(weights[0]), vget_low_s8(activations[0]));
    let low = vmlal_s8(low, vget_low_s8(weights[1]), vget_low_s8(activations[1]));
    sums[0] = vpadalq_s16(sums[0], low);
    let high = vmull_high_s8(weights[0], activations[0]);
    let high = vmlal_high_s8(high, weights[1], activations[1]);
    sums[1] = vpadalq_s16(sums[1], high);
}

#[target_feature(enable = "neon")]
fn peak(rounds: u32) -> i32 {
    let mut sums: [int32x4_t; CHAINS] = std::array::from_fn(|at| vdupq_n_s32(at as i32));
    // Known numbers would become shifts.
    let weights = std::hint::black_box([vdup_n_s8(3), vdup_n_s8(5)]);
    for _ in 0..rounds {
        for sum in &mut sums {
            // Multiplies the sum itself: a product of constants would be computed once.
            let bytes = vget_low_s8(vreinterpretq_s8_s32(*sum));
            let pairs = vmlal_s8(vmull_s8(bytes, weights[0]), bytes, weights[1]);
            *sum = vpadalq_s16(*sum, pairs);
        }
    }
    sums.iter().fold(0, |total, sum| total ^ vgetq_lane_s32::<0>(*sum))
}

/// Adds both partial sums and the start of each channel.
#[target_feature(enable = "neon")]
#[inline]
fn lanes(sums: &[[int32x4_t; 2]; PARTS], starts: &[int32x4_t; PARTS]) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    for (place, (part, starts)) in lanes.chunks_exact_mut(4).zip(sums.iter().zip(starts)) {
        // SAFETY: a chunk has four places.
        unsafe { vst1q_s32(place.as_mut_ptr(), vaddq_s32(vpaddq_s32(part[0], part[1]), *starts)) };
    }
    lanes
}
