//! The 15 facial keypoints of the Kaggle set: names, order, mirror permutation.
//!
//! Left and right are the visitor's own: `left_eye_center` lies on the right side of the picture.

/// Number of keypoints of a face.
pub const COUNT: usize = 15;

/// Number of coordinates, `x` and `y` of each point in turn: what a keypoint network gives.
pub const COORDINATES: usize = 2 * COUNT;

/// Names in the order of the networks' outputs, as in the columns of Kaggle's `training.csv`
/// (there with `_x` and `_y` appended).
pub const NAMES: [&str; COUNT] = [
    "left_eye_center",
    "right_eye_center",
    "left_eye_inner_corner",
    "left_eye_outer_corner",
    "right_eye_inner_corner",
    "right_eye_outer_corner",
    "left_eyebrow_inner_end",
    "left_eyebrow_outer_end",
    "right_eyebrow_inner_end",
    "right_eyebrow_outer_end",
    "nose_tip",
    "mouth_left_corner",
    "mouth_right_corner",
    "mouth_center_top_lip",
    "mouth_center_bottom_lip",
];

/// Where each point goes when a face is mirrored: left and right change places.
pub const MIRROR: [usize; COUNT] = [1, 0, 4, 5, 2, 3, 8, 9, 6, 7, 10, 12, 11, 13, 14];

/// Index of the keypoint `left_eye_center`.
pub const LEFT_EYE: usize = 0;
/// Index of the keypoint `right_eye_center`.
pub const RIGHT_EYE: usize = 1;
/// Index of the keypoint `nose_tip`.
pub const NOSE: usize = 10;
/// Index of the keypoint `mouth_left_corner`.
pub const MOUTH_LEFT: usize = 11;
/// Index of the keypoint `mouth_right_corner`.
pub const MOUTH_RIGHT: usize = 12;
/// Index of the keypoint `mouth_center_top_lip`.
pub const TOP_LIP: usize = 13;
/// Index of the keypoint `mouth_center_bottom_lip`.
pub const BOTTOM_LIP: usize = 14;

/// The mean face of the Kaggle set, in a picture of 96 pixels, with the nose where its complete faces have it. It looks
/// straight at the camera.
pub const MEAN_FACE: Keypoints = Keypoints([
    [66.4, 37.7],
    [30.3, 37.9],
    [59.2, 38.0],
    [73.3, 38.4],
    [36.7, 38.0],
    [22.4, 38.4],
    [56.1, 29.3],
    [79.5, 29.7],
    [39.3, 29.5],
    [15.9, 30.4],
    [48.4, 57.1],
    [63.3, 75.9],
    [32.7, 76.2],
    [48.0, 72.9],
    [48.1, 78.5],
]);

/// A point in pixels, `[x, y]`.
pub type Point = [f32; 2];

/// The keypoints of one face, in the order of [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Keypoints(pub [Point; COUNT]);

impl Keypoints {
    /// From [`COORDINATES`] numbers, `x` and `y` in turn; `None` for another count.
    pub fn from_coordinates(values: &[f32]) -> Option<Self> {
        if values.len() != COORDINATES {
            return None;
        }
        let mut points = [[0.0; 2]; COUNT];
        for (point, pair) in points.iter_mut().zip(values.chunks_exact(2)) {
            *point = [pair[0], pair[1]];
        }
        Some(Self(points))
    }

    /// The same face mirrored in a picture `width` pixels wide.
    ///
    /// Pixel `i` covers `[i, i + 1)`, so `x` becomes `width - x`. Kaggle's coordinates follow this
    /// convention: over its 2,140 complete faces the mean left and right positions add up to 96.1.
    #[must_use]
    pub fn mirrored(&self, width: f32) -> Self {
        Self(core::array::from_fn(|at| {
            let [x, y] = self.0[MIRROR[at]];
            [width - x, y]
        }))
    }

    /// Distance between the eye centres in pixels.
    pub fn eye_distance(&self) -> f32 {
        let [left, right] = [self.0[LEFT_EYE], self.0[RIGHT_EYE]];
        libm::hypotf(left[0] - right[0], left[1] - right[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_swaps_left_and_right_by_name() {
        for (at, name) in NAMES.iter().enumerate() {
            let other = NAMES[MIRROR[at]];
            let swapped: heapless::String<32> = match name.strip_prefix("left_") {
                Some(rest) => join("right_", rest),
                None => match name.strip_prefix("right_") {
                    Some(rest) => join("left_", rest),
                    None if *name == "mouth_left_corner" => join("mouth_right", "_corner"),
                    None if *name == "mouth_right_corner" => join("mouth_left", "_corner"),
                    None => join(name, ""),
                },
            };
            assert_eq!(other, swapped.as_str());
        }
    }

    fn join(a: &str, b: &str) -> heapless::String<32> {
        let mut text = heapless::String::new();
        text.push_str(a).unwrap();
        text.push_str(b).unwrap();
        text
    }

    #[test]
    fn mirroring_twice_changes_nothing() {
        let face = Keypoints(core::array::from_fn(|at| [at as f32 * 3.0, at as f32 + 0.5]));
        assert_ne!(face.mirrored(96.0), face);
        assert_eq!(face.mirrored(96.0).mirrored(96.0), face);
        assert_eq!(face.mirrored(96.0).0[0], [93.0, 1.5]);
    }

    #[test]
    fn reads_pairs_in_order() {
        let values: [f32; COORDINATES] = core::array::from_fn(|at| at as f32);
        let face = Keypoints::from_coordinates(&values).unwrap();
        assert_eq!(face.0[10], [20.0, 21.0]);
        assert_eq!(Keypoints::from_coordinates(&values[1..]), None);
    }

    #[test]
    fn eye_distance_is_euclidean() {
        let mut face = Keypoints([[0.0; 2]; COUNT]);
        face.0[LEFT_EYE] = [3.0, 4.0];
        assert!((face.eye_distance() - 5.0).abs() < 1e-6);
    }
}
