//! AVX-512: a register is one value's weights of a panel; a value is repeated in all lanes.

use std::arch::x86_64::{
    __m512, _MM_HINT_T1, _mm_prefetch, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
};

use super::tile::{GemmArgs, Kernel, POOLED, columns};
use crate::LANES;
use crate::schedule::{Peak, Tiles};

/// Sums that do not wait for each other.
const CHAINS: usize = 20;

/// 20 sums, 4 panels of weights and a value fill 25 of 32 registers.
pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[
        Tiles::new(1, 4, column::<1, 0, 1>, column::<1, 0, 4>),
        Tiles::new(4, 4, column::<4, 0, 1>, column::<4, 0, 4>),
        Tiles::new(5, 4, column::<5, 4, 1>, column::<5, 4, 4>),
    ],
    pooled: Tiles::new(POOLED, 4, pooled::<1>, pooled::<4>),
    peak: Some(Peak {
        run: peak,
        macs: 16 * CHAINS as u64,
    }),
};

columns!("avx512f");

/// The sums of `M` pixels and `P` panels.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn sums<const M: usize, const P: usize>(
    args: &GemmArgs<'_>,
    pixel: usize,
    panel: usize,
) -> [[[__m512; 1]; P]; M] {
    // SAFETY: the caller's pixels and panels exist; runs end within the input, and a panel has 16 weights for each
    // value of them.
    unsafe {
        let mut sums = [[[_mm512_set1_ps(0.0)]; P]; M];
        for column in 0..P {
            let bias = args.bias(panel + column, 0);
            for sums in &mut sums {
                sums[column] = [bias];
            }
        }
        let weights = args.panel(panel);
        // The first tile of a column asks for the weights of the next one, which follow its own.
        let ahead = if pixel == 0 { P * LANES * args.depth } else { 0 };
        let mut at = 0;
        for run in args.gather.run_offsets() {
            let mut rows = [args.input.as_ptr(); M];
            for (row, place) in rows.iter_mut().enumerate() {
                *place = args.row(pixel + row).add(*run as usize);
            }
            for step in 0..args.gather.run_len() {
                let mut group = [_mm512_set1_ps(0.0); P];
                for (column, register) in group.iter_mut().enumerate() {
                    let place = weights.add(column * LANES * args.depth + at);
                    *register = _mm512_loadu_ps(place);
                    _mm_prefetch::<_MM_HINT_T1>(place.wrapping_add(ahead).cast());
                }
                for (row, sums) in rows.iter().zip(&mut sums) {
                    let value = _mm512_set1_ps(*row.add(step));
                    for ([sum], weights) in sums.iter_mut().zip(group) {
                        *sum = _mm512_fmadd_ps(value, weights, *sum);
                    }
                }
                at += LANES;
            }
        }
        sums
    }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn lanes(register: __m512) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: there are 16 places.
    unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), register) };
    lanes
}

#[target_feature(enable = "avx512f")]
fn peak(rounds: u32) -> i32 {
    // Different beginnings, or the compiler would see that all are the same.
    let mut sums: [__m512; CHAINS] = std::array::from_fn(|at| _mm512_set1_ps(at as f32));
    let factor = std::hint::black_box(_mm512_set1_ps(0.5));
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm512_fmadd_ps(*sum, factor, factor);
        }
    }
    sums.iter()
        .fold(0, |total, sum| total ^ lanes(*sum)[0].to_bits() as i32)
}
