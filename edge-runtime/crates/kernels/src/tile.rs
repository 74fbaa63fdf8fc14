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
    /// Whether a panel has room for four products, and the order that goes with it.
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "NEON alone asks"))]
    pub(super) room: &'a [bool],
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

    /// Whether the weights of a panel leave room for four products, and lie in that order.
    #[cfg(target_arch = "aarch64")]
    #[inline(always)]
    pub(super) fn has_room(&self, panel: usize) -> bool {
        self.room.get(panel).is_some_and(|room| *room)
    }

    /// What the sums of a panel start with.
    ///
    /// # Safety
    /// `panel` is less than the number of panels.
    #[inline(always)]
    pub(super) unsafe fn starts(&self, panel: usize) -> &[i32; LANES] {
        debug_assert!((panel + 1) * LANES <= self.starts.len());
        // SAFETY: a panel has a start for each of its channels.
        unsafe { &*self.starts.as_ptr().cast::<[i32; LANES]>().add(panel) }
    }

    /// Hands over the sums of a panel, starts included, of `M` adjacent pixels.
    ///
    /// # Safety
    /// The pixels and the panel exist, and the job's parts fit each other.
    #[inline(always)]
    pub(super) unsafe fn finish<const M: usize>(&mut self, pixel: usize, panel: usize, sums: &[[i32; LANES]; M]) {
        // SAFETY: as the caller promises.
        unsafe { self.target.put(pixel, panel, sums) };
    }
}

impl Target<'_> {
    /// # Safety
    /// As of [`Job::finish`].
    #[inline(always)]
    unsafe fn put<const M: usize>(&mut self, pixel: usize, panel: usize, sums: &[[i32; LANES]; M]) {
        let channel = panel * LANES;
        match self {
            Self::Bytes {
                requantise,
                out,
                pixels,
            } => {
                let requantise = requantise.panel(panel);
                for (row, sums) in sums.iter().enumerate() {
                    // SAFETY: as the caller promises.
                    let place = unsafe { place(pixels, pixel + row, channel, out.len()) };
                    let values = requantise.apply(sums);
                    unsafe { out.as_mut_ptr().add(place).cast::<[u8; LANES]>().write(values) };
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
                let (requantise, residual) = (requantise.panel(panel), **residual);
                for (row, sums) in sums.iter().enumerate() {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let other = place(other_pixels, pixel + row, channel, others.len());
                        let others = &*others.as_ptr().add(other).cast::<[u8; LANES]>();
                        let values = requantise.apply_residual(sums, &residual, others);
                        let place = place(pixels, pixel + row, channel, out.len());
                        out.as_mut_ptr().add(place).cast::<[u8; LANES]>().write(values);
                    }
                }
            }
            Self::Floats { factors, out } => {
                let values = factors.apply(panel, &sums[0]);
                out.iter_mut()
                    .skip(channel)
                    .zip(values)
                    .for_each(|(place, value)| *place = value);
            }
        }
    }
}

/// Where the values of a panel that begins with `channel` lie, in a buffer of so many values.
///
/// # Safety
/// The pixel exists, and the buffer reaches to the end of its channels.
#[inline(always)]
unsafe fn place(pixels: &[u32], pixel: usize, channel: usize, length: usize) -> usize {
    debug_assert!(pixel < pixels.len());
    // SAFETY: as the caller promises.
    let place = unsafe { *pixels.get_unchecked(pixel) } as usize + channel;
    debug_assert!(place + LANES <= length);
    place
}

/// Computes all pixels of the panels from `panel` on, tile by tile.
///
/// # Safety
/// The processor has the kernel's instructions, there are as many pixels as a tile has, and all of its panels exist.
pub(super) type Column = unsafe fn(job: &mut Job<'_>, panel: usize);

/// The tiles of an instruction set.
pub(super) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Column>],
    /// What the kernel takes from activations before it multiplies.
    pub(super) offset: i32,
    /// Whether it wants panels that have room for four products in their own order.
    pub(super) fours: bool,
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
        // SAFETY: the panels exist, and `best` takes no tile higher than there are pixels.
        tiles.each(panels, |column, panel| unsafe { column(job, panel) });
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
