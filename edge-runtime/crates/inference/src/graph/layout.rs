//! Where the activations of a tensor lie in its buffer.
//!
//! Channels last, `[row][column][channel]`, surrounded by a border of zeros as wide as the padding of its
//! readers. Channels fill up to a multiple of [`LANES`]; a single channel stays single, so that the image is not
//! blown up.

use kernels::{Gather, KernelError, LANES, RUN_STEP};

use super::{Graph, Op, Shape, Values, Window};

/// Where the pixels of one tensor lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    shape: Shape,
    /// Rows and columns on every side.
    border: usize,
    /// Number of values in a pixel.
    pixel: usize,
}

impl Layout {
    pub(crate) fn new(shape: Shape, border: usize) -> Self {
        let pixel = if shape[2] == 1 {
            1
        } else {
            shape[2].next_multiple_of(LANES)
        };
        Self { shape, border, pixel }
    }

    /// Values of the buffer; runs are filled up and may read past the last pixel.
    pub(crate) fn length(&self) -> usize {
        (self.shape[0] + 2 * self.border) * self.row() + RUN_STEP
    }

    /// Values of a row with its border.
    fn row(&self) -> usize {
        (self.shape[1] + 2 * self.border) * self.pixel
    }

    /// First value of the pixel in `row` and `column`, which may lie in the border above and to the left.
    fn at(&self, row: usize, column: usize) -> usize {
        row * self.row() + column * self.pixel
    }

    /// First value of the first pixel.
    pub(crate) fn first(&self) -> usize {
        self.at(self.border, self.border)
    }

    /// First value of every pixel, row by row.
    pub(crate) fn pixels(&self) -> Vec<u32> {
        let [height, width, _] = self.shape;
        let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (row, column)));
        pixels
            .map(|(row, column)| self.at(row + self.border, column + self.border) as u32)
            .collect()
    }

    /// First value of each row of values; for a single channel.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        let layout = *self;
        (0..self.shape[0]).map(move |row| layout.at(row + layout.border, layout.border))
    }

    /// Rows, columns and channels without border.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Number of values in a pixel.
    pub(crate) fn pixel(&self) -> usize {
        self.pixel
    }

    /// What a convolution's windows cover: a run for each row of the window, filled up to a multiple of `step`
    /// values, at most [`RUN_STEP`].
    pub(crate) fn rows_of(&self, window: &Window, output: Shape, step: usize) -> Result<Gather, KernelError> {
        let runs = (0..window.size[0]).map(|row| self.at(row, 0) as u32);
        let run = (window.size[1] * self.pixel).next_multiple_of(step);
        Ok(Gather::new(self.windows(window, output)?, runs.collect(), run))
    }

    /// Like [`Layout::rows_of`] with a step of 1, for a convolution whose outputs are pooled: those of each of the pool's windows lie after each
    /// other. `output` is the pool's.
    pub(crate) fn rows_of_pooled(&self, window: &Window, pool: &Window, output: Shape) -> Result<Gather, KernelError> {
        let columns = output[1] * pool.stride[1];
        let gather = self.rows_of(window, [output[0] * pool.stride[0], columns, output[2]], 1)?;
        let outputs = (0..output[0]).flat_map(|row| (0..output[1]).map(move |column| (row, column)));
        let places = outputs.flat_map(|(row, column)| {
            let first = row * pool.stride[0] * columns + column * pool.stride[1];
            let pixels = (0..pool.size[0]).flat_map(move |y| (0..pool.size[1]).map(move |x| first + y * columns + x));
            pixels.map(|pixel| gather.pixel_offsets()[pixel])
        });
        Ok(Gather::new(
            places.collect(),
            gather.run_offsets().to_vec(),
            gather.run_len(),
        ))
    }

    /// What a pool's windows cover: a run for each pixel of the window.
    pub(crate) fn pixels_of(&self, window: &Window, output: Shape) -> Result<Gather, KernelError> {
        let columns = window.size[1];
        let pixels = (0..window.size[0]).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let runs = pixels.map(|(row, column)| self.at(row, column) as u32);
        Ok(Gather::new(self.windows(window, output)?, runs.collect(), self.pixel))
    }

    /// First value of the window of every output pixel.
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

    /// First value of those pixels that an output of this shape has too; it may have fewer.
    pub(crate) fn cropped(&self, shape: Shape) -> Vec<u32> {
        let pixels = self.pixels();
        let rows = pixels.chunks(self.shape[1].max(1)).take(shape[0]);
        rows.flat_map(|row| row.iter().take(shape[1]).copied()).collect()
    }
}

/// Where in the window, `(channel * rows + row) * columns + column`, each value of the runs lies; `None` for what fills
/// them up.
pub(crate) fn positions(layout: &Layout, gather: &Gather, window: &Window) -> Vec<Option<usize>> {
    let (channels, pixel) = (layout.shape()[2], layout.pixel());
    let [rows, columns] = window.size;
    let values = (0..rows).flat_map(|row| (0..gather.run_len()).map(move |at| (row, at / pixel, at % pixel)));
    values
        .map(|(row, column, channel)| {
            (column < columns && channel < channels).then(|| (channel * rows + row) * columns + column)
        })
        .collect()
}

/// Borders are as wide as the widest padding of a tensor's readers.
pub(crate) fn layouts<V: Values>(graph: &Graph<V>) -> Vec<Layout> {
    let mut borders = vec![0; graph.tensors.len()];
    for node in &graph.nodes {
        if let Op::Convolution { window, .. } = &node.op {
            let widest = window.pads.into_iter().max().unwrap_or(0);
            borders[node.input] = widest.max(borders[node.input]);
        }
    }
    let tensors = graph.tensors.iter().zip(borders);
    tensors
        .map(|(tensor, border)| Layout::new(tensor.shape, border))
        .collect()
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
        let gather = layout.rows_of(&window, [3, 4, 5], 1).unwrap();
        assert_eq!((gather.run_len(), gather.run_offsets()), (48, &[0, 96, 192][..]));
        assert_eq!(gather.pixel_offsets()[..5], [0, 16, 32, 48, 96]);
        assert_eq!(layout.pixels()[..2], [96 + 16, 96 + 32]);
        assert_eq!(gather.min_input_len() + RUN_STEP, layout.length());
    }

    #[test]
    fn single_channels_stay_single() {
        let layout = Layout::new([5, 5, 1], 3);
        let window = Window {
            size: [7, 7],
            stride: [2, 2],
            pads: [3; 4],
        };
        let gather = layout.rows_of(&window, [3, 3, 64], RUN_STEP).unwrap();
        assert_eq!(
            (gather.run_len(), gather.run_offsets()[1], gather.pixel_offsets()[3]),
            (8, 11, 22)
        );
        assert!(gather.min_input_len() <= layout.length());
        assert_eq!(layout.rows_of(&window, [3, 3, 64], 1).unwrap().run_len(), 7);
    }

    #[test]
    fn windows_of_a_pool_lie_after_each_other() {
        let layout = Layout::new([5, 6, 16], 0);
        let square = |side: usize, step: usize| Window {
            size: [side; 2],
            stride: [step; 2],
            pads: [0; 4],
        };
        let gather = layout.rows_of_pooled(&square(1, 1), &square(2, 2), [2, 3, 5]).unwrap();
        let places: Vec<u32> = gather.pixel_offsets().iter().map(|place| place / 16).collect();
        assert_eq!(places[..8], [0, 1, 6, 7, 2, 3, 8, 9]);
        assert_eq!(places[20..], [16, 17, 22, 23]);
        assert_eq!((gather.run_len(), gather.run_offsets()), (16, &[0][..]));
    }

    #[test]
    fn padding_without_a_border_is_refused() {
        let window = Window {
            size: [3, 3],
            stride: [1, 1],
            pads: [1; 4],
        };
        assert!(Layout::new([3, 4, 16], 0).rows_of(&window, [3, 4, 5], 1).is_err());
    }
}
