//! Resampling of a face under an affine map, and its light.

use shared_model::image::{GrayView, SIDE};

use super::affine::Affine;

/// What happens to the values of a face: `gain * value + offset`, held in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Light {
    pub(super) gain: f32,
    pub(super) offset: f32,
}

/// Samples the face for each pixel of a `SIDE` x `SIDE` output; `source` takes a point of the output to
/// the point of the face, both in pixels of the output's scale.
///
/// Bilinear with half-pixel centres; beyond the face its nearest pixel counts. It is the rule of
/// [`shared_model::image::sample`] for faces that are not made smaller: there is no low-pass.
pub(super) fn warp(face: GrayView<'_>, source: &Affine, light: Light, out: &mut [f32]) {
    let native = [face.width() as f32 / SIDE as f32, face.height() as f32 / SIDE as f32];
    let source = source.scaled(native);
    let [step_x, step_y] = source.along_x();
    let gain = light.gain / 255.0;
    let face = Padded::new(face);
    for (row, line) in out.chunks_exact_mut(SIDE).enumerate() {
        let [start_x, start_y] = source.apply([0.5, row as f32 + 0.5]);
        for (column, value) in line.iter_mut().enumerate() {
            let column = column as f32;
            let pixel = face.bilinear(start_x + column * step_x - 0.5, start_y + column * step_y - 0.5);
            *value = (pixel * gain + light.offset).clamp(0.0, 1.0);
        }
    }
}

/// A face with its last column and row twice: each pixel has a neighbour to the right and below, which
/// saves the innermost loop its questions.
struct Padded {
    values: Vec<f32>,
    stride: usize,
    /// Highest x and y of a pixel.
    last: [f32; 2],
}

impl Padded {
    fn new(face: GrayView<'_>) -> Self {
        let stride = face.width() + 1;
        let mut values = Vec::with_capacity(stride * (face.height() + 1));
        for y in 0..=face.height() {
            let row = face.row(y);
            values.extend(row.iter().chain(row.last()).map(|pixel| f32::from(*pixel)));
        }
        Self {
            values,
            stride,
            last: [(face.width() - 1) as f32, (face.height() - 1) as f32],
        }
    }

    /// The value between the four pixels about a point, 0 to 255; pixel `i` has its centre at `i`.
    #[inline]
    fn bilinear(&self, x: f32, y: f32) -> f32 {
        // The edge goes on outside, so a point there has the value of the nearest point of the edge.
        let (x, y) = (x.max(0.0).min(self.last[0]), y.max(0.0).min(self.last[1]));
        // By way of `i32`, which the processor converts to directly; the range is a face's.
        let (left, top) = (x as i32, y as i32);
        let (part_x, part_y) = (x - left as f32, y - top as f32);
        let at = top as usize * self.stride + left as usize;
        let around = &self.values[at..at + self.stride + 2];
        let between = |a: f32, b: f32, part: f32| a + (b - a) * part;
        let upper = between(around[0], around[1], part_x);
        let lower = between(around[self.stride], around[self.stride + 1], part_x);
        between(upper, lower, part_y)
    }
}

#[cfg(test)]
mod tests {
    use shared_model::image::{INPUT_LEN, sample};

    use super::*;

    const IDENTITY: [[f32; 2]; 2] = [[1.0, 0.0], [0.0, 1.0]];
    const AS_IT_IS: Light = Light { gain: 1.0, offset: 0.0 };

    /// A picture without any pattern.
    fn picture(side: usize) -> Vec<u8> {
        (0..side * side).map(|at| (at * 7919 % 251) as u8).collect()
    }

    #[test]
    fn identity_equals_sample() {
        for side in [1, 24, 48, 96] {
            let pixels = picture(side);
            let face = GrayView::new(&pixels, side, side).unwrap();
            let (mut expected, mut got) = (vec![0.0; INPUT_LEN], vec![9.0; INPUT_LEN]);
            sample(face, &face.bounds(), SIDE, &mut expected);
            warp(
                face,
                &Affine::about([48.0, 48.0], IDENTITY, [0.0, 0.0]),
                AS_IT_IS,
                &mut got,
            );
            let worst = got
                .iter()
                .zip(&expected)
                .map(|(g, e)| (g - e).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-6, "side {side}: {worst}");
        }
    }

    #[test]
    fn a_shift_moves_pixels_and_repeats_the_edge() {
        let pixels = picture(96);
        let face = GrayView::new(&pixels, 96, 96).unwrap();
        let mut got = vec![0.0; INPUT_LEN];
        warp(
            face,
            &Affine::about([48.0, 48.0], IDENTITY, [-2.0, 1.0]),
            AS_IT_IS,
            &mut got,
        );
        for (x, y) in [(0, 0), (1, 50), (2, 50), (70, 95), (95, 94)] {
            let expected = face.row(y + 1)[usize::max(x, 2) - 2];
            assert!(
                (got[y * SIDE + x] * 255.0 - f32::from(expected)).abs() < 1e-3,
                "{x} {y}"
            );
        }
    }

    #[test]
    fn light_is_held_between_0_and_1() {
        let pixels = [0, 100, 200, 255];
        let face = GrayView::new(&pixels, 2, 2).unwrap();
        let mut got = vec![0.0; INPUT_LEN];
        let light = Light {
            gain: 2.0,
            offset: -0.5,
        };
        warp(
            face,
            &Affine::about([48.0, 48.0], IDENTITY, [0.0, 0.0]),
            light,
            &mut got,
        );
        let corners = [got[0], got[SIDE - 1], got[INPUT_LEN - SIDE], got[INPUT_LEN - 1]];
        for (got, expected) in corners.iter().zip([0.0, 200.0 / 255.0 - 0.5, 1.0, 1.0]) {
            assert!((got - expected).abs() < 1e-6, "{corners:?}");
        }
    }
}
