//! Whether mouth and nose are covered, as by a mask: a linear filter over an upright patch of the face and its keypoints.

use shared_model::image::{GrayView, Rect};
use shared_model::keypoints::{COUNT, Keypoints, LEFT_EYE, RIGHT_EYE};

use super::covered_weights::{OFFSET, WEIGHTS};

/// Side of the patch in pixels.
const SIDE: usize = 40;
/// Side of the patch in blocks.
const BLOCKS: usize = 10;
/// Pixels along a side of a block.
const BLOCK: usize = SIDE / BLOCKS;
/// Mean grey of the blocks, mean step from row to row and from column to column, and the keypoints but the eyes.
pub const FEATURES: usize = BLOCKS * BLOCKS + 2 * BLOCKS * (BLOCKS - 1) + 2 * (COUNT - 2);

/// What of a face is looked at.
struct CoveredSettings {
    /// Side of the smallest face that is judged, in pixels: below, plain faces look like covered ones.
    face_px: f32,
    /// Width of the patch, in distances between the eyes: from ear to ear.
    width: f32,
    /// Height of the patch above the eyes, and below, in distances between the eyes: from the brows to the chin.
    height: [f32; 2],
    /// Added to the deviation of the grey values that divides them, in grey levels: noise of a flat face stays small.
    noise: f32,
    /// Most pixels along each axis that one of the patch is the mean of; more take time and change little.
    mean_px: usize,
}

const SETTINGS: CoveredSettings = CoveredSettings {
    face_px: 60.0,
    width: 2.4,
    height: [0.8, 1.9],
    noise: 5.0,
    mean_px: 6,
};

/// Tells covered faces; its memory is used again.
#[derive(Debug, Clone)]
pub struct Covered {
    patch: Vec<f32>,
    features: [f32; FEATURES],
}

impl Default for Covered {
    fn default() -> Self {
        Self {
            patch: vec![0.0; SIDE * SIDE],
            features: [0.0; FEATURES],
        }
    }
}

impl Covered {
    /// Whether a face is covered; `bounds` and keypoints in pixels of the picture. Of a small face nothing is said.
    pub fn is_covered(&mut self, picture: GrayView<'_>, bounds: &Rect, keypoints: &Keypoints) -> bool {
        let Some(features) = self.features(picture, bounds, keypoints) else {
            return false;
        };
        let products = features.iter().zip(&WEIGHTS).map(|(feature, weight)| feature * weight);
        products.sum::<f32>() + OFFSET > 0.0
    }

    /// What the filter weighs; `None` for a face that is too small, or whose eyes lie on one another.
    pub fn features(
        &mut self,
        picture: GrayView<'_>,
        bounds: &Rect,
        keypoints: &Keypoints,
    ) -> Option<&[f32; FEATURES]> {
        let upright = Upright::of(keypoints).filter(|_| bounds.w >= SETTINGS.face_px)?;
        upright.cut(picture, &mut self.patch);
        normalise(&mut self.patch);
        let (greys, rest) = self.features.split_at_mut(BLOCKS * BLOCKS);
        let (down, rest) = rest.split_at_mut(BLOCKS * (BLOCKS - 1));
        let (across, points) = rest.split_at_mut(BLOCKS * (BLOCKS - 1));
        let patch = &self.patch;
        blocks(greys, BLOCKS, |at| patch[at]);
        blocks(down, BLOCKS, |at| (patch[at + SIDE] - patch[at]).abs());
        blocks(across, BLOCKS - 1, |at| (patch[at + 1] - patch[at]).abs());
        let others = (0..COUNT).filter(|at| ![LEFT_EYE, RIGHT_EYE].contains(at));
        for (pair, at) in points.as_chunks_mut::<2>().0.iter_mut().zip(others) {
            *pair = upright.place(keypoints.0[at]);
        }
        Some(&self.features)
    }
}

/// Where a face stands upright: its eyes lie level at -0.5 and 0.5.
struct Upright {
    /// Between the eyes, in pixels.
    middle: [f32; 2],
    /// From the eye at the picture's left to the other, in pixels.
    across: [f32; 2],
    /// Distance between the eyes in pixels.
    eyes_px: f32,
}

impl Upright {
    fn of(keypoints: &Keypoints) -> Option<Self> {
        // The visitor's right eye is at the picture's left.
        let ([left_x, left_y], [right_x, right_y]) = (keypoints.0[RIGHT_EYE], keypoints.0[LEFT_EYE]);
        let eyes_px = keypoints.eye_distance();
        (eyes_px.is_finite() && eyes_px >= 1.0).then(|| Self {
            middle: [f32::midpoint(left_x, right_x), f32::midpoint(left_y, right_y)],
            across: [right_x - left_x, right_y - left_y],
            eyes_px,
        })
    }

    /// A point of the picture in distances between the eyes, from the middle between them.
    fn place(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let ([ux, uy], [x, y]) = (self.across, [x - self.middle[0], y - self.middle[1]]);
        let square = self.eyes_px * self.eyes_px;
        [(x * ux + y * uy) / square, (y * ux - x * uy) / square]
    }

    /// Cuts the patch out of a picture, in grey levels; the picture's edge is repeated outside.
    fn cut(&self, picture: GrayView<'_>, patch: &mut [f32]) {
        let [above, below] = SETTINGS.height;
        let [across, down] = [SETTINGS.width, above + below].map(|length| length / SIDE as f32);
        let side = (self.eyes_px * across).round() as usize;
        let side = side.clamp(1, SETTINGS.mean_px);
        let [ux, uy] = self.across;
        // The middle of the first pixel, from the eyes, and the first of the pixels that it is the mean of.
        let (x, y) = ((across - SETTINGS.width) / 2.0, down / 2.0 - above);
        let half = (side as f32 - 1.0) / 2.0;
        let first = [
            self.middle[0] + x * ux - y * uy - half,
            self.middle[1] + x * uy + y * ux - half,
        ];
        let [first, column, row] = [first, [across * ux, across * uy], [-down * uy, down * ux]].map(|it| it.map(fixed));
        for (at, grey) in patch.iter_mut().enumerate() {
            let (columns, rows) = ((at % SIDE) as i64, (at / SIDE) as i64);
            let place = [0, 1].map(|axis| (first[axis] + columns * column[axis] + rows * row[axis]) >> FRACTION);
            *grey = mean_from(picture, place, side);
        }
    }
}

/// Bits behind the point of a place in pixels. Rounding numbers with a fraction would take most of the time.
const FRACTION: u32 = 16;

fn fixed(pixels: f32) -> i64 {
    // Far more than any picture has.
    (f64::from(pixels.clamp(-1e6, 1e6)) * f64::from(1 << FRACTION)) as i64
}

/// Mean grey of `side` by `side` pixels from this one on.
fn mean_from(picture: GrayView<'_>, [left, top]: [i64; 2], side: usize) -> f32 {
    let inside = |place: i64, length: usize| place.clamp(0, length as i64 - 1) as usize;
    let from = inside(left, picture.width());
    let all = from as i64 == left && from + side <= picture.width();
    let mut sum = 0u32;
    for row in top..top + side as i64 {
        let row = picture.row(inside(row, picture.height()));
        if all {
            sum += row[from..from + side].iter().map(|grey| u32::from(*grey)).sum::<u32>();
        } else {
            let columns = left..left + side as i64;
            sum += columns
                .map(|column| u32::from(row[inside(column, row.len())]))
                .sum::<u32>();
        }
    }
    sum as f32 / (side * side) as f32
}

/// Mean 0, and deviation 1 or less.
fn normalise(patch: &mut [f32]) {
    let count = patch.len() as f32;
    let mean = patch.iter().sum::<f32>() / count;
    let variance = patch.iter().map(|grey| (grey - mean).powi(2)).sum::<f32>() / count;
    let scale = 1.0 / (variance.sqrt() + SETTINGS.noise);
    for grey in patch {
        *grey = (*grey - mean) * scale;
    }
}

/// Means of something over blocks of the patch, in rows of `columns`; `value` takes a pixel's place.
fn blocks(means: &mut [f32], columns: usize, value: impl Fn(usize) -> f32) {
    for (at, mean) in means.iter_mut().enumerate() {
        let first = at / columns * BLOCK * SIDE + at % columns * BLOCK;
        let pixels = (0..BLOCK * BLOCK).map(|pixel| first + pixel / BLOCK * SIDE + pixel % BLOCK);
        *mean = pixels.map(&value).sum::<f32>() / (BLOCK * BLOCK) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACE: Rect = Rect {
        x: 20.0,
        y: 20.0,
        w: 100.0,
        h: 100.0,
    };

    /// Keypoints with these eyes, all others between them.
    fn eyes(left_of_picture: [f32; 2], right_of_picture: [f32; 2]) -> Keypoints {
        let middle = [
            f32::midpoint(left_of_picture[0], right_of_picture[0]),
            f32::midpoint(left_of_picture[1], right_of_picture[1]),
        ];
        let mut points = [middle; COUNT];
        (points[RIGHT_EYE], points[LEFT_EYE]) = (left_of_picture, right_of_picture);
        Keypoints(points)
    }

    /// A picture that gets brighter downwards.
    fn downwards() -> Vec<u8> {
        (0..140 * 140).map(|at| (at / 140) as u8).collect()
    }

    #[test]
    fn a_turned_face_is_looked_at_as_one_that_stands_upright() {
        let pixels = downwards();
        let picture = GrayView::new(&pixels, 140, 140).unwrap();
        let turned: Vec<u8> = (0..140 * 140).map(|at| (139 - at % 140) as u8).collect();
        let turned = GrayView::new(&turned, 140, 140).unwrap();
        let mut covered = Covered::default();
        let upright = *covered
            .features(picture, &FACE, &eyes([50.0, 60.0], [90.0, 60.0]))
            .unwrap();
        let other = covered
            .features(turned, &FACE, &eyes([80.0, 50.0], [80.0, 90.0]))
            .unwrap();
        for (a, b) in upright.iter().zip(other) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
        // Dark above, bright below, and the same from left to right.
        assert!(upright[0] < -1.0 && upright[99] > 1.0);
        assert!((upright[0] - upright[9]).abs() < 1e-6);
    }

    #[test]
    fn a_small_face_or_one_without_eyes_is_not_called_covered() {
        let pixels = downwards();
        let picture = GrayView::new(&pixels, 140, 140).unwrap();
        let mut covered = Covered::default();
        let small = Rect { w: 59.0, ..FACE };
        let level = eyes([50.0, 60.0], [90.0, 60.0]);
        assert!(covered.features(picture, &small, &level).is_none());
        assert!(!covered.is_covered(picture, &small, &level));
        for lost in [[50.0, 60.0], [f32::NAN, 60.0], [f32::INFINITY, 0.0]] {
            let keypoints = eyes([50.0, 60.0], lost);
            assert!(covered.features(picture, &FACE, &keypoints).is_none(), "{lost:?}");
        }
    }

    #[test]
    fn keypoints_far_outside_the_picture_do_no_harm() {
        let pixels = downwards();
        let picture = GrayView::new(&pixels, 140, 140).unwrap();
        let mut covered = Covered::default();
        for far in [[-1e30, 1e30], [1e9, -1e9], [-500.0, 400.0]] {
            let features = covered.features(picture, &FACE, &eyes(far, [90.0, 60.0]));
            if let Some(features) = features {
                assert!(features.iter().all(|feature| !feature.is_infinite()), "{far:?}");
            }
            covered.is_covered(picture, &FACE, &eyes(far, [90.0, 60.0]));
        }
    }
}
