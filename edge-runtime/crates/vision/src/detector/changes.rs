//! Whether a picture differs from another one: a cheap test that lets an empty room be searched seldom.

use shared_model::image::GrayView;

/// How two pictures are compared.
struct ChangeSettings {
    /// Blocks from left to right. A face of the smallest size fills about one of them.
    columns: usize,
    /// Blocks from top to bottom.
    rows: usize,
    /// Difference of the mean of a block, in grey levels of 255, from which something has changed. The noise of a camera is
    /// far below that in the mean of a block, and somebody who comes in far above.
    changed: f32,
}

const SETTINGS: ChangeSettings = ChangeSettings {
    columns: 16,
    rows: 12,
    changed: 4.0,
};

/// Remembers a picture by the means of its blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    newest: Vec<f32>,
    /// The picture that is remembered, and its columns.
    pixels: Vec<u8>,
    columns: usize,
    /// Its means; empty until they are asked for, which they are not while somebody is there.
    remembered: Vec<f32>,
}

impl Changes {
    /// Whether a picture differs from the one that is remembered, apart from its brightness. The first one does.
    pub(super) fn differs(&mut self, picture: GrayView<'_>) -> bool {
        if self.remembered.is_empty() {
            let Ok(remembered) = GrayView::new(&self.pixels, self.columns, self.pixels.len() / self.columns.max(1))
            else {
                return true;
            };
            means(remembered, &mut self.remembered);
        }
        means(picture, &mut self.newest);
        let gain = total(&self.newest) / total(&self.remembered);
        let pairs = self.newest.iter().zip(&self.remembered);
        pairs.fold(0.0f32, |most, (new, old)| most.max((new - gain * old).abs())) > SETTINGS.changed
    }

    /// Remembers this picture.
    pub(super) fn remember(&mut self, picture: GrayView<'_>) {
        self.remembered.clear();
        self.columns = picture.width();
        self.pixels.clear();
        for row in 0..picture.height() {
            self.pixels.extend_from_slice(picture.row(row));
        }
    }
}

/// The mean of each block.
fn means(picture: GrayView<'_>, means: &mut Vec<f32>) {
    means.clear();
    let ChangeSettings { columns, rows, .. } = SETTINGS;
    for row in 0..rows {
        let lines = share(row, rows, picture.height());
        for column in 0..columns {
            let part = share(column, columns, picture.width());
            means.push(mean(picture, part, lines.clone()));
        }
    }
}

/// Pixels of a block along an axis; at least one.
fn share(at: usize, blocks: usize, length: usize) -> std::ops::Range<usize> {
    let first = (at * length / blocks).min(length - 1);
    first..((at + 1) * length / blocks).max(first + 1)
}

fn mean(picture: GrayView<'_>, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> f32 {
    let count = columns.len() * rows.len();
    let line = |row: usize| {
        picture.row(row)[columns.clone()]
            .iter()
            .map(|pixel| u32::from(*pixel))
            .sum::<u32>()
    };
    rows.map(line).sum::<u32>() as f32 / count as f32
}

/// Above 0.
fn total(means: &[f32]) -> f32 {
    means.iter().sum::<f32>() + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [160, 120];

    /// A room with some light in it, and noise of this many grey levels that differs from frame to frame.
    fn room(brightness: f32, noise: i32, seed: u32) -> Vec<u8> {
        let [width, height] = SIZE;
        let pixel = |at: u32| {
            let (x, y) = (at % width as u32, at / width as u32);
            let light = 90.0 + 60.0 * (x as f32 / 40.0).sin() * (y as f32 / 25.0).cos();
            let random = (at.wrapping_add(seed.wrapping_mul(977)).wrapping_mul(2_654_435_761) >> 16) as i32;
            (light * brightness) as i32 + random % (2 * noise + 1) - noise
        };
        (0..(width * height) as u32)
            .map(|at| pixel(at).clamp(0, 255) as u8)
            .collect()
    }

    fn view(pixels: &[u8]) -> GrayView<'_> {
        GrayView::new(pixels, SIZE[0], SIZE[1]).unwrap()
    }

    #[test]
    fn noise_and_a_cloud_are_no_change() {
        let mut changes = Changes::default();
        assert!(changes.differs(view(&room(1.0, 6, 1))), "the first");
        changes.remember(view(&room(1.0, 6, 1)));
        for (brightness, seed) in [(1.0, 2), (1.1, 3), (0.85, 4)] {
            assert!(!changes.differs(view(&room(brightness, 6, seed))), "{brightness}");
        }
    }

    #[test]
    fn a_face_of_ten_pixels_is_a_change_until_the_picture_is_remembered() {
        let mut changes = Changes::default();
        changes.remember(view(&room(1.0, 6, 1)));
        for (left, top) in [(0, 0), (75, 55), (150, 110), (33, 91)] {
            let mut pixels = room(1.0, 6, 2);
            for (x, y) in (top..top + 10).flat_map(|y| (left..left + 10).map(move |x| (x, y))) {
                pixels[y * SIZE[0] + x] = pixels[y * SIZE[0] + x].saturating_add(40);
            }
            assert!(changes.differs(view(&pixels)), "{left} {top}");
            let mut other = changes.clone();
            other.remember(view(&pixels));
            assert!(!other.differs(view(&pixels)));
        }
    }

    #[test]
    fn pictures_smaller_than_the_blocks_are_compared_too() {
        let mut changes = Changes::default();
        let small = |value: u8| [value, 90, 90, 90];
        changes.remember(GrayView::new(&small(90), 2, 2).unwrap());
        let mut differs = |value| changes.differs(GrayView::new(&small(value), 2, 2).unwrap());
        assert!(!differs(90) && differs(190));
    }
}
