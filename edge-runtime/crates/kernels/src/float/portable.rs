//! Plain Rust, for every processor.

use super::tile::{GemmArgs, Kernel, POOLED, columns};
use crate::LANES;
use crate::schedule::Tiles;

pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column::<1, 0, 1>)],
    pooled: Tiles::single(POOLED, pooled::<1>),
    peak: None,
};

columns!();

/// The sums of `M` pixels and `P` panels.
unsafe fn sums<const M: usize, const P: usize>(
    args: &GemmArgs<'_>,
    pixel: usize,
    panel: usize,
) -> [[[[f32; LANES]; 1]; P]; M] {
    // SAFETY: the caller's pixels and panels exist.
    std::array::from_fn(|row| std::array::from_fn(|column| [unsafe { sum(args, pixel + row, panel + column) }]))
}

/// Those of one pixel and one panel.
unsafe fn sum(args: &GemmArgs<'_>, pixel: usize, panel: usize) -> [f32; LANES] {
    // SAFETY: the caller's panel exists; an array needs no instructions of its own.
    let mut sums: [f32; LANES] = unsafe { args.bias(panel, 0) };
    let start = args.gather.pixel_offsets()[pixel] as usize;
    let weights = &args.weights[panel * LANES * args.depth..][..LANES * args.depth];
    let mut weights = weights.as_chunks::<LANES>().0.iter();
    for run in args.gather.run_offsets() {
        let values = &args.input[start + *run as usize..][..args.gather.run_len()];
        for (value, weights) in values.iter().zip(&mut weights) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = value.mul_add(*weight, *sum);
            }
        }
    }
    sums
}
