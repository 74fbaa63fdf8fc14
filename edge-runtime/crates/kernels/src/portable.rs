//! Plain Rust, for every processor.

use super::LANES;
use super::schedule::{Tiles, firsts};
use super::tile::{Job, Kernel};

pub(super) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column)],
    offset: 0,
    fours: false,
    peak: None,
};

/// All pixels, one panel.
unsafe fn column(job: &mut Job<'_>, panel: usize) {
    for pixel in firsts(job.gather.pixels().len(), 1) {
        // SAFETY: as the caller promises.
        unsafe { tile(job, pixel, panel) };
    }
}

/// One pixel, one panel.
#[inline]
unsafe fn tile(job: &mut Job<'_>, pixel: usize, panel: usize) {
    // SAFETY: the caller's panel exists.
    let mut sums = *unsafe { job.starts(panel) };
    let start = job.gather.pixels()[pixel] as usize;
    let weights = &job.weights[panel * LANES * job.depth..][..LANES * job.depth];
    let (groups, _) = weights.as_chunks::<{ 4 * LANES }>();
    let mut groups = groups.iter();
    for run in job.gather.runs() {
        let activations = &job.input[start + *run as usize..][..job.gather.run()];
        let (activations, _) = activations.as_chunks::<4>();
        for (activations, group) in activations.iter().zip(&mut groups) {
            add_group(&mut sums, activations, group);
        }
    }
    // SAFETY: pixel and panel exist, or the lookups above had failed.
    unsafe { job.finish(pixel, panel, &[sums]) };
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
