//! Whether a picture is still the one that was judged: a cheap test, fine enough for the corner of a mouth.

use shared_model::image::GrayView;

/// How a picture is compared with the one that was judged.
struct StillnessSettings {
    /// Side of the blocks that are compared, in pixels of the reduced picture: a fifth of the smallest face.
    block: usize,
    /// Difference of a block's mean from which something has changed, in multiples of the mean difference of all blocks:
    /// that much a camera's noise makes.
    over_noise: f32,
    /// Lower and upper limit of that difference, in grey levels of 255. Noise above the upper one is taken for a change:
    /// then every frame is judged.
    changed: [f32; 2],
}

const SETTINGS: StillnessSettings = StillnessSettings {
    block: 3,
    over_noise: 6.0,
    changed: [1.5, 3.0],
};

/// Remembers a picture by the means of small blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Stillness {
    newest: Vec<f32>,
    remembered: Vec<f32>,
    /// Sums down the rows of a line of blocks.
    sums: Vec<u16>,
}

impl Stillness {
    /// Whether a picture is the one that is remembered, apart from noise. The first one is not.
    pub(super) fn is_still(&mut self, picture: GrayView<'_>) -> bool {
        means(picture, &mut self.sums, &mut self.newest);
        if self.remembered.len() != self.newest.len() {
            return false;
        }
        let (mut sum, mut most) = (0.0f32, 0.0f32);
        for (new, old) in self.newest.iter().zip(&self.remembered) {
            let off = (new - old).abs();
            sum += off;
            most = most.max(off);
        }
        let noise = sum / self.newest.len() as f32;
        let [least, greatest] = SETTINGS.changed;
        most < (SETTINGS.over_noise * noise).clamp(least, greatest)
    }

    /// Remembers this picture.
    pub(super) fn remember(&mut self, picture: GrayView<'_>) {
        means(picture, &mut self.sums, &mut self.remembered);
    }

    /// Remembers the picture that was compared last, which costs nothing.
    pub(super) fn remember_compared(&mut self) {
        std::mem::swap(&mut self.newest, &mut self.remembered);
    }
}

/// The mean of each block; the last of a row and of a column reach to the edge.
fn means(picture: GrayView<'_>, sums: &mut Vec<u16>, means: &mut Vec<f32>) {
    const BLOCK: usize = SETTINGS.block;
    means.clear();
    sums.resize(picture.width(), 0);
    let before = |length: usize| (length / BLOCK).saturating_sub(1);
    let (columns, rows) = (before(picture.width()), before(picture.height()));
    for row in 0..=rows {
        let end = if row == rows {
            picture.height()
        } else {
            (row + 1) * BLOCK
        };
        let lines = row * BLOCK..end;
        let share = 1.0 / lines.len() as f32;
        let block_share = share / BLOCK as f32;
        sums.fill(0);
        for line in lines {
            for (sum, pixel) in sums.iter_mut().zip(picture.row(line)) {
                *sum += u16::from(*pixel);
            }
        }
        let (blocks, last) = sums.split_at(columns * BLOCK);
        let blocks = blocks.as_chunks::<BLOCK>().0;
        means.extend(blocks.iter().map(|[a, b, c]| f32::from(a + b + c) * block_share));
        means.push(f32::from(last.iter().sum::<u16>()) * share / last.len() as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [160, 121];

    /// A room with some light in it, a face of 20 pixels with a mouth, and noise of this deviation that differs from frame
    /// to frame.
    fn room(mouth: f32, brighter: f32, noise: f32, seed: u32) -> Vec<u8> {
        let pixel = |at: u32| {
            let (x, y) = (at % SIZE[0] as u32, at / SIZE[0] as u32);
            let light = 110.0 + 60.0 * (x as f32 / 40.0).sin() * (y as f32 / 25.0).cos();
            // The corners of the mouth of a smallest face, two pixels each.
            let corner = (y == 74 || y == 75) && (x == 72 || x == 85);
            light + brighter - if corner { mouth } else { 0.0 } + noise * normal(at, seed)
        };
        let count = (SIZE[0] * SIZE[1]) as u32;
        (0..count).map(|at| pixel(at).clamp(0.0, 255.0).round() as u8).collect()
    }

    /// Noise of the deviation 1, nearly normal: the sum of twelve even numbers.
    fn normal(at: u32, seed: u32) -> f32 {
        let mut state = (at.wrapping_mul(2_654_435_761) ^ seed.wrapping_mul(0x9E37_79B9)) | 1;
        let mut even = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state as f32 / u32::MAX as f32
        };
        let _ = (0..4).map(|_| even()).sum::<f32>();
        (0..12).map(|_| even()).sum::<f32>() - 6.0
    }

    fn view(pixels: &[u8]) -> GrayView<'_> {
        GrayView::new(pixels, SIZE[0], SIZE[1]).unwrap()
    }

    fn remembering(pixels: &[u8]) -> Stillness {
        let mut stillness = Stillness::default();
        assert!(!stillness.is_still(view(pixels)), "the first");
        stillness.remember(view(pixels));
        stillness
    }

    #[test]
    fn the_noise_of_a_camera_is_no_change() {
        // Four by four pixels of a frame make one of these: of noise, a quarter is left.
        for noise in [0.0, 0.5, 1.0, 1.5] {
            let mut stillness = remembering(&room(0.0, 0.0, noise, 1));
            let still = (2..42).filter(|seed| stillness.is_still(view(&room(0.0, 0.0, noise, *seed))));
            // Strong noise is taken for a change now and then, which costs a search and nothing else.
            let (still, least) = (still.count(), if noise < 1.5 { 40 } else { 30 });
            assert!(still >= least, "{noise}: {still} of 40");
        }
    }

    #[test]
    fn the_corners_of_a_mouth_are_a_change_until_they_are_remembered() {
        for (mouth, noise) in [(20.0, 0.0), (20.0, 0.5), (30.0, 1.0)] {
            let mut stillness = remembering(&room(0.0, 0.0, noise, 1));
            let smile = room(mouth, 0.0, noise, 2);
            assert!(!stillness.is_still(view(&smile)), "{mouth} {noise}");
            stillness.remember(view(&smile));
            assert!(stillness.is_still(view(&room(mouth, 0.0, noise, 3))), "{mouth} {noise}");
        }
    }

    #[test]
    fn what_was_compared_is_remembered_as_the_picture_itself_is() {
        let (first, second) = (room(0.0, 0.0, 0.5, 1), room(30.0, 0.0, 0.5, 2));
        let (mut stillness, mut other) = (remembering(&first), remembering(&first));
        assert!(!stillness.is_still(view(&second)) && !other.is_still(view(&second)));
        stillness.remember_compared();
        other.remember(view(&second));
        assert_eq!(stillness.remembered, other.remembered);
    }

    #[test]
    fn slow_light_adds_up_to_a_change() {
        let mut stillness = remembering(&room(0.0, 0.0, 0.5, 1));
        let light = |step: u32| room(0.0, step as f32 / 4.0, 0.5, step + 2);
        let changed = (0..20).find(|step| !stillness.is_still(view(&light(*step))));
        assert!(changed.is_some_and(|step| (4..=12).contains(&step)), "{changed:?}");
    }

    #[test]
    fn every_pixel_counts_at_any_size() {
        for (width, height) in [(1, 1), (2, 9), (3, 3), (7, 5), (11, 4)] {
            let pixels = vec![100; width * height];
            for at in 0..pixels.len() {
                let mut stillness = Stillness::default();
                stillness.remember(GrayView::new(&pixels, width, height).unwrap());
                let mut other = pixels.clone();
                other[at] = 200;
                assert!(
                    !stillness.is_still(GrayView::new(&other, width, height).unwrap()),
                    "{width}x{height} {at}"
                );
            }
        }
    }

    #[test]
    fn a_picture_of_another_size_is_not_the_one_that_is_remembered() {
        let mut stillness = remembering(&room(0.0, 0.0, 0.0, 1));
        assert!(!stillness.is_still(GrayView::new(&[100; 64], 8, 8).unwrap()));
    }
}
