//! How a head is held and what a face does with mouth and brows, from the 15 keypoints alone.
//!
//! The pose is a *perspective-n-point* problem: ten points of a mean head (`MEAN`), those that the skull carries, are laid
//! over the keypoints by a turn, a scale and a shift. A camera far away is assumed (scaled orthography), so that its lens
//! need not be known. The best linear map is found by least squares, and the nearest turn to it is taken.
//!
//! Axes of the mean head: `x` to the picture's right, `y` down, `z` towards the camera. A head is turned by its yaw around
//! its own vertical axis, then by its pitch, then by its roll in the plane of the picture.
//!
//! Gestures are lengths on the head, in distances of its eyes: what pose and distance do to them is taken out. Left and
//! right are the visitor's own.

use shared_model::keypoints::{
    BOTTOM_LIP, COUNT, Keypoints, LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, Point, RIGHT_EYE, TOP_LIP,
};

/// The mean head, in distances of its eyes: from the 2,140 complete faces of the Kaggle set and 3,710 frames of faces that
/// turn, by factorisation (structure from motion). Depths of brows and lips are means over what faces do.
const MEAN: [[f32; 3]; COUNT] = [
    [0.500, -0.262, -0.079],
    [-0.500, -0.262, -0.079],
    [0.307, -0.248, -0.066],
    [0.691, -0.256, -0.157],
    [-0.307, -0.248, -0.066],
    [-0.691, -0.256, -0.157],
    [0.267, -0.546, 0.173],
    [0.892, -0.486, -0.225],
    [-0.267, -0.546, 0.173],
    [-0.892, -0.486, -0.225],
    [0.000, 0.286, 0.508],
    [0.409, 0.810, -0.074],
    [-0.409, 0.810, -0.074],
    [0.000, 0.691, 0.248],
    [0.000, 0.996, 0.096],
];

/// Points that the skull carries: eyes, nose, corners of the mouth and upper lip. Brows and lower lip move by themselves.
const RIGID: [usize; 10] = [0, 1, 2, 3, 4, 5, 10, 11, 12, 13];

const LEFT_BROW: [usize; 2] = [6, 7];
const RIGHT_BROW: [usize; 2] = [8, 9];

/// Beyond 75 degrees lengths along the line of sight cannot be told any more.
const LEAST_COSINE: f32 = 0.26;

/// How a head is held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPose {
    /// To the side in degrees, -90 to 90; above 0 the nose points to the visitor's left, which is the picture's right.
    pub yaw: f32,
    /// Up or down in degrees, -90 to 90; above 0 the head is bowed.
    pub pitch: f32,
    /// In the plane of the picture in degrees, -180 to 180; above 0 the head is turned clockwise as the picture shows it.
    pub roll: f32,
    /// Pixels of one distance of the eyes, as if the head looked straight into the camera.
    pub scale: f32,
}

/// What a face does, in distances of its eyes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gestures {
    /// How the head is held.
    pub pose: HeadPose,
    /// Between the corners of the mouth; 0.82 in the mean face.
    pub mouth_width: f32,
    /// From the middle of the upper lip to that of the lower one; 0.31 in the mean face, and never below 0.
    pub mouth_height: f32,
    /// From the centre of the left eye up to the middle of the left brow's ends; 0.25 in the mean face.
    pub brow_left: f32,
    /// The same on the visitor's right.
    pub brow_right: f32,
}

impl HeadPose {
    /// The pose of these keypoints; `None` where they are no face: not numbers, or all in one place or on one line.
    pub fn of(keypoints: &Keypoints) -> Option<Self> {
        Fit::of(keypoints).map(|fit| fit.pose)
    }
}

impl Gestures {
    /// What these keypoints show; `None` where they are no face, as in [`HeadPose::of`].
    pub fn of(keypoints: &Keypoints) -> Option<Self> {
        let fit = Fit::of(keypoints)?;
        let brow = |ends: [usize; 2], eye: usize| {
            let heights = ends.map(|end| fit.height(keypoints, end, eye));
            f32::midpoint(heights[0], heights[1])
        };
        let gestures = Self {
            pose: fit.pose,
            mouth_width: fit.width(keypoints, MOUTH_RIGHT, MOUTH_LEFT),
            mouth_height: fit.height(keypoints, TOP_LIP, BOTTOM_LIP).max(0.0),
            brow_left: brow(LEFT_BROW, LEFT_EYE),
            brow_right: brow(RIGHT_BROW, RIGHT_EYE),
        };
        let values = [
            gestures.mouth_width,
            gestures.mouth_height,
            gestures.brow_left,
            gestures.brow_right,
        ];
        values.iter().all(|value| value.is_finite()).then_some(gestures)
    }

    /// Of the mean face that looks straight into the camera, one pixel between its eyes.
    pub fn mean() -> Self {
        let height = |upper: usize, lower: usize| MEAN[lower][1] - MEAN[upper][1];
        let brow = f32::midpoint(height(LEFT_BROW[0], LEFT_EYE), height(LEFT_BROW[1], LEFT_EYE));
        Self {
            pose: HeadPose {
                yaw: 0.0,
                pitch: 0.0,
                roll: 0.0,
                scale: 1.0,
            },
            mouth_width: MEAN[MOUTH_LEFT][0] - MEAN[MOUTH_RIGHT][0],
            mouth_height: height(TOP_LIP, BOTTOM_LIP),
            brow_left: brow,
            brow_right: brow,
        }
    }
}

/// The mean head, laid over keypoints.
struct Fit {
    pose: HeadPose,
    /// Sine and cosine of yaw and pitch, and the unit vectors of the head's axes in the picture once the roll is taken out.
    yaw: (f32, f32),
    pitch: (f32, f32),
    roll: (f32, f32),
}

impl Fit {
    fn of(keypoints: &Keypoints) -> Option<Self> {
        let [first, second] = orthonormal(linear(keypoints)?)?;
        let (rows, scale) = ([first.0, second.0], first.1);
        // The third row completes the turn; its sign follows from `z` towards the camera.
        let [a, b] = rows;
        let third_z = a[0] * b[1] - a[1] * b[0];
        let roll = (-a[1]).atan2(b[1]);
        let (sin, cos) = roll.sin_cos();
        // Where the nose points, without the roll.
        let (x, y) = (a[2] * cos + b[2] * sin, b[2] * cos - a[2] * sin);
        let yaw = x.clamp(-1.0, 1.0).asin();
        let pitch = y.atan2(third_z);
        let pose = HeadPose {
            yaw: yaw.to_degrees(),
            pitch: pitch.to_degrees(),
            roll: roll.to_degrees(),
            scale,
        };
        let numbers = [pose.yaw, pose.pitch, pose.roll, pose.scale];
        (numbers.iter().all(|number| number.is_finite()) && scale > 0.0).then_some(Self {
            pose,
            yaw: yaw.sin_cos(),
            pitch: pitch.sin_cos(),
            roll: (sin, cos),
        })
    }

    /// From one point to another in distances of the eyes, without the roll.
    fn step(&self, keypoints: &Keypoints, from: usize, to: usize) -> Point {
        let ([ax, ay], [bx, by]) = (keypoints.0[from], keypoints.0[to]);
        let (x, y) = ((bx - ax) / self.pose.scale, (by - ay) / self.pose.scale);
        let (sin, cos) = self.roll;
        [x * cos + y * sin, y * cos - x * sin]
    }

    /// Along the head's `x`; how much deeper one point lies than the other is that of the mean head.
    fn width(&self, keypoints: &Keypoints, from: usize, to: usize) -> f32 {
        let depth = MEAN[to][2] - MEAN[from][2];
        let (sin, cos) = self.yaw;
        (self.step(keypoints, from, to)[0] - depth * sin) / cos.max(LEAST_COSINE)
    }

    /// Along the head's `y`, likewise.
    fn height(&self, keypoints: &Keypoints, upper: usize, lower: usize) -> f32 {
        let [across, depth] = [0, 2].map(|axis| MEAN[lower][axis] - MEAN[upper][axis]);
        let ((yaw_sin, yaw_cos), (sin, cos)) = (self.yaw, self.pitch);
        let hidden = (depth * yaw_cos - across * yaw_sin) * sin;
        (self.step(keypoints, upper, lower)[1] - hidden) / cos.max(LEAST_COSINE)
    }
}

/// The linear map from the mean head to the keypoints with the least squares: two rows of three numbers, in pixels.
fn linear(keypoints: &Keypoints) -> Option<[[f32; 3]; 2]> {
    let count = RIGID.len() as f32;
    let mean = |of: &dyn Fn(usize) -> f32| RIGID.iter().map(|at| of(*at)).sum::<f32>() / count;
    let head_centre: [f32; 3] = std::array::from_fn(|axis| mean(&|at| MEAN[at][axis]));
    let centre: [f32; 2] = std::array::from_fn(|axis| mean(&|at| keypoints.0[at][axis]));
    let (mut squares, mut mixed) = ([[0.0_f32; 3]; 3], [[0.0_f32; 3]; 2]);
    for at in RIGID {
        let head: [f32; 3] = std::array::from_fn(|axis| MEAN[at][axis] - head_centre[axis]);
        for (row, squares) in squares.iter_mut().enumerate() {
            (0..3).for_each(|axis| squares[axis] += head[row] * head[axis]);
        }
        for (row, mixed) in mixed.iter_mut().enumerate() {
            let seen = keypoints.0[at][row] - centre[row];
            (0..3).for_each(|axis| mixed[axis] += seen * head[axis]);
        }
    }
    let inverse = inverse(squares)?;
    Some(mixed.map(|row| std::array::from_fn(|axis| (0..3).map(|at| row[at] * inverse[at][axis]).sum())))
}

/// Inverse of a symmetric matrix, by its adjugate.
fn inverse(m: [[f32; 3]; 3]) -> Option<[[f32; 3]; 3]> {
    let minor = |row: usize, column: usize| {
        let (a, b) = ((row + 1) % 3, (row + 2) % 3);
        let (c, d) = ((column + 1) % 3, (column + 2) % 3);
        m[a][c] * m[b][d] - m[a][d] * m[b][c]
    };
    let determinant: f32 = (0..3).map(|column| m[0][column] * minor(0, column)).sum();
    let inverse = std::array::from_fn(|row| std::array::from_fn(|column| minor(column, row) / determinant));
    (determinant.abs() > f32::EPSILON).then_some(inverse)
}

/// The two orthogonal unit vectors nearest to two rows, each with the scale that both share: `(M Mᵀ)^-½ M`.
fn orthonormal([a, b]: [[f32; 3]; 2]) -> Option<[([f32; 3], f32); 2]> {
    let dot = |p: [f32; 3], q: [f32; 3]| p.iter().zip(q).map(|(p, q)| p * q).sum::<f32>();
    let (aa, ab, bb) = (dot(a, a), dot(a, b), dot(b, b));
    // The square root of a symmetric 2x2 matrix, and its inverse, in closed form.
    let root = (aa * bb - ab * ab).max(0.0).sqrt();
    let trace = (aa + bb + 2.0 * root).sqrt();
    let scale = trace / 2.0;
    if !(root > f32::EPSILON * scale * scale && scale.is_finite()) {
        return None;
    }
    let weight = root * trace;
    let mix = |p: [f32; 3], own: f32, q: [f32; 3]| -> [f32; 3] {
        std::array::from_fn(|axis| ((own + root) * p[axis] - ab * q[axis]) / weight)
    };
    Some([(mix(a, bb, b), scale), (mix(b, aa, a), scale)])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean head turned by these degrees, 40 pixels between its eyes.
    fn head(yaw: f32, pitch: f32, roll: f32) -> Keypoints {
        let ((ys, yc), (ps, pc), (rs, rc)) = (
            yaw.to_radians().sin_cos(),
            pitch.to_radians().sin_cos(),
            roll.to_radians().sin_cos(),
        );
        Keypoints(MEAN.map(|[x, y, z]| {
            let (x, z) = (x * yc + z * ys, z * yc - x * ys);
            let y = y * pc + z * ps;
            [200.0 + 40.0 * (x * rc - y * rs), 150.0 + 40.0 * (x * rs + y * rc)]
        }))
    }

    fn near(found: f32, expected: f32, within: f32, what: &str) {
        assert!(
            (found - expected).abs() <= within,
            "{what}: {found} instead of {expected}"
        );
    }

    #[test]
    fn a_turned_mean_head_gives_its_turn_and_the_gestures_of_the_mean_face() {
        let mean = Gestures::mean();
        for yaw in [-60.0, -25.0, 0.0, 10.0, 45.0] {
            for pitch in [-35.0, 0.0, 20.0] {
                for roll in [-150.0, -20.0, 0.0, 5.0, 90.0] {
                    let found = Gestures::of(&head(yaw, pitch, roll)).unwrap();
                    let what = format!("{yaw} {pitch} {roll}");
                    near(found.pose.yaw, yaw, 0.1, &what);
                    near(found.pose.pitch, pitch, 0.1, &what);
                    near(found.pose.roll, roll, 0.1, &what);
                    near(found.pose.scale, 40.0, 0.1, &what);
                    near(found.mouth_width, mean.mouth_width, 0.01, &what);
                    near(found.mouth_height, mean.mouth_height, 0.01, &what);
                    near(found.brow_left, mean.brow_left, 0.01, &what);
                    near(found.brow_right, mean.brow_right, 0.01, &what);
                }
            }
        }
    }

    #[test]
    fn in_a_mirror_yaw_and_roll_change_their_sign_and_the_brows_their_side() {
        let mut face = head(20.0, -10.0, 12.0);
        face.0[LEFT_BROW[0]][1] -= 4.0;
        let (own, mirrored) = (
            Gestures::of(&face).unwrap(),
            Gestures::of(&face.mirrored(400.0)).unwrap(),
        );
        near(mirrored.pose.yaw, -own.pose.yaw, 0.01, "yaw");
        near(mirrored.pose.roll, -own.pose.roll, 0.01, "roll");
        near(mirrored.pose.pitch, own.pose.pitch, 0.01, "pitch");
        near(mirrored.brow_right, own.brow_left, 0.001, "brow");
        assert!(own.brow_left > own.brow_right + 0.03, "{own:?}");
    }

    #[test]
    fn a_mouth_that_opens_and_brows_that_rise_are_seen_and_do_not_turn_the_head() {
        let mut face = head(0.0, 0.0, 0.0);
        let before = Gestures::of(&face).unwrap();
        face.0[BOTTOM_LIP][1] += 10.0;
        face.0[LEFT_BROW[0]][1] -= 8.0;
        face.0[LEFT_BROW[1]][1] -= 8.0;
        let after = Gestures::of(&face).unwrap();
        assert_eq!(after.pose, before.pose);
        near(after.mouth_height - before.mouth_height, 0.25, 0.001, "mouth");
        near(after.brow_left - before.brow_left, 0.2, 0.001, "brow");
        assert_eq!(after.brow_right, before.brow_right);
    }

    #[test]
    fn what_is_no_face_has_no_pose() {
        let line: [Point; COUNT] = std::array::from_fn(|at| [at as f32, 2.0 * at as f32]);
        for points in [
            [[1.0, 1.0]; COUNT],
            [[f32::NAN, 1.0]; COUNT],
            [[f32::INFINITY, 0.0]; COUNT],
            line,
        ] {
            assert_eq!(Gestures::of(&Keypoints(points)), None, "{points:?}");
        }
    }
}
