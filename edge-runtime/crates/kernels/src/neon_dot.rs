//! NEON with dot products: `SDOT` adds four products of signed bytes to a 32-bit sum, exactly.
//!
//! Activations are taken as signed, `a - 128`. A register of weights is four channels of a group. The instruction is
//! written in assembly because its intrinsic is not in stable Rust.

use std::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vaddq_s8, vcombine_u8, vdup_n_u8, vdupq_n_s8, vdupq_n_s32, vgetq_lane_s32,
    vld1_u8, vld1q_s8, vld1q_s32, vld1q_u8, vreinterpretq_s8_u8, vst1q_s32,
};
use std::arch::asm;

use super::LANES;
use super::schedule::{Peak, Tiles, column};
use super::tile::{GemmArgs, Kernel};

/// Registers of weights in a group of a panel.
const PARTS: usize = LANES / 4;

/// Sums that do not wait for each other.
const CHAINS: usize = 16;

/// 16 sums, 4 activations and up to 8 registers of weights fill 28 of 32.
pub(super) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::single(1, column::<1>),
        Tiles::single(3, column::<3>),
        Tiles::single(4, column::<4>),
    ],
    offset: 128,
    quad_layout: false,
    peak: Some(Peak {
        run: peak,
        macs: 16 * CHAINS as u64,
    }),
};

column!("neon,dotprod", M);

/// `M` pixels, one panel.
#[target_feature(enable = "neon,dotprod")]
#[inline]
unsafe fn tile<const M: usize>(args: &mut GemmArgs<'_>, pixel: usize, panel: usize) {
    let mut sums = [[vdupq_n_s32(0); PARTS]; M];
    for part in 0..PARTS {
        // SAFETY: the caller's panel exists; a part of it is a register.
        let bias = unsafe { vld1q_s32(args.bias(panel).as_ptr().add(4 * part)) };
        for sums in &mut sums {
            sums[part] = bias;
        }
    }
    // SAFETY: the caller's pixels and panel exist; runs are multiples of 8 bytes and end within the input, and a panel
    // has 128 weights for each 8 of them.
    unsafe {
        let mut weights = args.panel(panel);
        let run = args.gather.run_len();
        for start in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*start as usize);
            }
            let whole = run / 16 * 16;
            for step in (0..whole).step_by(16) {
                let activations = rows.map(|row| signed(vld1q_u8(row.add(step))));
                add::<M, 0>(&mut sums, activations, weights);
                add::<M, 1>(&mut sums, activations, weights);
                add::<M, 2>(&mut sums, activations, weights);
                add::<M, 3>(&mut sums, activations, weights);
                weights = weights.add(16 * LANES);
            }
            if whole < run {
                let none = vdup_n_u8(0);
                let activations = rows.map(|row| signed(vcombine_u8(vld1_u8(row.add(whole)), none)));
                add::<M, 0>(&mut sums, activations, weights);
                add::<M, 1>(&mut sums, activations, weights);
                weights = weights.add(8 * LANES);
            }
        }
    }
    let mut totals = [[0; LANES]; M];
    for (row, sums) in totals.iter_mut().zip(&sums) {
        *row = lanes(sums);
    }
    // SAFETY: as the caller promises.
    unsafe { args.store::<M>(pixel, panel, |row| totals[row]) };
}

/// Activations less 128.
#[target_feature(enable = "neon")]
#[inline]
fn signed(bytes: uint8x16_t) -> int8x16_t {
    // Modulo 256, adding 128 takes 128 away.
    vaddq_s8(vreinterpretq_s8_u8(bytes), vdupq_n_s8(i8::MIN))
}

/// Adds the products of group `GROUP` of each row's activations.
///
/// # Safety
/// There are `64 * (GROUP + 1)` weights.
#[target_feature(enable = "neon,dotprod")]
#[inline]
unsafe fn add<const M: usize, const GROUP: usize>(
    sums: &mut [[int32x4_t; PARTS]; M],
    activations: [int8x16_t; M],
    weights: *const i8,
) {
    for part in 0..PARTS {
        // SAFETY: as the caller promises.
        let weights = unsafe { vld1q_s8(weights.add(4 * LANES * GROUP + 16 * part)) };
        for (sums, activations) in sums.iter_mut().zip(activations) {
            sums[part] = dot::<GROUP>(sums[part], weights, activations);
        }
    }
}

/// Adds the products of four channels with group `GROUP` of four activations.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn dot<const GROUP: usize>(mut sum: int32x4_t, weights: int8x16_t, activations: int8x16_t) -> int32x4_t {
    // SAFETY: the instruction reads and writes these registers alone.
    unsafe {
        asm!("sdot {sum:v}.4s, {weights:v}.16b, {activations:v}.4b[{group}]", sum = inout(vreg) sum,
            weights = in(vreg) weights, activations = in(vreg) activations, group = const GROUP,
            options(pure, nomem, nostack, preserves_flags));
    }
    sum
}

#[target_feature(enable = "neon,dotprod")]
fn peak(rounds: u32) -> i32 {
    // Different beginnings, or the compiler would see that all are the same.
    let mut sums: [int32x4_t; CHAINS] = std::array::from_fn(|at| vdupq_n_s32(at as i32));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = dot::<0>(*sum, vdupq_n_s8(3), vdupq_n_s8(5));
        }
    }
    sums.iter().fold(0, |total, sum| total ^ vgetq_lane_s32::<0>(*sum))
}

#[target_feature(enable = "neon")]
#[inline]
fn lanes(sums: &[int32x4_t; PARTS]) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    for (place, sum) in lanes.chunks_exact_mut(4).zip(sums) {
        // SAFETY: a chunk has four places.
        unsafe { vst1q_s32(place.as_mut_ptr(), *sum) };
    }
    lanes
}
