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
    ///
    /// # Errors
    ///
    /// When `data` has not the bytes of such a picture.
    pub fn new(data: &'a [u8], width: usize, height: usize) -> Result<Self, SizeError> {
        Self::with_stride(data, width, height, width)
    }

    /// A picture whose rows start `stride` bytes apart; the last row needs no padding.
    ///
    /// # Errors
    ///
    /// When `data` is too short, or a row is longer than `stride`.
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
    #[inline]
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

    /// Every so many rows of the picture, from its first on.
    #[must_use]
    pub fn every(&self, rows: usize) -> Self {
        let rows = rows.clamp(1, self.height);
        Self {
            height: self.height.div_ceil(rows),
            stride: self.stride * rows,
            ..*self
        }
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
const CHUNK: usize = 1024;

/// Columns whose sums a processor keeps in its registers.
const BLOCK: usize = 16;

/// Weights of taps along the rows that are held at a time; no less than [`CHUNK`].
const WEIGHTS: usize = 2048;

/// Samples `rect` of the picture into a square of `side` x `side` values in 0..=1, row by row.
///
/// Bilinear with half-pixel centres; when the region is larger than the output the triangle widens
/// with the scale, so that nothing is skipped. Beyond the picture its nearest pixel counts.
///
/// # Panics
/// If `out` does not hold exactly `side * side` values.
pub fn sample(picture: GrayView<'_>, rect: &Rect, side: usize, out: &mut [f32]) {
    resample(picture, rect, [side, side], out);
}

/// The same into `width` x `height` values.
///
/// # Panics
/// If `out` does not hold exactly `width * height` values.
pub fn resample(picture: GrayView<'_>, rect: &Rect, [width, height]: [usize; 2], out: &mut [f32]) {
    assert_eq!(out.len(), width * height, "output of resample");
    let (step_x, step_y) = (rect.w / width as f32, rect.h / height as f32);
    let rows = |row: usize| Taps::at(rect.y + (row as f32 + 0.5) * step_y, step_y, picture.height);
    out.fill(0.0);
    let mut sums = [0.0; CHUNK];
    // As many columns as their weights fit.
    let count = Taps::most(step_x).next_multiple_of(4).min(CHUNK);
    let group = SIDE.min(WEIGHTS / count);
    for from in (0..width).step_by(group) {
        let to = width.min(from + group);
        let column = |column: usize| Taps::at(rect.x + (column as f32 + 0.5) * step_x, step_x, picture.width);
        let columns: heapless::Vec<Taps, SIDE> = (from..to).map(column).collect();
        // First down the rows, then along the sums.
        let end = columns.last().map_or(0, |taps| taps.last + 1);
        let mut begin = columns.first().map_or(0, |taps| taps.first);
        while begin < end {
            let length = CHUNK.min((end - begin) as usize);
            let along = Along::new(&columns, count, begin, length);
            for (row, line) in out.chunks_exact_mut(width).enumerate() {
                add_rows(picture, &rows(row), begin, &mut sums[..length]);
                along.add(&sums, &mut line[from..to]);
            }
            begin += length as i32;
        }
        let totals: heapless::Vec<f32, SIDE> = columns.iter().map(|taps| taps.total).collect();
        for (row, line) in out.chunks_exact_mut(width).enumerate() {
            let total = rows(row).total;
            for (value, taps) in line[from..to].iter_mut().zip(&totals) {
                // The centre lies within half a pixel of a tap, and the triangle is at least one pixel wide on
                // each side: the weights cannot add up to nothing.
                *value /= taps * total * 255.0;
            }
        }
    }
}

/// The weights of the taps of some columns along sums of rows, the same for each row.
struct Along {
    /// So many for each column; 0 where its taps are fewer.
    weights: heapless::Vec<f32, WEIGHTS>,
    count: usize,
    /// Where the sums of each column begin.
    begins: heapless::Vec<u16, SIDE>,
}

impl Along {
    /// Those along `length` sums that begin at `from`, at most `count` of each column.
    fn new(columns: &[Taps], count: usize, from: i32, length: usize) -> Self {
        let count = count.min(length);
        let (mut weights, mut begins) = (heapless::Vec::new(), heapless::Vec::new());
        for taps in columns {
            let begin = (taps.first - from).clamp(0, (length - count) as i32);
            weights.extend((begin..begin + count as i32).map(|at| taps.weight(from + at)));
            // There is room for all of them.
            let _ = begins.push(begin as u16);
        }
        Self { weights, count, begins }
    }

    /// Adds the weighted sums of a row to its values.
    fn add(&self, sums: &[f32], out: &mut [f32]) {
        match self.count {
            4 => self.add_each::<4>(sums, out),
            8 => self.add_each::<8>(sums, out),
            12 => self.add_each::<12>(sums, out),
            count => {
                let weights = self.weights.chunks_exact(count);
                for ((value, begin), weights) in out.iter_mut().zip(&self.begins).zip(weights) {
                    let reached = sums[usize::from(*begin)..].iter().zip(weights);
                    *value += reached.map(|(sum, weight)| weight * sum).sum::<f32>();
                }
            }
        }
    }

    /// The same for so many weights, which the compiler makes a straight line of.
    fn add_each<const N: usize>(&self, sums: &[f32], out: &mut [f32]) {
        let (weights, _) = self.weights.as_chunks::<N>();
        for ((value, begin), weights) in out.iter_mut().zip(&self.begins).zip(weights) {
            if let Some(sums) = sums[usize::from(*begin)..].first_chunk::<N>() {
                let reached = sums.iter().zip(weights);
                *value += reached.map(|(sum, weight)| weight * sum).sum::<f32>();
            }
        }
    }
}

/// The weighted sums down the rows, for the columns of the picture that begin at `from`.
fn add_rows(picture: GrayView<'_>, rows: &Taps, from: i32, sums: &mut [f32]) {
    let width = picture.width as i32;
    let inside = |at: i32| (at - from).clamp(0, sums.len() as i32) as usize;
    let (begin, end) = (inside(0), inside(width));
    let (before, rest) = sums.split_at_mut(begin);
    let (within, after) = rest.split_at_mut(end - begin);
    let column = |column: usize| down::<1>(picture, rows, column)[0];
    if !before.is_empty() {
        before.fill(column(0));
    }
    if !after.is_empty() {
        after.fill(column(picture.width - 1));
    }
    let first = (from + begin as i32).clamp(0, width) as usize;
    let Some(last) = within.len().checked_sub(BLOCK) else {
        for (at, sum) in within.iter_mut().enumerate() {
            *sum = column(first + at);
        }
        return;
    };
    // The last block may overlap the one before: it has the same sums.
    for at in (0..last).step_by(BLOCK).chain([last]) {
        within[at..at + BLOCK].copy_from_slice(&down::<BLOCK>(picture, rows, first + at));
    }
}

/// The weighted sums down the rows of so many columns of the picture, from this one on.
fn down<const N: usize>(picture: GrayView<'_>, rows: &Taps, from: usize) -> [f32; N] {
    let mut sums = [0.0; N];
    for j in rows.first..=rows.last {
        let weight = rows.weight(j);
        if let Some(pixels) = picture.row(rows.clamp(j))[from..].first_chunk::<N>() {
            for (sum, pixel) in sums.iter_mut().zip(pixels) {
                *sum += weight * f32::from(*pixel);
            }
        }
    }
    sums
}

/// The source pixels along one axis that count for one output pixel.
struct Taps {
    first: i32,
    last: i32,
    centre: f32,
    support: f32,
    /// Index of the last pixel of the axis.
    end: i32,
    /// Sum of all weights of the pixel.
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

    /// The most taps that an output pixel can have.
    fn most(step: f32) -> usize {
        ((2.0 * step.max(1.0)) as usize).saturating_add(2)
    }

    fn weight(&self, at: i32) -> f32 {
        (self.support - (at as f32 + 0.5 - self.centre).abs()).max(0.0)
    }

    fn clamp(&self, at: i32) -> usize {
        at.clamp(0, self.end) as usize
    }
}

#[cfg(test)]
mod tests;
