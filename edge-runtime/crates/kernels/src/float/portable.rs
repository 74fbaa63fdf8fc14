//! Plain Rust, for every processor.

use super::tile::{GemmArgs, Kernel};
use crate::LANES;
use crate::schedule::{Tiles, firsts};

pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column)],
    peak: None,
};

/// All pixels, one panel.
unsafe fn column(args: &mut GemmArgs<'_>, panel: usize) {
    for pixel in firsts(args.gather.pixel_offsets().len(), 1) {
        // SAFETY: as the caller promises.
        unsafe { tile(args, pixel, panel) };
    }
}

/// One pixel, one panel.
#[inline]
unsafe fn tile(args: &mut GemmArgs<'_>, pixel: usize, panel: usize) {
    let mut sums = args.bias(panel);
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
    // SAFETY: the caller's pixel and panel exist.
    unsafe { args.store(pixel, panel, &[sums]) };
}
