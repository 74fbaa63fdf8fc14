//! Plain Rust, for every processor.

use super::LANES;
use super::schedule::{Tiles, firsts};
use super::tile::{GemmArgs, Kernel};

pub(super) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column)],
    offset: 0,
    quad_layout: false,
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
    // SAFETY: the caller's panel exists.
    let mut sums = *unsafe { args.bias(panel) };
    let start = args.gather.pixel_offsets()[pixel] as usize;
    let weights = &args.weights[panel * LANES * args.depth..][..LANES * args.depth];
    let (groups, _) = weights.as_chunks::<{ 4 * LANES }>();
    let mut groups = groups.iter();
    for run in args.gather.run_offsets() {
        let activations = &args.input[start + *run as usize..][..args.gather.run_len()];
        let (activations, _) = activations.as_chunks::<4>();
        for (activations, group) in activations.iter().zip(&mut groups) {
            add_group(&mut sums, activations, group);
        }
    }
    // SAFETY: pixel and panel exist, or the lookups above had failed.
    unsafe { args.store::<1>(pixel, panel, |_| sums) };
}

fn add_group(sums: &mut [i32; LANES], activations: &[u8; 4], weights: &[i8; 4 * LANES]) {
    for (sum, weights) in sums.iter_mut().zip(weights.as_chunks::<4>().0) {
        let products = activations
            .iter()
            .zip(weights)
            .map(|(a, w)| i32::from(*a) * i32::from(*w));
        *sum += products.sum::<i32>();
    }
}
