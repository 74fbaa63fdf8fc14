//! Where the activations of a tensor lie in its buffer.
//!
//! Channels last, `[row][column][channel]`, surrounded by a border of zero points as wide as the padding of its
//! readers. Channels fill up to a multiple of [`LANES`]; a single channel stays single, so that the image is not
//! blown up.

use crate::kernels::{Gather, KernelError, LANES, RUN_STEP};

use super::graph::{Shape, Window};

/// Layout of one tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    shape: Shape,
    /// Rows and columns on every side.
    border: usize,
    /// Bytes of a pixel.
    pixel: usize,
}

impl Layout {
    pub(super) fn new(shape: Shape, border: usize) -> Self {
        let pixel = if shape[2] == 1 {
            1
        } else {
            shape[2].next_multiple_of(LANES)
        };
        Self { shape, border, pixel }
    }

    /// Bytes of the buffer; runs are filled up and may read past the last pixel.
    pub(super) fn length(&self) -> usize {
        (self.shape[0] + 2 * self.border) * self.row() + RUN_STEP
    }

    /// Bytes of a row with its border.
    fn row(&self) -> usize {
        (self.shape[1] + 2 * self.border) * self.pixel
    }

    /// First byte of the pixel in `row` and `column`, which may lie in the border above and to the left.
    fn at(&self, row: usize, column: usize) -> usize {
        row * self.row() + column * self.pixel
    }

    /// First byte of every pixel, row by row.
    pub(super) fn pixels(&self) -> Vec<u32> {
        let [height, width, _] = self.shape;
        let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        pixels
            .map(|(row, column)| self.at(row + self.border, column + self.border) as u32)
            .collect()
    }

    /// First byte of each row of values, and how many bytes belong to it; for a single channel.
    pub(super) fn rows(&self) -> impl Iterator<Item = usize> {
        let layout = *self;
        (0..self.shape[0]).map(move |row| layout.at(row + layout.border, layout.border))
    }

    /// Rows, columns, channels.
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Bytes of a pixel.
    pub(super) fn pixel(&self) -> usize {
        self.pixel
    }

    /// What a convolution's windows cover: a run for each row of the window, filled up to a multiple of [`RUN_STEP`].
    pub(super) fn rows_of(&self, window: &Window, output: Shape) -> Result<Gather, KernelError> {
        let runs = (0..window.size[0]).map(|row| self.at(row, 0) as u32);
        let run = (window.size[1] * self.pixel).next_multiple_of(RUN_STEP);
        Ok(Gather::new(self.windows(window, output)?, runs.collect(), run))
    }

    /// What a pool's windows cover: a run for each pixel of the window.
    pub(super) fn pixels_of(&self, window: &Window, output: Shape) -> Result<Gather, KernelError> {
        let columns = window.size[1];
        let pixels = (0..window.size[0]).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let runs = pixels.map(|(row, column)| self.at(row, column) as u32);
        Ok(Gather::new(self.windows(window, output)?, runs.collect(), self.pixel))
    }

    /// First byte of the window of every output pixel.
    fn windows(&self, window: &Window, output: Shape) -> Result<Vec<u32>, KernelError> {
        let [above, left, ..] = window.pads;
        let (Some(first_row), Some(first_column)) = (self.border.checked_sub(above), self.border.checked_sub(left))
        else {
            return Err(KernelError::Shape {
                what: "border",
                found: self.border,
                expected: above.max(left),
            });
        };
        let pixels = (0..output[0]).flat_map(|row| (0..output[1]).map(move |column| (row, column)));
        let starts = pixels.map(|(row, column)| {
            self.at(
                row * window.stride[0] + first_row,
                column * window.stride[1] + first_column,
            ) as u32
        });
        Ok(starts.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_begin_in_the_border() {
        let layout = Layout::new([3, 4, 16], 1);
        let window = Window {
            size: [3, 3],
            stride: [1, 1],
            pads: [1; 4],
        };
        let gather = layout.rows_of(&window, [3, 4, 5]).unwrap();
        assert_eq!((gather.run(), gather.runs()), (48, &[0, 96, 192][..]));
        assert_eq!(gather.pixels()[..5], [0, 16, 32, 48, 96]);
        assert_eq!(layout.pixels()[..2], [96 + 16, 96 + 32]);
        assert_eq!(gather.reach() + RUN_STEP, layout.length());
    }

    #[test]
    fn single_channels_stay_single() {
        let layout = Layout::new([5, 5, 1], 3);
        let window = Window {
            size: [7, 7],
            stride: [2, 2],
            pads: [3; 4],
        };
        let gather = layout.rows_of(&window, [3, 3, 64]).unwrap();
        assert_eq!((gather.run(), gather.runs()[1], gather.pixels()[3]), (8, 11, 22));
        assert!(gather.reach() <= layout.length());
    }

    #[test]
    fn padding_without_a_border_is_refused() {
        let window = Window {
            size: [3, 3],
            stride: [1, 1],
            pads: [1; 4],
        };
        assert!(Layout::new([3, 4, 16], 0).rows_of(&window, [3, 4, 5]).is_err());
    }
}
