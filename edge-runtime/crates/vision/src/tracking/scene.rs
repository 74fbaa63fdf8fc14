//! Whether the whole picture changed at once: a cut, after which nobody is who was there before.

use shared_model::image::GrayView;

use super::face_quality::correlation;

/// Points along each side of the picture that are compared.
const POINTS: usize = 48;

/// Correlation below which two frames are of different scenes: on the project's films the cuts have at most 0.24, the
/// other frames at least 0.38.
const CUT: f32 = 0.3;

/// The scene of the last frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    values: Vec<f32>,
    before: Vec<f32>,
}

impl Scene {
    /// Looks at the next frame; gives whether it is of another scene.
    pub(crate) fn cuts(&mut self, frame: GrayView<'_>) -> bool {
        std::mem::swap(&mut self.values, &mut self.before);
        self.values.clear();
        let middle = |at: usize, length: usize| (2 * at + 1) * length / (2 * POINTS);
        for y in 0..POINTS {
            let row = frame.row(middle(y, frame.height()));
            let points = (0..POINTS).map(|x| f32::from(row[middle(x, frame.width())]));
            self.values.extend(points);
        }
        !self.before.is_empty() && correlation(&self.values, &self.before) < CUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of noise with this seed (Knuth's multiplier), `brighter` by so much.
    fn noise(seed: u32, brighter: u8) -> Vec<u8> {
        let value = |at: u32| ((at / 8 + seed).wrapping_mul(2_654_435_761) >> 25) as u8 + brighter;
        (0..96 * 96).map(value).collect()
    }

    #[test]
    fn another_picture_is_a_cut_and_a_brighter_one_or_the_first_is_not() {
        let mut scene = Scene::default();
        let mut cuts = |pixels: &[u8]| scene.cuts(GrayView::new(pixels, 96, 96).unwrap());
        assert!(!cuts(&noise(1, 0)));
        assert!(!cuts(&noise(1, 90)));
        assert!(cuts(&noise(5000, 90)));
        assert!(!cuts(&noise(5000, 0)));
    }
}
