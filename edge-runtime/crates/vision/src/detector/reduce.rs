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
        let count = columns * rows;
        let share = 1.0 / count as f32;
        self.whole_sums.resize(picture.width(), 0);
        let sums = &mut self.whole_sums;
        for (at, line) in self.pixels.chunks_exact_mut(self.across.spans.len()).enumerate() {
            sums.fill(0);
            let lines = at * rows..(at + 1) * rows;
            for first in lines.clone().step_by(4) {
                if first + 4 <= lines.end {
                    add_four(sums, [0, 1, 2, 3].map(|line| picture.row(first + line)));
                    continue;
                }
                for line in first..lines.end {
                    for (sum, pixel) in sums.iter_mut().zip(picture.row(line)) {
                        *sum += u16::from(*pixel);
                    }
                }
            }
            match columns {
                2 => means::<2>(sums, count, line),
                3 => means::<3>(sums, count, line),
                4 => means::<4>(sums, count, line),
                5 => means::<5>(sums, count, line),
                6 => means::<6>(sums, count, line),
                8 => means::<8>(sums, count, line),
                _ => {
                    for (value, sums) in line.iter_mut().zip(sums.chunks_exact(columns)) {
                        *value = rounded(sums, share);
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

/// The means of blocks of so many columns, which the compiler makes a straight line of.
fn means<const COLUMNS: usize>(sums: &[u16], count: usize, line: &mut [u8]) {
    let pairs = line.iter_mut().zip(sums.as_chunks::<COLUMNS>().0);
    if count.is_power_of_two() {
        // The same in whole numbers.
        let (half, digits) = (count as u16 / 2, count.trailing_zeros());
        for (value, sums) in pairs {
            *value = ((sums.iter().sum::<u16>() + half) >> digits) as u8;
        }
        return;
    }
    let share = 1.0 / count as f32;
    for (value, sums) in pairs {
        *value = rounded(sums, share);
    }
}

/// Adds four rows at once, so that a sum is read and written once for all of them.
fn add_four(sums: &mut [u16], rows: [&[u8]; 4]) {
    let [a, b, c, d] = rows.map(|row| &row[..sums.len()]);
    for (at, sum) in sums.iter_mut().enumerate() {
        *sum += (u16::from(a[at]) + u16::from(b[at])) + (u16::from(c[at]) + u16::from(d[at]));
    }
}

fn rounded(sums: &[u16], share: f32) -> u8 {
    (f32::from(sums.iter().sum::<u16>()) * share + 0.5) as u8
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
