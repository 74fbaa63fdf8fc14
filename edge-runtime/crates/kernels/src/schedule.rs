//! The order in which the tiles of a GEMM are computed, and what their instructions can do at most.
//!
//! A tile is some output pixels times some panels of channels, small enough that its sums stay in registers. Panels
//! are the outer loop: their weights stay in a near cache while the pixels pass by.

/// The tiles of one height, narrow and wide.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles<F> {
    /// Output pixels of a tile.
    pub(super) pixels: usize,
    /// Panels of a wide tile.
    pub(super) panels: usize,
    /// Computes a column of one panel.
    pub(super) narrow: F,
    /// Computes a column of `panels` panels.
    pub(super) wide: F,
}

impl<F: Copy> Tiles<F> {
    pub(super) const fn new(pixels: usize, panels: usize, narrow: F, wide: F) -> Self {
        Self {
            pixels,
            panels,
            narrow,
            wide,
        }
    }

    /// Tiles that are one panel wide.
    pub(super) const fn single(pixels: usize, column: F) -> Self {
        Self::new(pixels, 1, column, column)
    }

    /// The height with the least work for so many pixels; the first of `heights` is 1.
    ///
    /// The last tile overlaps the one before it, so what it computes twice is waste. Beside its pixels a tile fetches
    /// weights, which costs about as much as one and a half pixels.
    pub(super) fn best(heights: &[Self], pixels: usize) -> Option<&Self> {
        let fitting = heights.iter().filter(|tiles| tiles.pixels <= pixels);
        fitting.min_by_key(|tiles| pixels.div_ceil(tiles.pixels) * (2 * tiles.pixels + 3))
    }

    /// Calls `column` with the function and the first panel of every column of tiles; all of their panels exist.
    pub(super) fn each(&self, panels: usize, mut column: impl FnMut(F, usize)) {
        let mut panel = 0;
        while panel < panels {
            let (compute, width) = if panel + self.panels <= panels {
                (self.wide, self.panels)
            } else {
                (self.narrow, 1)
            };
            column(compute, panel);
            panel += width;
        }
    }
}

/// The first pixel of each tile of a column of `pixels`, at least `height`; the last tile overlaps the one before it.
#[inline(always)]
pub(super) fn firsts(pixels: usize, height: usize) -> impl Iterator<Item = usize> {
    (0..pixels).step_by(height).map(move |pixel| pixel.min(pixels - height))
}

/// Defines `column`: all pixels, as many at a time as the first of a `tile`'s sizes says, in one function with the
/// instructions of that tile, so that the compiler can join both.
macro_rules! column {
    ($features:literal, $height:ident $(, $more:ident)*) => {
        #[target_feature(enable = $features)]
        unsafe fn column<const $height: usize $(, const $more: usize)*>(args: &mut GemmArgs<'_>, panel: usize) {
            for pixel in $crate::schedule::firsts(args.gather.pixel_offsets().len(), $height) {
                // SAFETY: as the caller promises; there are at least as many pixels as a tile has.
                unsafe { tile::<$height $(, $more)*>(args, pixel, panel) };
            }
        }
    };
}
pub(super) use column;

/// Multiply-accumulates in registers alone, none waiting for another.
pub(super) struct Peak {
    /// Runs so many rounds; what it gives means nothing.
    ///
    /// # Safety
    /// The processor has the kernel's instructions.
    pub(super) run: unsafe fn(rounds: u32) -> i32,
    /// Multiply-accumulates in a round.
    pub(super) macs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heights() -> [Tiles<&'static str>; 3] {
        [1, 5, 6].map(|pixels| Tiles::new(pixels, 4, "narrow", "wide"))
    }

    #[test]
    fn the_height_with_the_least_waste_is_taken() {
        for (pixels, expected) in [(1, 1), (4, 1), (5, 5), (6, 6), (25, 5), (121, 6)] {
            let best = Tiles::best(&heights(), pixels).map(|tiles| tiles.pixels);
            assert_eq!(best, Some(expected), "{pixels}");
        }
        assert!(Tiles::best(&heights(), 0).is_none());
    }

    #[test]
    fn tiles_cover_everything_and_nothing_beyond() {
        let mut columns = Vec::new();
        heights()[2].each(5, |column, panel| columns.push((column, panel)));
        assert_eq!(columns, [("wide", 0), ("narrow", 4)]);
        assert!(firsts(8, 6).eq([0, 2]));
        assert!(firsts(12, 6).eq([0, 6]));
        assert!(firsts(6, 6).eq([0]));
    }
}
