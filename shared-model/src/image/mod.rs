//! Grey pictures and the way from a region of one to the input of a network.
//!
//! Trainer and runtime both call [`sample`] and [`Normalisation::apply`], so a network meets on the
//! device exactly the pixels that it would have met in training.

mod normalisation;
mod rect;

use core::fmt;

pub use normalisation::Normalisation;
pub use rect::{CropRule, Rect};

/// Side of the square input of the networks in pixels, fixed by contract 1.
pub const SIDE: usize = 96;

/// Values of one network input, `SIDE * SIDE`, row by row.
pub const INPUT_LEN: usize = SIDE * SIDE;

/// A grey picture that lies elsewhere: 8 bits a pixel, row by row, `stride` bytes from row to row.
#[derive(Debug, Clone, Copy)]
pub struct GrayView<'a> {
    data: &'a [u8],
    width: usize,
    height: usize,
    stride: usize,
}

/// The size of a picture does not fit its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizeError;

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("picture is empty, or its data is shorter than its rows")
    }
}

impl core::error::Error for SizeError {}

impl<'a> GrayView<'a> {
    /// A picture of `width` x `height` pixels without padding.
    pub fn new(data: &'a [u8], width: usize, height: usize) -> Result<Self, SizeError> {
        Self::with_stride(data, width, height, width)
    }

    /// A picture whose rows start `stride` bytes apart; the last row needs no padding.
    pub fn with_stride(data: &'a [u8], width: usize, height: usize, stride: usize) -> Result<Self, SizeError> {
        if width == 0 || height == 0 || stride < width {
            return Err(SizeError);
        }
        let needed = (height - 1)
            .checked_mul(stride)
            .and_then(|rows| rows.checked_add(width));
        if needed.is_none_or(|needed| data.len() < needed) {
            return Err(SizeError);
        }
        Ok(Self {
            data,
            width,
            height,
            stride,
        })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels of row `y`; rows beyond the last give the last.
    pub fn row(&self, y: usize) -> &'a [u8] {
        let start = y.min(self.height - 1) * self.stride;
        &self.data[start..start + self.width]
    }

    /// The part of the picture that a rectangle touches, in whole pixels, and where it begins; `None` where
    /// they do not meet.
    pub fn part(&self, rect: &Rect) -> Option<(Self, [usize; 2])> {
        let span = |from: f32, length: f32, end: usize| {
            let first = libm::floorf(from).clamp(0.0, end as f32) as usize;
            let last = libm::ceilf(from + length).clamp(0.0, end as f32) as usize;
            (first < last).then_some((first, last - first))
        };
        let (x, width) = span(rect.x, rect.w, self.width)?;
        let (y, height) = span(rect.y, rect.h, self.height)?;
        let data = &self.data[y * self.stride + x..];
        Some((Self::with_stride(data, width, height, self.stride).ok()?, [x, y]))
    }

    /// The whole picture as a rectangle.
    pub fn bounds(&self) -> Rect {
        Rect {
            x: 0.0,
            y: 0.0,
            w: self.width as f32,
            h: self.height as f32,
        }
    }
}

/// Columns of the picture whose weighted sums are held at a time: the region may have any width, and there is no heap.
const CHUNK: usize = 256;

/// Samples `rect` of the picture into a square of `side` x `side` values in 0..=1, row by row.
///
/// Bilinear with half-pixel centres; when the region is larger than the output the triangle widens
/// with the scale, so that nothing is skipped. Beyond the picture its nearest pixel counts.
///
/// # Panics
/// If `out` does not hold exactly `side * side` values.
pub fn sample(picture: GrayView<'_>, rect: &Rect, side: usize, out: &mut [f32]) {
    assert_eq!(out.len(), side * side, "output of sample");
    let (step_x, step_y) = (rect.w / side as f32, rect.h / side as f32);
    for from in (0..side).step_by(SIDE) {
        let to = side.min(from + SIDE);
        let column = |column: usize| Taps::at(rect.x + (column as f32 + 0.5) * step_x, step_x, picture.width);
        let columns: heapless::Vec<Taps, SIDE> = (from..to).map(column).collect();
        for (row, line) in out.chunks_exact_mut(side).enumerate() {
            let rows = Taps::at(rect.y + (row as f32 + 0.5) * step_y, step_y, picture.height);
            weigh(picture, &columns, &rows, &mut line[from..to]);
        }
    }
}

/// The weighted means of the pixels that the taps of one row and of each column reach: first down the rows, then
/// along the sums.
fn weigh(picture: GrayView<'_>, columns: &[Taps], rows: &Taps, out: &mut [f32]) {
    let (Some(leftmost), Some(rightmost)) = (columns.first(), columns.last()) else {
        return;
    };
    out.fill(0.0);
    let mut memory = [0.0; CHUNK];
    let mut from = leftmost.first;
    while from <= rightmost.last {
        let length = CHUNK.min((rightmost.last - from) as usize + 1);
        let sums = &mut memory[..length];
        add_rows(picture, rows, from, sums);
        for (value, taps) in out.iter_mut().zip(columns) {
            *value += taps.along(from, sums);
        }
        from += length as i32;
    }
    for (value, taps) in out.iter_mut().zip(columns) {
        // The centre lies within half a pixel of a tap, and the triangle is at least one pixel wide on
        // each side: the weights cannot add up to nothing.
        *value /= taps.total * rows.total * 255.0;
    }
}

/// The weighted sums down the rows, for the columns of the picture that begin at `from`.
fn add_rows(picture: GrayView<'_>, rows: &Taps, from: i32, sums: &mut [f32]) {
    let width = picture.width as i32;
    let inside = |at: i32| (at - from).clamp(0, sums.len() as i32) as usize;
    let (begin, end) = (inside(0), inside(width));
    sums.fill(0.0);
    let (before, rest) = sums.split_at_mut(begin);
    let (within, after) = rest.split_at_mut(end - begin);
    for j in rows.first..=rows.last {
        let weight = rows.weight(j);
        let row = picture.row(rows.clamp(j));
        for sum in before.iter_mut() {
            *sum += weight * f32::from(row[0]);
        }
        for sum in after.iter_mut() {
            *sum += weight * f32::from(row[row.len() - 1]);
        }
        let pixels = row.iter().skip((from + begin as i32).clamp(0, width) as usize);
        for (sum, pixel) in within.iter_mut().zip(pixels) {
            *sum += weight * f32::from(*pixel);
        }
    }
}

/// The source pixels along one axis that count for one output pixel.
struct Taps {
    first: i32,
    last: i32,
    centre: f32,
    support: f32,
    /// Index of the last pixel of the axis.
    end: i32,
    /// All weights together.
    total: f32,
}

impl Taps {
    /// Taps around `centre` where output pixels lie `step` apart, on an axis `len` pixels long.
    fn at(centre: f32, step: f32, len: usize) -> Self {
        let support = step.max(1.0);
        // Far outside the picture every tap is the edge pixel: nearer is the same and cannot overflow.
        let centre = centre.clamp(-support, len as f32 + support);
        let mut taps = Self {
            first: libm::floorf(centre - support + 0.5) as i32,
            last: libm::ceilf(centre + support - 0.5) as i32 - 1,
            centre,
            support,
            end: len as i32 - 1,
            total: 0.0,
        };
        taps.total = (taps.first..=taps.last).map(|at| taps.weight(at)).sum();
        taps
    }

    fn weight(&self, at: i32) -> f32 {
        (self.support - (at as f32 + 0.5 - self.centre).abs()).max(0.0)
    }

    fn clamp(&self, at: i32) -> usize {
        at.clamp(0, self.end) as usize
    }

    /// The weighted sum of those values that these taps reach; the values begin at `from`.
    fn along(&self, from: i32, values: &[f32]) -> f32 {
        let first = self.first.max(from);
        let reached = values.iter().skip((first - from) as usize);
        let reached = (first..=self.last).zip(reached);
        reached.map(|(at, value)| self.weight(at) * value).sum()
    }
}

#[cfg(test)]
mod tests;
