//! AVX2: `vpmaddwd` adds pairs of 16-bit products to 32 bits, exactly.
//!
//! (`vpmaddubsw` would take bytes, but two products of 255 and 127 do not fit the 16 bits of its sums.) A register of
//! widened weights is four channels of a group, so each channel has two partial sums, added at the end.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm_set1_epi32, _mm256_add_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16,
    _mm256_extract_epi32, _mm256_hadd_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_permute4x64_epi64,
    _mm256_set1_epi32, _mm256_setzero_si256,
};

use super::LANES;
use super::schedule::{Peak, Tiles, column};
use super::tile::{GemmArgs, Kernel};

/// Registers of widened weights a panel.
const PARTS: usize = LANES / 4;

/// Sums that do not wait for each other.
const CHAINS: usize = 12;

/// 12 sums and 3 activations fill 15 of 16 registers.
pub(super) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::single(1, column::<1>),
        Tiles::single(2, column::<2>),
        Tiles::single(3, column::<3>),
    ],
    offset: 0,
    quad_layout: false,
    peak: Some(Peak {
        run: peak,
        macs: 16 * CHAINS as u64,
    }),
};

column!("avx2", M);

/// `M` pixels, one panel.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn tile<const M: usize>(args: &mut GemmArgs<'_>, pixel: usize, panel: usize) {
    let mut sums = [[_mm256_setzero_si256(); PARTS]; M];
    // SAFETY: the caller's pixels and panel exist; runs are multiples of 4 bytes and end within the input, and a panel
    // has 64 weights for each 4 of them.
    unsafe {
        let weights = args.panel(panel);
        let mut at = 0;
        for run in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*run as usize);
            }
            for step in (0..args.gather.run_len()).step_by(4) {
                let mut activations = [_mm256_setzero_si256(); M];
                for (register, row) in activations.iter_mut().zip(rows) {
                    let bytes = _mm_set1_epi32(row.add(step).cast::<i32>().read_unaligned());
                    *register = _mm256_cvtepu8_epi16(bytes);
                }
                for part in 0..PARTS {
                    let group = _mm256_cvtepi8_epi16(_mm_loadu_si128(weights.add(at + 16 * part).cast()));
                    for (sums, activations) in sums.iter_mut().zip(activations) {
                        sums[part] = _mm256_add_epi32(sums[part], _mm256_madd_epi16(activations, group));
                    }
                }
                at += 4 * LANES;
            }
        }
    }
    // SAFETY: the caller's panel exists, and half of it is a register.
    let bias = unsafe {
        let bias = args.bias(panel).as_ptr();
        [
            _mm256_loadu_si256(bias.cast()),
            _mm256_loadu_si256(bias.add(LANES / 2).cast()),
        ]
    };
    let totals = |row: usize| {
        let sums: [__m256i; PARTS] = sums[row];
        let pairs = [add_pairs(sums[0], sums[1]), add_pairs(sums[2], sums[3])];
        lanes([_mm256_add_epi32(pairs[0], bias[0]), _mm256_add_epi32(pairs[1], bias[1])])
    };
    // SAFETY: as the caller promises.
    unsafe { args.store::<M>(pixel, panel, totals) };
}

#[target_feature(enable = "avx2")]
fn peak(rounds: u32) -> i32 {
    let mut sums: [__m256i; CHAINS] = std::array::from_fn(|at| _mm256_set1_epi32(at as i32));
    let weights = std::hint::black_box(_mm256_set1_epi32(0x0102_0304));
    for _ in 0..rounds {
        for sum in &mut sums {
            // Multiplies the sum itself: a product of constants would be computed once.
            *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(*sum, weights));
        }
    }
    sums.iter()
        .fold(0, |total, sum| total ^ _mm256_extract_epi32::<0>(*sum))
}

/// Adds neighbours: the totals of the four channels of `a`, then of `b`.
#[target_feature(enable = "avx2")]
#[inline]
fn add_pairs(a: __m256i, b: __m256i) -> __m256i {
    // The sum alternates between both in each half: channels 0 1 4 5, 2 3 6 7.
    _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_hadd_epi32(a, b))
}

#[inline(always)]
fn lanes(registers: [__m256i; 2]) -> [i32; LANES] {
    // SAFETY: both are 512 bits without invalid values.
    unsafe { std::mem::transmute(registers) }
}
