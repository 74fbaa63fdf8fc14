//! NEON without dot products: `SMULL` and `SMLAL` add two or four products of signed bytes in 16 bits, `SADALP` adds
//! neighbours to 32-bit sums.
//!
//! Activations are taken as signed, `a - 128`. Two products are at most `2 * 128 * 127 < 2^15`, because no weight is
//! -128; in a panel of the [quad layout](super::Weights), four are at most `128 * 255 < 2^15`. A register of weights is four
//! channels of a group; each half, two channels, has its own register of sums, and each channel two partial sums in it,
//! added at the end.

use std::arch::aarch64::{
    int8x8_t, int8x16_t, int32x4_t, vadd_s8, vaddq_s8, vaddq_s32, vdup_n_s8, vdupq_lane_s32, vdupq_laneq_s32,
    vdupq_n_s8, vdupq_n_s32, vget_low_s8, vgetq_lane_s32, vld1_u8, vld1q_s8, vld1q_s32, vld1q_u8, vmlal_high_s8,
    vmlal_s8, vmull_high_s8, vmull_s8, vpadalq_s16, vpaddq_s32, vreinterpret_s8_u8, vreinterpret_s32_s8,
    vreinterpretq_s8_s32, vreinterpretq_s8_u8, vreinterpretq_s32_s8, vst1q_s32,
};
use std::arch::asm;

use super::LANES;
use super::schedule::{Peak, Tiles, firsts};
use super::tile::{GemmArgs, Kernel};

/// Registers of weights in a group of a panel.
const PARTS: usize = LANES / 4;

/// Sums that do not wait for each other.
const CHAINS: usize = 12;

/// 16 sums, 8 registers of activations, 4 of weights and 4 of products fill all 32.
pub(super) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column::<1>), Tiles::single(2, column::<2>)],
    offset: 128,
    quad_layout: true,
    peak: Some(Peak {
        run: peak,
        macs: 32 * CHAINS as u64,
    }),
};

/// Sums of a pixel: of each part of a panel both halves.
type Sums = [[int32x4_t; 2]; PARTS];

/// All pixels, `M` at a time, one panel.
#[target_feature(enable = "neon")]
unsafe fn column<const M: usize>(args: &mut GemmArgs<'_>, panel: usize) {
    for pixel in firsts(args.gather.pixel_offsets().len(), M) {
        // SAFETY: as the caller promises; there are at least as many pixels as a tile has.
        unsafe {
            if args.is_quad(panel) {
                tile::<M, true>(args, pixel, panel);
            } else {
                tile::<M, false>(args, pixel, panel);
            }
        }
    }
}

/// `M` pixels, one panel, in the quad layout or not.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn tile<const M: usize, const QUAD: bool>(args: &mut GemmArgs<'_>, pixel: usize, panel: usize) {
    let mut sums = [[[vdupq_n_s32(0); 2]; PARTS]; M];
    let run = args.gather.run_len();
    // SAFETY: the caller's pixels and panel exist; runs are multiples of 8 bytes, of 16 in the quad layout, and end
    // within the input; a panel has 16 weights for each of them.
    unsafe {
        let mut weights = args.panel(panel);
        for start in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*start as usize);
            }
            for step in (0..run).step_by(if QUAD { 16 } else { 8 }) {
                if QUAD {
                    accumulate_quads(&mut sums, rows.map(|row| row.add(step)), weights);
                    weights = weights.add(16 * LANES);
                } else {
                    accumulate_pairs(&mut sums, rows.map(|row| row.add(step)), weights);
                    weights = weights.add(8 * LANES);
                }
            }
        }
    }
    let mut bias = [vdupq_n_s32(0); PARTS];
    for (part, register) in bias.iter_mut().enumerate() {
        // SAFETY: the caller's panel exists; a part of it is a register.
        *register = unsafe { vld1q_s32(args.bias(panel).as_ptr().add(4 * part)) };
    }
    let mut totals = [[0; LANES]; M];
    for (row, sums) in totals.iter_mut().zip(&sums) {
        *row = lanes(sums, &bias);
    }
    // SAFETY: as the caller promises.
    unsafe { args.store::<M>(pixel, panel, |row| totals[row]) };
}

/// Adds the products of 8 values, two by two.
///
/// # Safety
/// Each row has 8 activations, and there are 16 weights for each.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn accumulate_pairs<const M: usize>(sums: &mut [Sums; M], rows: [*const u8; M], weights: *const i8) {
    let mut activations = [[vdupq_n_s8(0); 2]; M];
    for (groups, row) in activations.iter_mut().zip(rows) {
        // SAFETY: as the caller promises. Modulo 256, adding 128 takes 128 away.
        let bytes = vadd_s8(vreinterpret_s8_u8(unsafe { vld1_u8(row) }), vdup_n_s8(i8::MIN));
        *groups = [repeat::<0>(bytes), repeat::<1>(bytes)];
    }
    for part in 0..PARTS {
        // SAFETY: as the caller promises.
        let weights = unsafe { [0, 4 * LANES].map(|group| vld1q_s8(weights.add(group + 16 * part))) };
        for (sums, groups) in sums.iter_mut().zip(&activations) {
            accumulate_pair(&mut sums[part], weights, groups);
        }
    }
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
fn accumulate_pair(sums: &mut [int32x4_t; 2], weights: [int8x16_t; 2], activations: &[int8x16_t; 2]) {
    let low = vmull_s8(vget_low_s8(weights[0]), vget_low_s8(activations[0]));
    let low = vmlal_s8(low, vget_low_s8(weights[1]), vget_low_s8(activations[1]));
    sums[0] = vpadalq_s16(sums[0], low);
    let high = vmull_high_s8(weights[0], activations[0]);
    let high = vmlal_high_s8(high, weights[1], activations[1]);
    sums[1] = vpadalq_s16(sums[1], high);
}

/// Adds the products of 16 values, four by four.
///
/// # Safety
/// Each row has 16 activations, and there are 16 weights for each, in the quad layout.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn accumulate_quads<const M: usize>(sums: &mut [Sums; M], rows: [*const u8; M], weights: *const i8) {
    let mut activations = [[vdupq_n_s8(0); 4]; M];
    for (groups, row) in activations.iter_mut().zip(rows) {
        // SAFETY: as the caller promises.
        *groups = unsafe { repeated(row) };
    }
    // SAFETY: as the caller promises.
    unsafe {
        if let ([one, other], [first, second]) = (&mut sums[..], &activations[..]) {
            accumulate_quads_of_two_pixels([one, other], weights, [first, second]);
            return;
        }
        for (sums, groups) in sums.iter_mut().zip(&activations) {
            for (part, sums) in sums.iter_mut().enumerate() {
                accumulate_quad(sums, weights.add(64 * part), groups);
            }
        }
    }
}

/// Sixteen activations less 128, each four of them four times.
///
/// # Safety
/// There are sixteen bytes.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn repeated(bytes: *const u8) -> [int8x16_t; 4] {
    // SAFETY: as the caller promises. Modulo 256, adding 128 takes 128 away.
    let bytes = vaddq_s8(vreinterpretq_s8_u8(unsafe { vld1q_u8(bytes) }), vdupq_n_s8(i8::MIN));
    let groups = vreinterpretq_s32_s8(bytes);
    [
        vreinterpretq_s8_s32(vdupq_laneq_s32::<0>(groups)),
        vreinterpretq_s8_s32(vdupq_laneq_s32::<1>(groups)),
        vreinterpretq_s8_s32(vdupq_laneq_s32::<2>(groups)),
        vreinterpretq_s8_s32(vdupq_laneq_s32::<3>(groups)),
    ]
}

/// Adds four groups of four channels.
///
/// # Safety
/// There are 64 weights.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn accumulate_quad(sums: &mut [int32x4_t; 2], weights: *const i8, activations: &[int8x16_t; 4]) {
    // SAFETY: as the caller promises.
    let [first, second, third, fourth] = unsafe { [0, 16, 32, 48].map(|at| vld1q_s8(weights.add(at))) };
    let low = vmull_s8(vget_low_s8(first), vget_low_s8(activations[0]));
    let low = vmlal_s8(low, vget_low_s8(second), vget_low_s8(activations[1]));
    let low = vmlal_s8(low, vget_low_s8(third), vget_low_s8(activations[2]));
    let low = vmlal_s8(low, vget_low_s8(fourth), vget_low_s8(activations[3]));
    sums[0] = vpadalq_s16(sums[0], low);
    let high = vmull_high_s8(first, activations[0]);
    let high = vmlal_high_s8(high, second, activations[1]);
    let high = vmlal_high_s8(high, third, activations[2]);
    let high = vmlal_high_s8(high, fourth, activations[3]);
    sums[1] = vpadalq_s16(sums[1], high);
}

/// Instructions that add one part of a panel to its four sums. The second half of its weights begins with byte `$rest`;
/// `$next` loads the first half of the next part's.
macro_rules! part {
    ($rest:literal, $next:literal, $one:ident $one_high:ident $two:ident $two_high:ident) => {
        concat!(
            "smull {low:v}.8h, {w0:v}.8b, {a0:v}.8b\n",
            "smull2 {high:v}.8h, {w0:v}.16b, {a0:v}.16b\n",
            "smull {other_low:v}.8h, {w0:v}.8b, {b0:v}.8b\n",
            "smull2 {other_high:v}.8h, {w0:v}.16b, {b0:v}.16b\n",
            "ldp {w2:q}, {w3:q}, [{weights}, #",
            $rest,
            "]\n",
            "smlal {low:v}.8h, {w1:v}.8b, {a1:v}.8b\n",
            "smlal2 {high:v}.8h, {w1:v}.16b, {a1:v}.16b\n",
            "smlal {other_low:v}.8h, {w1:v}.8b, {b1:v}.8b\n",
            "smlal2 {other_high:v}.8h, {w1:v}.16b, {b1:v}.16b\n",
            $next,
            "smlal {low:v}.8h, {w2:v}.8b, {a2:v}.8b\n",
            "smlal2 {high:v}.8h, {w2:v}.16b, {a2:v}.16b\n",
            "smlal {other_low:v}.8h, {w2:v}.8b, {b2:v}.8b\n",
            "smlal2 {other_high:v}.8h, {w2:v}.16b, {b2:v}.16b\n",
            "smlal {low:v}.8h, {w3:v}.8b, {a3:v}.8b\n",
            "smlal2 {high:v}.8h, {w3:v}.16b, {a3:v}.16b\n",
            "smlal {other_low:v}.8h, {w3:v}.8b, {b3:v}.8b\n",
            "smlal2 {other_high:v}.8h, {w3:v}.16b, {b3:v}.16b\n",
            "sadalp {",
            stringify!($one),
            ":v}.4s, {low:v}.8h\n",
            "sadalp {",
            stringify!($one_high),
            ":v}.4s, {high:v}.8h\n",
            "sadalp {",
            stringify!($two),
            ":v}.4s, {other_low:v}.8h\n",
            "sadalp {",
            stringify!($two_high),
            ":v}.4s, {other_high:v}.8h\n",
        )
    };
}

/// [`accumulate_quad`] of all parts for two pixels, which share the weights.
///
/// In assembly because the compiler begins more products than there are registers, and keeps sums in memory. Weights
/// are loaded well before they are used: a Cortex-A53 (Raspberry Pi 3, Zero 2 W) would wait for them.
///
/// # Safety
/// There are 256 weights.
#[target_feature(enable = "neon")]
#[inline]
unsafe fn accumulate_quads_of_two_pixels(
    [one, two]: [&mut Sums; 2],
    weights: *const i8,
    [first, second]: [&[int8x16_t; 4]; 2],
) {
    // SAFETY: the instructions read these registers and the weights, and write these registers alone.
    unsafe {
        asm!(
            "ldp {w0:q}, {w1:q}, [{weights}]",
            part!(32, "ldp {w0:q}, {w1:q}, [{weights}, #64]\n", p0 p1 q0 q1),
            part!(96, "ldp {w0:q}, {w1:q}, [{weights}, #128]\n", p2 p3 q2 q3),
            part!(160, "ldp {w0:q}, {w1:q}, [{weights}, #192]\n", p4 p5 q4 q5),
            part!(224, "", p6 p7 q6 q7),
            weights = in(reg) weights,
            a0 = in(vreg) first[0], a1 = in(vreg) first[1], a2 = in(vreg) first[2], a3 = in(vreg) first[3],
            b0 = in(vreg) second[0], b1 = in(vreg) second[1], b2 = in(vreg) second[2], b3 = in(vreg) second[3],
            p0 = inout(vreg) one[0][0], p1 = inout(vreg) one[0][1],
            q0 = inout(vreg) two[0][0], q1 = inout(vreg) two[0][1],
            p2 = inout(vreg) one[1][0], p3 = inout(vreg) one[1][1],
            q2 = inout(vreg) two[1][0], q3 = inout(vreg) two[1][1],
            p4 = inout(vreg) one[2][0], p5 = inout(vreg) one[2][1],
            q4 = inout(vreg) two[2][0], q5 = inout(vreg) two[2][1],
            p6 = inout(vreg) one[3][0], p7 = inout(vreg) one[3][1],
            q6 = inout(vreg) two[3][0], q7 = inout(vreg) two[3][1],
            w0 = out(vreg) _, w1 = out(vreg) _, w2 = out(vreg) _, w3 = out(vreg) _,
            low = out(vreg) _, high = out(vreg) _, other_low = out(vreg) _, other_high = out(vreg) _,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
}

#[target_feature(enable = "neon")]
fn peak(rounds: u32) -> i32 {
    let mut sums: [int32x4_t; CHAINS] = std::array::from_fn(|at| vdupq_n_s32(at as i32));
    // Known numbers would become shifts.
    let weights = std::hint::black_box([3, 5, 7, 9].map(|weight| vdup_n_s8(weight)));
    for _ in 0..rounds {
        for sum in &mut sums {
            // Multiplies the sum itself: a product of constants would be computed once.
            let bytes = vget_low_s8(vreinterpretq_s8_s32(*sum));
            let sums = vmlal_s8(vmull_s8(bytes, weights[0]), bytes, weights[1]);
            let sums = vmlal_s8(vmlal_s8(sums, bytes, weights[2]), bytes, weights[3]);
            *sum = vpadalq_s16(*sum, sums);
        }
    }
    sums.iter().fold(0, |total, sum| total ^ vgetq_lane_s32::<0>(*sum))
}

/// Adds both partial sums and the bias of each channel.
#[target_feature(enable = "neon")]
#[inline]
fn lanes(sums: &Sums, bias: &[int32x4_t; PARTS]) -> [i32; LANES] {
    let mut lanes = [0; LANES];
    for (place, (part, bias)) in lanes.chunks_exact_mut(4).zip(sums.iter().zip(bias)) {
        // SAFETY: a chunk has four places.
        unsafe { vst1q_s32(place.as_mut_ptr(), vaddq_s32(vpaddq_s32(part[0], part[1]), *bias)) };
    }
    lanes
}
