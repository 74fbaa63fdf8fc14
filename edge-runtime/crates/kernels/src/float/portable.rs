//! Plain Rust, for every processor.

use super::tile::{Job, Kernel};
use crate::LANES;
use crate::schedule::{Tiles, firsts};

pub(crate) static KERNEL: Kernel = Kernel {
    heights: &[Tiles::single(1, column)],
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
    let mut sums = job.biases(panel);
    let start = job.gather.pixels()[pixel] as usize;
    let weights = &job.weights[panel * LANES * job.depth..][..LANES * job.depth];
    let mut weights = weights.as_chunks::<LANES>().0.iter();
    for run in job.gather.runs() {
        let values = &job.input[start + *run as usize..][..job.gather.run()];
        for (value, weights) in values.iter().zip(&mut weights) {
            for (sum, weight) in sums.iter_mut().zip(weights) {
                *sum = value.mul_add(*weight, *sum);
            }
        }
    }
    // SAFETY: the caller's pixel and panel exist.
    unsafe { job.finish(pixel, panel, &[sums]) };
}
