//! Whether the whole picture changed at once: a cut, after which nobody is who was there before.

use shared_model::image::GrayView;

use super::face_quality::correlation;

/// How two frames are compared.
struct SceneSettings {
    /// Points along each side of the picture that are compared: few, so that a frame costs next to nothing.
    points: usize,
    /// Pearson's correlation, -1 to 1, below which two frames are of different scenes. On the project's films the cuts have
    /// at most 0.24, the other frames at least 0.38.
    cut: f32,
}

const SETTINGS: SceneSettings = SceneSettings { points: 48, cut: 0.3 };

/// The scene of the last frame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    values: Vec<f32>,
    before: Vec<f32>,
    is_cut: bool,
}

impl Scene {
    /// Takes in the next frame; gives whether it is of another scene.
    pub(crate) fn cuts(&mut self, frame: GrayView<'_>) -> bool {
        let SceneSettings { points, cut } = SETTINGS;
        std::mem::swap(&mut self.values, &mut self.before);
        self.values.clear();
        let middle = |at: usize, length: usize| (2 * at + 1) * length / (2 * points);
        let columns: heapless::Vec<usize, { SETTINGS.points }> =
            (0..points).map(|x| middle(x, frame.width())).collect();
        for y in 0..points {
            let row = frame.row(middle(y, frame.height()));
            self.values.extend(columns.iter().map(|x| f32::from(row[*x])));
        }
        self.is_cut = !self.before.is_empty() && correlation(&self.values, &self.before) < cut;
        self.is_cut
    }

    /// Whether the last frame was of another scene than the one before it.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
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
