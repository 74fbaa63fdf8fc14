//! What every instruction set's tile of integers has in common.

use super::requantise::{Finish, Floats, Requantise, Residual};
use super::schedule::{Peak, Tiles};
use super::{Gather, LANES};

/// One run of a product; all lengths are checked.
pub(super) struct Job<'a> {
    pub(super) input: &'a [u8],
    pub(super) gather: &'a Gather,
    /// Packed, see [`super::Weights`].
    pub(super) weights: &'a [i8],
    /// Values of a dot product.
    pub(super) depth: usize,
    /// What each channel's sum starts with.
    pub(super) starts: &'a [i32],
    pub(super) target: Target<'a>,
}

/// Where the results of a product go. Pixel `p` begins at `pixels[p]` of its buffer.
pub(super) enum Target<'a> {
    Bytes {
        requantise: &'a Requantise,
        out: &'a mut [u8],
        pixels: &'a [u32],
    },
    Sum {
        requantise: &'a Requantise,
        residual: &'a Residual,
        others: &'a [u8],
        other_pixels: &'a [u32],
        out: &'a mut [u8],
        pixels: &'a [u32],
    },
    Floats {
        factors: &'a Floats,
        out: &'a mut [f32],
    },
}

impl Job<'_> {
    /// Where the activations of a pixel begin.
    ///
    /// # Safety
    /// `pixel` is less than the gather's number of pixels.
    #[cfg_attr(
        not(any(target_arch = "x86_64", target_arch = "aarch64")),
        allow(dead_code, reason = "portable code reads slices")
    )]
    #[inline(always)]
    pub(super) unsafe fn row(&self, pixel: usize) -> *const u8 {
        debug_assert!(pixel < self.gather.pixels().len());
        // SAFETY: as the caller promises; the gather reaches no further than the input.
        unsafe {
            self.input
                .as_ptr()
                .add(*self.gather.pixels().get_unchecked(pixel) as usize)
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
    pub(super) unsafe fn panel(&self, panel: usize) -> *const i8 {
        debug_assert!((panel + 1) * LANES * self.depth <= self.weights.len());
        // SAFETY: a panel has `LANES * depth` weights.
        unsafe { self.weights.as_ptr().add(panel * LANES * self.depth) }
    }

    /// Adds what the sums of a panel start with, and hands the results over.
    #[inline(always)]
    pub(super) fn finish(&mut self, pixel: usize, panel: usize, sums: &[i32; LANES]) {
        let channel = panel * LANES;
        let Some(starts) = self.starts.get(channel..).and_then(<[i32]>::first_chunk::<LANES>) else {
            return;
        };
        let mut total = [0; LANES];
        for lane in 0..LANES {
            total[lane] = sums[lane].wrapping_add(starts[lane]);
        }
        self.target.put(pixel, panel, &total);
    }
}

impl Target<'_> {
    /// Buffers are long enough, so each lookup finds its place.
    #[inline(always)]
    fn put(&mut self, pixel: usize, panel: usize, sums: &[i32; LANES]) {
        let channel = panel * LANES;
        match self {
            Self::Bytes {
                requantise,
                out,
                pixels,
            } => {
                let first = pixels[pixel] as usize + channel;
                if let Some(place) = out.get_mut(first..first + LANES) {
                    place.copy_from_slice(&requantise.apply(panel, sums));
                }
            }
            Self::Sum {
                requantise,
                residual,
                others,
                other_pixels,
                out,
                pixels,
            } => {
                let (first, other) = (pixels[pixel] as usize + channel, other_pixels[pixel] as usize + channel);
                let others = others.get(other..).and_then(<[u8]>::first_chunk::<LANES>);
                if let (Some(place), Some(others)) = (out.get_mut(first..first + LANES), others) {
                    place.copy_from_slice(&requantise.apply_residual(panel, sums, residual, others));
                }
            }
            Self::Floats { factors, out } => {
                let values = factors.apply(panel, sums);
                out.iter_mut()
                    .skip(channel)
                    .zip(values)
                    .for_each(|(place, value)| *place = value);
            }
        }
    }
}

/// A tile from `pixel` and `panel` on.
///
/// # Safety
/// The processor has the kernel's instructions, and all of the tile's pixels and panels exist.
pub(super) type Tile = unsafe fn(job: &mut Job<'_>, pixel: usize, panel: usize);

/// The tiles of an instruction set.
pub(super) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Tile>],
    /// What the kernel takes from activations before it multiplies.
    pub(super) offset: i32,
    /// The fastest that its instructions can be.
    pub(super) peak: Option<Peak>,
}

impl Kernel {
    /// Computes a whole product.
    ///
    /// # Safety
    /// The processor has the kernel's instructions, and the job's parts fit each other.
    pub(super) unsafe fn run(&self, job: &mut Job<'_>) {
        let (pixels, panels) = (job.gather.pixels().len(), job.starts.len() / LANES);
        let Some(tiles) = Tiles::best(self.heights, pixels) else {
            return;
        };
        // SAFETY: the tiles exist.
        tiles.each(pixels, panels, |tile, pixel, panel| unsafe { tile(job, pixel, panel) });
    }
}

impl<'a> Target<'a> {
    /// Where the sums of a finish go; `None` where buffer and finish do not belong together.
    pub(super) fn bytes(
        finish: &'a Finish,
        others: Option<(&'a [u8], &'a [u32])>,
        out: &'a mut [u8],
        pixels: &'a [u32],
    ) -> Option<Self> {
        match (finish, others) {
            (Finish::Bytes(requantise), None) => Some(Self::Bytes {
                requantise,
                out,
                pixels,
            }),
            (Finish::Sum(requantise, residual), Some((others, other_pixels))) => Some(Self::Sum {
                requantise,
                residual,
                others,
                other_pixels,
                out,
                pixels,
            }),
            _ => None,
        }
    }
}
