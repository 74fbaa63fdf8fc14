//! What goes into a network, and the form of what comes out.

use shared_model::image::SIDE;

/// Rows and columns of the picture that a network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputSize {
    /// Height in pixels: the number of rows.
    pub rows: usize,
    /// Width in pixels: the number of columns.
    pub columns: usize,
}

impl InputSize {
    /// The crop of contract 1: [`SIDE`] rows and columns.
    pub const CROP: Self = Self {
        rows: SIDE,
        columns: SIDE,
    };

    /// A picture of so many columns and rows.
    pub fn of(columns: usize, rows: usize) -> Self {
        Self { rows, columns }
    }

    /// Number of pixels: rows times columns.
    pub fn pixels(self) -> usize {
        self.rows * self.columns
    }
}

/// Input and outputs that a network must have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signature<'a> {
    pub(crate) input: InputSize,
    /// Name of each output, and its length: values of a vector, or channels of a map.
    pub(crate) outputs: &'a [(&'a str, usize)],
    pub(crate) form: Form,
}

/// What all outputs of a network are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `[1, length]`.
    Vectors,
    /// `[1, channels, rows, columns]`; how many rows and columns depends on the input.
    Maps,
}

impl<'a> Signature<'a> {
    /// A network of contract 1: a crop goes in, vectors come out.
    pub(crate) fn crop(outputs: &'a [(&'a str, usize)]) -> Self {
        Self {
            input: InputSize::CROP,
            outputs,
            form: Form::Vectors,
        }
    }

    /// A network that takes pictures of any size and gives maps.
    pub(crate) fn maps(input: InputSize, outputs: &'a [(&'a str, usize)]) -> Self {
        Self {
            input,
            outputs,
            form: Form::Maps,
        }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.outputs.iter().map(|(name, _)| *name)
    }
}

/// One output map, in the layout of whoever computed it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputMap<'a> {
    /// The numbers; whether they are finite is not checked.
    pub values: &'a [f32],
    /// Height of the map in pixels.
    pub rows: usize,
    /// Width of the map in pixels.
    pub columns: usize,
    /// From one pixel to the next in a row, in values.
    pub pixel_step: usize,
    /// From one channel to the next, in values.
    pub channel_step: usize,
}

/// Where the numbers of a map lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MapShape {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) pixel_step: usize,
    pub(crate) channel_step: usize,
}

impl MapShape {
    pub(crate) fn of(self, values: &[f32]) -> OutputMap<'_> {
        OutputMap {
            values,
            rows: self.rows,
            columns: self.columns,
            pixel_step: self.pixel_step,
            channel_step: self.channel_step,
        }
    }
}
