//! AVX-512 with VNNI: `vpdpbusd` adds four products of unsigned and signed bytes to a 32-bit sum, exactly.
//!
//! A register of weights is one group of a panel; a group of activations is repeated in all lanes.

use std::arch::x86_64::{__m512i, _mm512_dpbusd_epi32, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512};

use super::LANES;
use super::schedule::{Peak, Tiles, column};
use super::tile::{GemmArgs, Kernel};

/// Sums that do not wait for each other: twice what two units with a latency of five cycles need.
const CHAINS: usize = 20;

/// 24 sums and 4 panels of weights fill 28 of 32 registers.
pub(super) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::new(1, 4, column::<1, 1>, column::<1, 4>),
        Tiles::new(4, 4, column::<4, 1>, column::<4, 4>),
        Tiles::new(5, 4, column::<5, 1>, column::<5, 4>),
        Tiles::new(6, 4, column::<6, 1>, column::<6, 4>),
    ],
    offset: 0,
    quad_layout: false,
    peak: Some(Peak {
        run: peak,
        macs: 64 * CHAINS as u64,
    }),
};

column!("avx512f,avx512vnni", M, P);

/// `M` pixels, `P` panels.
#[target_feature(enable = "avx512f,avx512vnni")]
#[inline]
#[expect(clippy::needless_range_loop, reason = "the sums lie pixel by pixel")]
unsafe fn tile<const M: usize, const P: usize>(args: &mut GemmArgs<'_>, pixel: usize, panel: usize) {
    let mut bias = [_mm512_setzero_si512(); P];
    for (column, bias) in bias.iter_mut().enumerate() {
        // SAFETY: the caller's panels exist.
        *bias = unsafe { _mm512_loadu_si512(args.bias(panel + column).as_ptr().cast()) };
    }
    let mut sums = [bias; M];
    // SAFETY: the caller's pixels and panels exist; runs are multiples of 4 bytes and end within the input, and a
    // panel has 64 weights for each 4 of them.
    unsafe {
        let weights = args.panel(panel);
        let mut at = 0;
        for run in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*run as usize);
            }
            for step in (0..args.gather.run_len()).step_by(4) {
                let mut group = [_mm512_setzero_si512(); P];
                for (column, register) in group.iter_mut().enumerate() {
                    let place = weights.add(column * LANES * args.depth + at);
                    *register = _mm512_loadu_si512(place.cast());
                }
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let activations = _mm512_set1_epi32(row.add(step).cast::<i32>().read_unaligned());
                    for (sum, weights) in sums.iter_mut().zip(group) {
                        *sum = _mm512_dpbusd_epi32(*sum, activations, weights);
                    }
                }
                at += 4 * LANES;
            }
        }
    }
    for column in 0..P {
        // SAFETY: as the caller promises.
        unsafe { args.store::<M>(pixel, panel + column, |row| lanes(sums[row][column])) };
    }
}

#[target_feature(enable = "avx512f,avx512vnni")]
fn peak(rounds: u32) -> i32 {
    // Different beginnings, or the compiler would see that all are the same.
    let mut sums: [__m512i; CHAINS] = std::array::from_fn(|at| _mm512_set1_epi32(at as i32));
    let weights = _mm512_set1_epi32(0x0102_0304);
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_dpbusd_epi32(*sum, weights, weights);
        }
    }
    sums.iter().fold(0, |total, sum| total ^ lanes(*sum)[0])
}

#[inline(always)]
fn lanes(register: __m512i) -> [i32; LANES] {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(register) }
}
