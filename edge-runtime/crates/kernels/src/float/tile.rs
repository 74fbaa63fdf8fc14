//! What every instruction set's tile of floats has in common.

use super::output_min::{OutputMin, clamp_min};
use crate::schedule::{Peak, Tiles};
use crate::{Gather, LANES, ResidualInput};

/// The operands of one GEMM; all lengths are checked.
pub(crate) struct GemmArgs<'a> {
    pub(super) input: &'a [f32],
    pub(super) gather: &'a Gather,
    /// Packed, see [`super::FloatWeights`].
    pub(super) weights: &'a [f32],
    /// Values of a dot product.
    pub(super) depth: usize,
    /// The first summand of each channel.
    pub(super) bias: &'a [f32],
    pub(super) destination: Destination<'a>,
}

/// Where the results go. Pixel `p` begins at `pixel_offsets[p]` of its buffer.
pub(super) struct Destination<'a> {
    pub(super) residual: Option<ResidualInput<'a, f32>>,
    pub(super) output_min: OutputMin,
    pub(super) out: &'a mut [f32],
    pub(super) pixel_offsets: &'a [u32],
}

impl GemmArgs<'_> {
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
        debug_assert!(pixel < self.gather.pixel_offsets().len());
        // SAFETY: as the caller promises; the gather reaches no further than the input.
        unsafe {
            let start = *self.gather.pixel_offsets().get_unchecked(pixel) as usize;
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
    pub(super) fn bias(&self, panel: usize) -> [f32; LANES] {
        let bias = self.bias.get(panel * LANES..).and_then(<[f32]>::first_chunk::<LANES>);
        bias.copied().unwrap_or_default()
    }

    /// Stores the sums of some panels of a pixel.
    ///
    /// # Safety
    /// The pixel and the panels exist; buffers were checked to be long enough for all of them.
    #[inline(always)]
    pub(super) unsafe fn store<const P: usize>(&mut self, pixel: usize, panel: usize, sums: &[[f32; LANES]; P]) {
        let channel = panel * LANES;
        let destination = &mut self.destination;
        let mut values = *sums;
        clamp_min(values.as_flattened_mut(), destination.output_min.gemm);
        if let Some(residual) = destination.residual {
            // SAFETY: as the caller promises.
            let addends = unsafe {
                let first = *residual.pixel_offsets.get_unchecked(pixel) as usize + channel;
                &*residual.values.as_ptr().add(first).cast::<[[f32; LANES]; P]>()
            };
            for (values, addends) in values.iter_mut().zip(addends) {
                for lane in 0..LANES {
                    values[lane] += addends[lane];
                }
            }
            clamp_min(values.as_flattened_mut(), destination.output_min.residual_sum);
        }
        debug_assert!(pixel < destination.pixel_offsets.len());
        // SAFETY: as the caller promises.
        unsafe {
            let first = *destination.pixel_offsets.get_unchecked(pixel) as usize + channel;
            *destination.out.as_mut_ptr().add(first).cast() = values;
        }
    }
}

/// Computes all pixels of the panels from `panel` on, tile by tile.
///
/// # Safety
/// The processor has the kernel's instructions, there are as many pixels as a tile has, and all of its panels exist.
pub(super) type Column = unsafe fn(args: &mut GemmArgs<'_>, panel: usize);

/// The tiles of an instruction set.
pub(crate) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Column>],
    /// The fastest that its instructions can be.
    pub(crate) peak: Option<Peak>,
}

impl Kernel {
    /// Computes a whole GEMM.
    ///
    /// # Safety
    /// The processor has the kernel's instructions, and the parts fit each other.
    pub(super) unsafe fn run(&self, args: &mut GemmArgs<'_>) {
        let (pixels, panels) = (args.gather.pixel_offsets().len(), args.bias.len() / LANES);
        let Some(tiles) = Tiles::best(self.heights, pixels) else {
            return;
        };
        // SAFETY: the panels exist, and `best` takes no tile higher than there are pixels.
        tiles.each(panels, |column, panel| unsafe { column(args, panel) });
    }
}
