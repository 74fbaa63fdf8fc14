//! What every instruction set's tile of integers has in common.

use super::requantise::{Dequantise, Epilogue, Requantise, Residual};
use super::schedule::{Peak, Tiles};
use super::{Gather, LANES, ResidualInput};

/// The operands of one GEMM; all lengths are checked.
pub(super) struct GemmArgs<'a> {
    pub(super) input: &'a [u8],
    pub(super) gather: &'a Gather,
    /// Packed, see [`super::Weights`].
    pub(super) weights: &'a [i8],
    /// Of each panel, whether it lies in the quad layout, see [`super::Weights`].
    #[cfg_attr(not(target_arch = "aarch64"), expect(dead_code, reason = "NEON alone asks"))]
    pub(super) quad_panels: &'a [bool],
    /// Values of a dot product.
    pub(super) depth: usize,
    /// The first summand of each channel, zero points folded in.
    pub(super) bias: &'a [i32],
    pub(super) destination: Destination<'a>,
}

/// Where the results go. Pixel `p` begins at `pixel_offsets[p]` of its buffer.
pub(super) enum Destination<'a> {
    Bytes {
        requantise: &'a Requantise,
        out: &'a mut [u8],
        pixel_offsets: &'a [u32],
    },
    Sum {
        requantise: &'a Requantise,
        residual: &'a Residual,
        addend: ResidualInput<'a, u8>,
        out: &'a mut [u8],
        pixel_offsets: &'a [u32],
    },
    /// Pixel `p` begins at `p * pixel_step`.
    Floats {
        scales: &'a Dequantise,
        out: &'a mut [f32],
        pixel_step: usize,
    },
}

impl GemmArgs<'_> {
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
        debug_assert!(pixel < self.gather.pixel_offsets().len());
        // SAFETY: as the caller promises; the gather reaches no further than the input.
        unsafe {
            self.input
                .as_ptr()
                .add(*self.gather.pixel_offsets().get_unchecked(pixel) as usize)
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

    /// Whether the weights of a panel lie in the quad layout.
    #[cfg(target_arch = "aarch64")]
    #[inline(always)]
    pub(super) fn is_quad(&self, panel: usize) -> bool {
        self.quad_panels.get(panel).is_some_and(|quad| *quad)
    }

    /// The biases of a panel, the first summands of its channels.
    ///
    /// # Safety
    /// `panel` is less than the number of panels.
    #[inline(always)]
    pub(super) unsafe fn bias(&self, panel: usize) -> &[i32; LANES] {
        debug_assert!((panel + 1) * LANES <= self.bias.len());
        // SAFETY: a panel has a bias for each of its channels.
        unsafe { &*self.bias.as_ptr().cast::<[i32; LANES]>().add(panel) }
    }

    /// Stores the sums of a panel, bias included, of `M` adjacent pixels; `sums` gives those of a pixel, counted from the first.
    ///
    /// # Safety
    /// The pixels and the panel exist, and the parts fit each other.
    #[inline(always)]
    pub(super) unsafe fn store<const M: usize>(
        &mut self,
        pixel: usize,
        panel: usize,
        sums: impl Fn(usize) -> [i32; LANES],
    ) {
        // SAFETY: as the caller promises.
        unsafe { self.destination.store::<M>(pixel, panel, sums) };
    }
}

impl Destination<'_> {
    /// # Safety
    /// As of [`GemmArgs::store`].
    #[inline(always)]
    unsafe fn store<const M: usize>(&mut self, pixel: usize, panel: usize, sums: impl Fn(usize) -> [i32; LANES]) {
        let channel = panel * LANES;
        match self {
            Self::Bytes {
                requantise,
                out,
                pixel_offsets,
            } => {
                // A copy, which no store can change.
                let requantise = requantise.panel(panel);
                for row in 0..M {
                    // SAFETY: as the caller promises.
                    let place = unsafe { index(pixel_offsets, pixel + row, channel, out.len()) };
                    let values = requantise.apply(&sums(row));
                    unsafe { out.as_mut_ptr().add(place).cast::<[u8; LANES]>().write(values) };
                }
            }
            Self::Sum {
                requantise,
                residual,
                addend,
                out,
                pixel_offsets,
            } => {
                let (requantise, residual) = (requantise.panel(panel), **residual);
                for row in 0..M {
                    // SAFETY: as the caller promises.
                    unsafe {
                        let place = index(addend.pixel_offsets, pixel + row, channel, addend.values.len());
                        let addends = &*addend.values.as_ptr().add(place).cast::<[u8; LANES]>();
                        let values = requantise.apply_residual(&sums(row), &residual, addends);
                        let place = index(pixel_offsets, pixel + row, channel, out.len());
                        out.as_mut_ptr().add(place).cast::<[u8; LANES]>().write(values);
                    }
                }
            }
            Self::Floats {
                scales,
                out,
                pixel_step,
            } => {
                for row in 0..M {
                    let values = scales.apply(panel, &sums(row));
                    let place = (pixel + row) * *pixel_step + channel;
                    if let Some(out) = out.get_mut(place..place + LANES) {
                        out.copy_from_slice(&values);
                    } else {
                        // The end of a dense layer, whose channels fill no panel.
                        out.iter_mut()
                            .skip(place)
                            .zip(values)
                            .for_each(|(place, value)| *place = value);
                    }
                }
            }
        }
    }
}

/// Index of the first value of a panel that begins with `channel`, in a buffer of `length` values.
///
/// # Safety
/// The pixel exists, and the buffer reaches to the end of its channels.
#[inline(always)]
unsafe fn index(pixel_offsets: &[u32], pixel: usize, channel: usize, length: usize) -> usize {
    debug_assert!(pixel < pixel_offsets.len());
    // SAFETY: as the caller promises.
    let place = unsafe { *pixel_offsets.get_unchecked(pixel) } as usize + channel;
    debug_assert!(place + LANES <= length);
    place
}

/// Computes all pixels of the panels from `panel` on, tile by tile.
///
/// # Safety
/// The processor has the kernel's instructions, there are as many pixels as a tile has, and all of its panels exist.
pub(super) type Column = unsafe fn(args: &mut GemmArgs<'_>, panel: usize);

/// The tiles of an instruction set.
pub(super) struct Kernel {
    /// The lowest is one pixel high.
    pub(super) heights: &'static [Tiles<Column>],
    /// Subtracted from activations before they are multiplied: 128 where the instructions take signed bytes.
    pub(super) offset: i32,
    /// Whether it reads panels in the quad layout where their weights allow it.
    pub(super) quad_layout: bool,
    /// The fastest that its instructions can be.
    pub(super) peak: Option<Peak>,
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

impl<'a> Destination<'a> {
    /// Where the bytes of an epilogue go; `None` where a residual is missing or given in vain.
    pub(super) fn bytes(
        epilogue: &'a Epilogue,
        addend: Option<ResidualInput<'a, u8>>,
        out: &'a mut [u8],
        pixel_offsets: &'a [u32],
    ) -> Option<Self> {
        match (epilogue, addend) {
            (Epilogue::Requantise(requantise), None) => Some(Self::Bytes {
                requantise,
                out,
                pixel_offsets,
            }),
            (Epilogue::RequantiseAdd(requantise, residual), Some(addend)) => Some(Self::Sum {
                requantise,
                residual,
                addend,
                out,
                pixel_offsets,
            }),
            _ => None,
        }
    }
}
