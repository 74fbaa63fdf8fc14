//! What every instruction set's tile of floats has in common.

use super::Floors;
use crate::schedule::{Peak, Tiles};
use crate::{Gather, LANES};

/// One run of a product; all lengths are checked.
pub(crate) struct Job<'a> {
    pub(super) input: &'a [f32],
    pub(super) gather: &'a Gather,
    /// Packed, see [`super::FloatWeights`].
    pub(super) weights: &'a [f32],
    /// Values of a dot product.
    pub(super) depth: usize,
    pub(super) biases: &'a [f32],
    pub(super) target: Target<'a>,
}

/// Where the results go. Pixel `p` begins at `pixels[p]` of its buffer.
pub(super) struct Target<'a> {
    pub(super) others: Option<(&'a [f32], &'a [u32])>,
    pub(super) floors: Floors,
    pub(super) out: &'a mut [f32],
    pub(super) pixels: &'a [u32],
}

impl Job<'_> {
    /// Where the values of a pixel begin.
    ///
    /// # Safety
    /// `pixel` is less than the gather's number of pixels.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(dead_code, reason = "portable code reads slices")
    )]
    #[inline(always)]
    pub(super) unsafe fn row(&self, pixel: usize) -> *const f32 {
        debug_assert!(pixel < self.gather.pixels().len());
        // SAFETY: as the caller promises; the gather reaches no further than the input.
        unsafe {
            let start = *self.gather.pixels().get_unchecked(pixel) as usize;
            self.input.as_ptr().add(start)
        }
    }

    /// Where the weights of a panel begin.
    ///
    /// # Safety
    /// `panel` is less than the number of panels.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(dead_code, reason = "portable code reads slices")
    )]
    #[inline(always)]
    pub(super) unsafe fn panel(&self, panel: usize) -> *const f32 {
        debug_assert!((panel + 1) * LANES * self.depth <= self.weights.len());
        // SAFETY: a panel has `LANES * depth` weights.
        unsafe { self.weights.as_ptr().add(panel * LANES * self.depth) }
    }

    /// The biases of a panel, what its sums begin with.
    #[inline(always)]
    pub(super) fn biases(&self, panel: usize) -> [f32; LANES] {
        let biases = self.biases.get(panel * LANES..).and_then(<[f32]>::first_chunk::<LANES>);
        biases.copied().unwrap_or_default()
    }

    /// Hands the sums of some panels over.
    ///
    /// # Safety
    /// The pixel and the panels exist; buffers were checked to be long enough for all of them.
    #[inline(always)]
    pub(super) unsafe fn finish<const P: usize>(&mut self, pixel: usize, panel: usize, sums: &[[f32; LANES]; P]) {
        let channel = panel * LANES;
        let target = &mut self.target;
        let mut values = *sums;
        floor(&mut values, target.floors.own);
        if let Some((others, pixels)) = target.others {
            // SAFETY: as the caller promises.
            let others = unsafe {
                let first = *pixels.get_unchecked(pixel) as usize + channel;
                &*others.as_ptr().add(first).cast::<[[f32; LANES]; P]>()
            };
            for (values, others) in values.iter_mut().zip(others) {
                for lane in 0..LANES {
                    values[lane] += others[lane];
                }
            }
            floor(&mut values, target.floors.sum);
        }
        debug_assert!(pixel < target.pixels.len());
        // SAFETY: as the caller promises.
        unsafe {
            let first = *target.pixels.get_unchecked(pixel) as usize + channel;
            *target.out.as_mut_ptr().add(first).cast() = values;
        }
    }
}

/// In this form, and not as `f32::max`, it is one instruction, and what is not a number stays so.
#[inline(always)]
fn floor<const P: usize>(values: &mut [[f32; LANES]; P], floor: f32) {
    for value in values.as_flattened_mut() {
        *value = if floor > *value { floor } else { *value };
    }
}

/// Computes all pixels of the panels from `panel` on, tile by tile.
///
/// # Safety
/// The processor has the kernel's instructions, there are as many pixels as a tile has, and all of its panels exist.
pub(super) type Column = unsafe fn(job: &mut Job<'_>, panel: usize);

/// The tiles of an instruction set.
pub(crate) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Column>],
    /// The fastest that its instructions can be.
    pub(crate) peak: Option<Peak>,
}

impl Kernel {
    /// Computes a whole product.
    ///
    /// # Safety
    /// The processor has the kernel's instructions, and the job's parts fit each other.
    pub(super) unsafe fn run(&self, job: &mut Job<'_>) {
        let (pixels, panels) = (job.gather.pixels().len(), job.biases.len() / LANES);
        let Some(tiles) = Tiles::best(self.heights, pixels) else {
            return;
        };
        // SAFETY: the panels exist, and `best` takes no tile higher than there are pixels.
        tiles.each(panels, |column, panel| unsafe { column(job, panel) });
    }
}
