//! Mean and biased variance of each channel of a map, gathered tile by tile.
//!
//! Each part of at most 512 rows is read twice while it is in cache: once for its mean, once for the squared
//! deviations from that mean, both in `f32`. Parts are merged in `f64` by the pairwise update of Chan, Golub and `LeVeque`
//! ("Updating formulae and a pairwise algorithm for computing sample variances", 1979). No large sums of squares are
//! subtracted, so a mean far from zero costs no accuracy.

use super::BLOCK;
use super::dispatch::vectorised;

/// Rows summed in `f32` before the sum is merged in `f64`.
const PART_ROWS: usize = 512;

/// Running count, mean, and sum of squared deviations for each channel.
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Moments {
    pub(super) fn new(channels: usize) -> Self {
        Self {
            count: 0.0,
            mean: vec![0.0; channels],
            deviation: vec![0.0; channels],
        }
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        self.count = 0.0;
        self.mean.fill(0.0);
        self.deviation.fill(0.0);
    }

    /// Rows seen.
    pub(super) fn count(&self) -> f64 {
        self.count
    }

    /// Mean and biased variance of `channel`.
    pub(super) fn of(&self, channel: usize) -> (f64, f64) {
        (self.mean[channel], self.deviation[channel] / self.count)
    }

    /// Takes in the rows of `map: [rows, channels]`.
    pub(super) fn merge(&mut self, map: &[f32]) {
        for part in map.chunks(PART_ROWS * self.mean.len()) {
            self.merge_part(part);
        }
    }

    fn merge_part(&mut self, part: &[f32]) {
        let channels = self.mean.len();
        let rows = row_count(part.len() / channels);
        for block in 0..channels / BLOCK {
            let (sum, mean, deviation) = block_moments(part, channels, block, rows);
            for lane in 0..BLOCK {
                self.merge_channel(block * BLOCK + lane, rows, [sum[lane], mean[lane], deviation[lane]]);
            }
        }
        self.count += f64::from(rows);
    }

    fn merge_channel(&mut self, channel: usize, rows: f32, [sum, centre, deviation]: [f32; 3]) {
        let rows = f64::from(rows);
        let mean = f64::from(sum) / rows;
        // The deviations were taken from the rounded mean `centre`; the exact one is nearer.
        let shift = mean - f64::from(centre);
        let delta = mean - self.mean[channel];
        let total = self.count + rows;
        self.mean[channel] += delta * rows / total;
        self.deviation[channel] +=
            f64::from(deviation) - rows * shift * shift + delta * delta * self.count * rows / total;
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most 512")]
fn row_count(rows: usize) -> f32 {
    rows as f32
}

/// Sum, mean, and squared deviations of the channels of one block.
fn block_moments(map: &[f32], channels: usize, block: usize, rows: f32) -> ([f32; BLOCK], [f32; BLOCK], [f32; BLOCK]) {
    vectorised(
        #[inline(always)]
        || {
            let mut sum = [0.0; BLOCK];
            for row in map.chunks_exact(channels) {
                let row = &row.as_chunks::<BLOCK>().0[block];
                for lane in 0..BLOCK {
                    sum[lane] += row[lane];
                }
            }
            let mean = sum.map(|sum| sum / rows);
            let mut deviation = [0.0; BLOCK];
            for row in map.chunks_exact(channels) {
                let row = &row.as_chunks::<BLOCK>().0[block];
                for lane in 0..BLOCK {
                    let centred = row[lane] - mean[lane];
                    deviation[lane] += centred * centred;
                }
            }
            (sum, mean, deviation)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_small_variance_around_a_large_mean() {
        let rows: u16 = 1500;
        let map: Vec<f32> = (0..rows)
            .flat_map(|row| [1000.0 + f32::from(row % 4) * 0.25; BLOCK])
            .collect();
        let mut moments = Moments::new(BLOCK);
        for tile in map.chunks(700 * BLOCK) {
            moments.merge(tile);
        }
        let (mean, variance) = moments.of(BLOCK - 1);
        assert!((mean - 1000.375).abs() < 1e-4, "{mean}");
        assert!((variance - 0.078_125).abs() < 1e-6, "{variance}");
    }
}
