//! Plain Rust, for every processor.

use super::tile::{Job, Kernel, Tile};
use crate::kernels::LANES;
use crate::kernels::schedule::Tiles;

pub(in crate::kernels) static KERNEL: Kernel = Kernel {
    heights: &[Tiles {
        pixels: 1,
        panels: 1,
        narrow: tile as Tile,
        wide: tile,
    }],
    peak: None,
};

/// One pixel, one panel.
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
