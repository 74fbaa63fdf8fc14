//! What every instruction set's tile of floats has in common.

use super::OutputMin;
use super::register::Register;
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
    /// Whether [`POOLED`] pixels after each other make one of the destination, their largest values.
    pub(super) pools: bool,
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

    /// The first biases of a panel, what its sums begin with: a register full from channel `at` of the panel on.
    ///
    /// # Safety
    /// The processor has the register's instructions, the panel exists and reaches that far.
    #[inline(always)]
    pub(super) unsafe fn bias<R: Register>(&self, panel: usize, at: usize) -> R {
        debug_assert!(panel * LANES + at + R::WIDTH <= self.bias.len());
        // SAFETY: as the caller promises.
        unsafe { R::load(self.bias.as_ptr().add(panel * LANES + at)) }
    }

    /// Stores the sums of some panels of a pixel.
    ///
    /// # Safety
    /// The processor has the register's instructions, the pixel and the panels exist; buffers were checked to be long
    /// enough for all of them.
    #[inline(always)]
    pub(super) unsafe fn store<R: Register, const Q: usize, const P: usize>(
        &mut self,
        pixel: usize,
        panel: usize,
        mut sums: [[R; Q]; P],
    ) {
        const { assert!(Q * R::WIDTH == LANES) };
        let channel = panel * LANES;
        let destination = &mut self.destination;
        debug_assert!(pixel < destination.pixel_offsets.len());
        // SAFETY: as the caller promises.
        unsafe {
            let first = *destination.pixel_offsets.get_unchecked(pixel) as usize + channel;
            let to = destination.out.as_mut_ptr().add(first);
            let min = destination.output_min.gemm;
            if min > f32::NEG_INFINITY {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.at_least(R::all(min));
                }
            }
            let sums = sums.as_flattened().iter();
            let Some(residual) = destination.residual else {
                for (at, sum) in sums.enumerate() {
                    sum.store(to.add(at * R::WIDTH));
                }
                return;
            };
            let first = *residual.pixel_offsets.get_unchecked(pixel) as usize + channel;
            let other = residual.values.as_ptr().add(first);
            let min_sum = R::all(destination.output_min.residual_sum);
            for (at, sum) in sums.enumerate() {
                let total = sum.add(R::load(other.add(at * R::WIDTH)));
                total.at_least(min_sum).store(to.add(at * R::WIDTH));
            }
        }
    }
}

/// Pixels of a window whose largest values are stored alone.
pub(super) const POOLED: usize = 4;

/// The largest of each sum.
///
/// # Safety
/// The processor has the register's instructions.
#[inline(always)]
pub(super) unsafe fn largest<R: Register, const Q: usize, const P: usize>(
    [first, others @ ..]: [[[R; Q]; P]; POOLED],
) -> [[R; Q]; P] {
    let mut most = first;
    for sums in &others {
        for (most, sum) in most.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
            // SAFETY: as the caller promises.
            *most = unsafe { most.at_least(*sum) };
        }
    }
    most
}

/// Defines `column` and `pooled`, both in one function with the instructions of `sums::<M, P>`, the sums of `M` pixels and
/// `P` panels, so that the compiler can join them.
macro_rules! columns {
    ($($features:literal)?) => {
        /// All pixels, `M` at a time, of `P` panels; where `REST` are left over, they have a tile of their own.
        $(#[target_feature(enable = $features)])?
        unsafe fn column<const M: usize, const REST: usize, const P: usize>(args: &mut GemmArgs<'_>, panel: usize) {
            let pixels = args.gather.pixel_offsets().len();
            let rest = if pixels % M == REST { REST } else { 0 };
            for pixel in $crate::schedule::firsts(pixels - rest, M) {
                // SAFETY: as the caller promises; there are at least as many pixels as a tile has.
                unsafe {
                    for (row, sums) in sums::<M, P>(args, pixel, panel).into_iter().enumerate() {
                        args.store(pixel + row, panel, sums);
                    }
                }
            }
            if rest > 0 {
                // SAFETY: as the caller promises; so many pixels are left.
                unsafe {
                    let pixel = pixels - rest;
                    for (row, sums) in sums::<REST, P>(args, pixel, panel).into_iter().enumerate() {
                        args.store(pixel + row, panel, sums);
                    }
                }
            }
        }

        /// All windows of pixels, of `P` panels.
        $(#[target_feature(enable = $features)])?
        unsafe fn pooled<const P: usize>(args: &mut GemmArgs<'_>, panel: usize) {
            for window in 0..args.destination.pixel_offsets.len() {
                // SAFETY: as the caller promises; there are as many pixels as all windows have.
                unsafe {
                    let sums = sums::<POOLED, P>(args, POOLED * window, panel);
                    args.store(window, panel, $crate::float::tile::largest(sums));
                }
            }
        }
    };
}
pub(super) use columns;

/// Computes all pixels of the panels from `panel` on, tile by tile.
///
/// # Safety
/// The processor has the kernel's instructions, there are as many pixels as a tile has, and all of its panels exist.
pub(super) type Column = unsafe fn(args: &mut GemmArgs<'_>, panel: usize);

/// The tiles of an instruction set.
pub(crate) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Column>],
    /// Tiles that store the largest of [`POOLED`] pixels alone.
    pub(super) pooled: Tiles<Column>,
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
        let tiles = if args.pools {
            Some(&self.pooled)
        } else {
            Tiles::best(self.heights, pixels)
        };
        let Some(tiles) = tiles else { return };
        // SAFETY: the panels exist, and `best` takes no tile higher than there are pixels.
        tiles.each(panels, |column, panel| unsafe { column(args, panel) });
    }
}
