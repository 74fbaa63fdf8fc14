//! AVX2 with FMA: two registers are one value's weights of a panel; a value is repeated in all lanes.

use std::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps};

use super::tile::{GemmArgs, Kernel, POOLED, columns};
use crate::LANES;
use crate::schedule::{Peak, Tiles};

/// Lanes of a register.
const HALF: usize = LANES / 2;

/// Sums that do not wait for each other.
const CHAINS: usize = 12;

/// 12 sums, 2 registers of weights and a value fill 15 of 16 registers.
pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::new(1, 4, column::<1, 0, 1>, column::<1, 0, 4>),
        Tiles::single(4, column::<4, 0, 1>),
        Tiles::single(5, column::<5, 4, 1>),
        Tiles::single(6, column::<6, 0, 1>),
    ],
    pooled: Tiles::single(POOLED, pooled::<1>),
    peak: Some(Peak {
        run: peak,
        macs: 8 * CHAINS as u64,
    }),
};

columns!("avx2,fma");

/// The sums of `M` pixels and `P` panels.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn sums<const M: usize, const P: usize>(
    args: &GemmArgs<'_>,
    pixel: usize,
    panel: usize,
) -> [[[__m256; 2]; P]; M] {
    // SAFETY: the caller's pixels and panels exist; runs end within the input, and a panel has 16 weights for each
    // value of them.
    unsafe {
        let mut sums = [[[_mm256_set1_ps(0.0); 2]; P]; M];
        for column in 0..P {
            let bias = [args.bias(panel + column, 0), args.bias(panel + column, HALF)];
            for sums in &mut sums {
                sums[column] = bias;
            }
        }
        let weights = args.panel(panel);
        let mut at = 0;
        for run in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*run as usize);
            }
            for step in 0..args.gather.run_len() {
                for column in 0..P {
                    let place = weights.add(column * LANES * args.depth + at);
                    let weights = [_mm256_loadu_ps(place), _mm256_loadu_ps(place.add(HALF))];
                    for (row, sums) in rows.iter().zip(&mut sums) {
                        let value = _mm256_set1_ps(*row.add(step));
                        for (sum, weights) in sums[column].iter_mut().zip(weights) {
                            *sum = _mm256_fmadd_ps(value, weights, *sum);
                        }
                    }
                }
                at += LANES;
            }
        }
        sums
    }
}

#[target_feature(enable = "avx2,fma")]
#[inline]
fn lanes(registers: &[__m256; 2]) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    for (place, register) in lanes.as_chunks_mut::<HALF>().0.iter_mut().zip(registers) {
        // SAFETY: there are 8 places.
        unsafe { _mm256_storeu_ps(place.as_mut_ptr(), *register) };
    }
    lanes
}

#[target_feature(enable = "avx2,fma")]
fn peak(rounds: u32) -> i32 {
    // Different beginnings, or the compiler would see that all are the same.
    let mut sums: [__m256; CHAINS] = std::array::from_fn(|at| _mm256_set1_ps(at as f32));
    let factor = std::hint::black_box(_mm256_set1_ps(0.5));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, factor);
        }
    }
    sums.iter()
        .fold(0, |total, sum| total ^ lanes(&[*sum; 2])[0].to_bits() as i32)
}
