//! A picture at a smaller size: each pixel is the mean of what it covers, as in training.

use shared_model::image::GrayView;

/// Reduces pictures; keeps its memory as long as sizes stay the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Reducer {
    across: Spans,
    down: Spans,
    /// Weighted sums down the rows of one line of the result, a value for each column of the picture.
    sums: Vec<f32>,
    /// The same without weights, where a pixel of the result covers whole pixels of the picture.
    whole_sums: Vec<u16>,
    /// The same again, of four columns in one number.
    quads: Vec<u32>,
    pixels: Vec<u8>,
}

/// For each pixel of the result along one axis, the pixels of the picture that it covers.
#[derive(Debug, Clone, Default)]
struct Spans {
    from: usize,
    spans: Vec<Span>,
}

/// Pixels that one pixel of the result covers: all but the first and the last of them whole.
#[derive(Debug, Clone, Copy)]
struct Span {
    first: usize,
    /// At least `first`.
    last: usize,
    /// Shares of the first and the last; of all, where they are the same, it is the first's.
    shares: [f32; 2],
}

impl Spans {
    fn fit(&mut self, from: usize, to: usize) {
        if self.from == from && self.spans.len() == to {
            return;
        }
        let ratio = from as f64 / to as f64;
        let span = |at: usize| {
            let (start, end) = (at as f64 * ratio, ((at + 1) as f64 * ratio).min(from as f64));
            let first = (start as usize).min(from - 1);
            let last = (end.ceil() as usize).clamp(first + 1, from) - 1;
            let covered = |pixel: usize| ((pixel + 1) as f64).min(end) - (pixel as f64).max(start);
            Span {
                first,
                last,
                shares: [first, last].map(|pixel| (covered(pixel).max(0.0) / (end - start)) as f32),
            }
        };
        self.from = from;
        self.spans = (0..to).map(span).collect();
    }

    /// Share of a whole pixel.
    fn whole(&self) -> f32 {
        self.spans.len() as f32 / self.from as f32
    }
}

impl Span {
    /// Each pixel with its share.
    fn shares(self, whole: f32) -> impl Iterator<Item = (usize, f32)> {
        let inner = (self.first + 1..self.last).map(move |pixel| (pixel, whole));
        let last = (self.last > self.first).then_some((self.last, self.shares[1]));
        std::iter::once((self.first, self.shares[0])).chain(inner).chain(last)
    }
}

impl Reducer {
    /// Reduces a picture to so many columns and rows, at most as many as it has and at least 1.
    pub(super) fn reduce(&mut self, picture: GrayView<'_>, columns: usize, rows: usize) {
        let (columns, rows) = (columns.clamp(1, picture.width()), rows.clamp(1, picture.height()));
        self.across.fit(picture.width(), columns);
        self.down.fit(picture.height(), rows);
        self.pixels.resize(columns * rows, 0);
        if let Some(block) = self.block() {
            return self.reduce_blocks(picture, block);
        }
        self.sums.resize(picture.width(), 0.0);
        let (across, down) = (self.across.whole(), self.down.whole());
        for (line, span) in self.pixels.chunks_exact_mut(columns).zip(&self.down.spans) {
            self.sums.fill(0.5);
            for (row, share) in span.shares(down) {
                for (sum, pixel) in self.sums.iter_mut().zip(picture.row(row)) {
                    *sum += share * f32::from(*pixel);
                }
            }
            for (value, span) in line.iter_mut().zip(&self.across.spans) {
                let inner = self.sums.get(span.first + 1..span.last).unwrap_or(&[]);
                let mut mean = span.shares[0] * self.sums[span.first] + across * inner.iter().sum::<f32>();
                if span.last > span.first {
                    mean += span.shares[1] * self.sums[span.last];
                }
                // The half that was filled in rounds it.
                *value = mean as u8;
            }
        }
    }

    /// Columns and rows of the whole pixels that each pixel of the result covers, if it does and so many can be added up.
    fn block(&self) -> Option<[usize; 2]> {
        let block = |spans: &Spans| {
            let count = spans.from / spans.spans.len();
            (count * spans.spans.len() == spans.from).then_some(count)
        };
        let [columns, rows] = [block(&self.across)?, block(&self.down)?];
        (columns * rows <= MOST_SUMMED).then_some([columns, rows])
    }

    /// Reduces a picture by whole numbers, without weights.
    fn reduce_blocks(&mut self, picture: GrayView<'_>, [columns, rows]: [usize; 2]) {
        let width = picture.width();
        let in_quads = columns.is_multiple_of(4) || (columns == 2 && width.is_multiple_of(4));
        self.quads.resize(width / 4, 0);
        self.whole_sums.resize(width, 0);
        let count = columns * rows;
        for (at, line) in self.pixels.chunks_exact_mut(self.across.spans.len()).enumerate() {
            let lines = (at * rows..(at + 1) * rows).map(|row| picture.row(row));
            if in_quads {
                add_quads(&mut self.quads, lines);
                match columns {
                    2 => halves(&self.quads, count, line),
                    4 => quad_means::<1>(&self.quads, count, line),
                    8 => quad_means::<2>(&self.quads, count, line),
                    _ => {
                        for (value, quads) in line.iter_mut().zip(self.quads.chunks_exact(columns / 4)) {
                            *value = rounded(quads.iter().map(|quad| sum(*quad)).sum(), count);
                        }
                    }
                }
                continue;
            }
            self.whole_sums.fill(0);
            for row in lines {
                for (sum, pixel) in self.whole_sums.iter_mut().zip(row) {
                    *sum += u16::from(*pixel);
                }
            }
            match columns {
                3 => means::<3>(&self.whole_sums, count, line),
                5 => means::<5>(&self.whole_sums, count, line),
                6 => means::<6>(&self.whole_sums, count, line),
                _ => {
                    for (value, sums) in line.iter_mut().zip(self.whole_sums.chunks_exact(columns)) {
                        *value = rounded(sums.iter().sum(), count);
                    }
                }
            }
        }
    }

    /// The reduced picture; `None` before the first.
    pub(super) fn picture(&self) -> Option<GrayView<'_>> {
        GrayView::new(&self.pixels, self.across.spans.len(), self.down.spans.len()).ok()
    }
}

/// Most pixels whose sum 16 bits hold.
const MOST_SUMMED: usize = u16::MAX as usize / u8::MAX as usize;

/// The sum of every four columns of some rows, as the sums of two pairs of them: the low and the high 16 bits.
fn add_quads<'a>(quads: &mut [u32], rows: impl Iterator<Item = &'a [u8]>) {
    const EVERY_OTHER: u32 = 0x00FF_00FF;
    quads.fill(0);
    for row in rows {
        for (quad, pixels) in quads.iter_mut().zip(row.as_chunks::<4>().0) {
            let pixels = u32::from_le_bytes(*pixels);
            *quad += (pixels & EVERY_OTHER) + (pixels >> 8 & EVERY_OTHER);
        }
    }
}

/// The whole sum of four columns.
fn sum(quad: u32) -> u16 {
    quad as u16 + (quad >> 16) as u16
}

/// The means of blocks of two columns, of which a quad has two.
fn halves(quads: &[u32], count: usize, line: &mut [u8]) {
    for ([left, right], quad) in line.as_chunks_mut::<2>().0.iter_mut().zip(quads) {
        *left = rounded(*quad as u16, count);
        *right = rounded((*quad >> 16) as u16, count);
    }
}

/// The means of blocks of so many quads, which the compiler makes a straight line of.
fn quad_means<const QUADS: usize>(quads: &[u32], count: usize, line: &mut [u8]) {
    for (value, quads) in line.iter_mut().zip(quads.as_chunks::<QUADS>().0) {
        *value = rounded(quads.iter().map(|quad| sum(*quad)).sum(), count);
    }
}

/// The means of blocks of so many columns, which the compiler makes a straight line of.
fn means<const COLUMNS: usize>(sums: &[u16], count: usize, line: &mut [u8]) {
    for (value, sums) in line.iter_mut().zip(sums.as_chunks::<COLUMNS>().0) {
        *value = rounded(sums.iter().sum(), count);
    }
}

/// The mean of so many pixels, at most [`MOST_SUMMED`].
fn rounded(sum: u16, count: usize) -> u8 {
    if count.is_power_of_two() {
        // The same in whole numbers.
        return ((sum + count as u16 / 2) >> count.trailing_zeros()) as u8;
    }
    (f32::from(sum) * (1.0 / count as f32) + 0.5) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, slowly.
    fn mean(pixels: &[u8], [width, height]: [usize; 2], [columns, rows]: [usize; 2], [x, y]: [usize; 2]) -> f64 {
        let covered = |pixel: usize, at: usize, from: usize, to: usize| {
            let ratio = from as f64 / to as f64;
            let (start, end) = (at as f64 * ratio, (at + 1) as f64 * ratio);
            ((pixel as f64 + 1.0).min(end) - (pixel as f64).max(start)).max(0.0) / ratio
        };
        let mut sum = 0.0;
        for row in 0..height {
            for column in 0..width {
                let share = covered(column, x, width, columns) * covered(row, y, height, rows);
                sum += share * f64::from(pixels[row * width + column]);
            }
        }
        sum
    }

    #[test]
    fn each_pixel_is_the_mean_of_what_it_covers() {
        let mut reducer = Reducer::default();
        for (width, height, columns, rows) in [
            (64, 48, 16, 12),
            (64, 48, 32, 16),
            (66, 48, 33, 16),
            (96, 48, 12, 12),
            (96, 48, 8, 6),
            (60, 40, 12, 8),
            (60, 40, 20, 20),
            (70, 40, 10, 8),
            (600, 40, 2, 1),
            (61, 37, 23, 14),
            (30, 20, 30, 20),
            (40, 9, 7, 1),
        ] {
            let pixels: Vec<u8> = (0..width * height).map(|at| (at * 7919 % 251) as u8).collect();
            let view = GrayView::new(&pixels, width, height).unwrap();
            reducer.reduce(view, columns, rows);
            let reduced = reducer.picture().unwrap();
            assert_eq!((reduced.width(), reduced.height()), (columns, rows));
            for (x, y) in (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))) {
                let expected = mean(&pixels, [width, height], [columns, rows], [x, y]);
                let got = f64::from(reduced.row(y)[x]);
                assert!(
                    (got - expected).abs() < 0.51,
                    "{width}x{height} {x} {y}: {got} {expected}"
                );
            }
        }
    }

    #[test]
    fn no_picture_is_enlarged() {
        let mut reducer = Reducer::default();
        assert!(reducer.picture().is_none());
        reducer.reduce(GrayView::new(&[1, 2, 3, 4], 2, 2).unwrap(), 900, 0);
        let reduced = reducer.picture().unwrap();
        assert_eq!((reduced.width(), reduced.height(), reduced.row(0)), (2, 1, &[2, 3][..]));
    }
}
