//! What the 15 keypoints tell about a face: where its box is, whether they can be a face, where it looks.
//!
//! The constants were measured over 1,214 detections (the project's photographs and films, 619 faces of the
//! keypoint set), each with the keypoints that the shipped network found in it.

use std::ops::RangeInclusive;

use shared_model::image::Rect;
use shared_model::keypoints::{BOTTOM_LIP, COUNT, Keypoints, LEFT_EYE, NOSE, Point, RIGHT_EYE, TOP_LIP};

/// What the points of a face that looks at the camera have in common.
struct ShapeSettings {
    /// Side of the detector's box over the root mean square distance of the points from their mean; half of all
    /// faces lie within 6 % of it. Their mean is the centre of the box: the medians of both shifts are below
    /// 0.01 sides. (The distance of the eyes spreads wider, and shrinks when the face turns.)
    side_per_spread: f32,
    /// The nose's place between the eyes of a face that still looks at the camera: 0 is at the visitor's right
    /// eye, 1 at the left one. 90 % of the detected faces lie in 0.22 to 0.78.
    facing: RangeInclusive<f32>,
}

const SHAPE: ShapeSettings = ShapeSettings {
    side_per_spread: 3.4,
    facing: 0.18..=0.82,
};

/// The box that the detector would give, a square.
pub fn bounds(keypoints: &Keypoints) -> Rect {
    let [cx, cy] = mean(keypoints);
    let squares = keypoints.0.iter().map(|[x, y]| (x - cx).powi(2) + (y - cy).powi(2));
    let side = SHAPE.side_per_spread * (squares.sum::<f32>() / COUNT as f32).sqrt();
    Rect {
        x: cx - side / 2.0,
        y: cy - side / 2.0,
        w: side,
        h: side,
    }
}

/// What points may be a face's. The limits are wide: a network that sees no face gives a face's points nonetheless, and only
/// what is far off tells.
struct PlausibleSettings {
    /// Farthest from the middle of the box that the points give to that of the detector's, in sides of the detector's.
    shift: f32,
    /// Side of the box that the points give, in sides of the detector's.
    side: RangeInclusive<f32>,
    /// Between the eyes, in sides of the detector's box; nine in ten detections have 0.30 to 0.45.
    eyes: RangeInclusive<f32>,
    /// From the eyes down to the mouth, in the same; nine in ten have 0.37 to 0.53.
    mouth: RangeInclusive<f32>,
    /// From the eyes down to the nose, in shares of the way to the mouth.
    nose: RangeInclusive<f32>,
    /// Cosine of the angle between the line of the eyes and the horizon that must be exceeded: about 45 degrees.
    roll_cos: f32,
    /// Most points outside of the box, a fifth wider on each side.
    outside: usize,
}

const PLAUSIBLE: PlausibleSettings = PlausibleSettings {
    shift: 0.35,
    side: 0.6..=1.6,
    eyes: 0.12..=0.6,
    mouth: 0.22..=0.75,
    nose: 0.05..=1.05,
    roll_cos: 0.7,
    outside: 2,
};

/// Whether these can be the points of the face in this box of the detector.
pub fn is_plausible(keypoints: &Keypoints, face: &Rect) -> bool {
    let own = bounds(keypoints);
    let side = f32::midpoint(face.w, face.h);
    let shift = (own.x + own.w / 2.0 - face.x - face.w / 2.0).hypot(own.y + own.h / 2.0 - face.y - face.h / 2.0);
    let eyes = keypoints.eye_distance() / side;
    let Some(upright) = Upright::of(keypoints) else {
        return false;
    };
    let inside = keypoints.0.iter().filter(|point| holds(face, **point)).count();
    shift < PLAUSIBLE.shift * side
        && PLAUSIBLE.side.contains(&(own.w / side))
        && PLAUSIBLE.eyes.contains(&eyes)
        && PLAUSIBLE.mouth.contains(&(upright.mouth / side))
        && PLAUSIBLE.nose.contains(&(upright.nose / upright.mouth))
        && upright.roll_cos > PLAUSIBLE.roll_cos
        && inside + PLAUSIBLE.outside >= COUNT
}

/// Whether the face looks at the camera, more or less: its nose is between its eyes.
pub fn is_facing(keypoints: &Keypoints) -> bool {
    SHAPE.facing.contains(&nose_between_eyes(keypoints))
}

/// Where the nose lies between the eyes: 0 at the visitor's right eye, 0.5 in the middle, 1 at the left.
pub fn nose_between_eyes(keypoints: &Keypoints) -> f32 {
    let [left, right, nose] = [LEFT_EYE, RIGHT_EYE, NOSE].map(|at| keypoints.0[at]);
    let axis = [left[0] - right[0], left[1] - right[1]];
    let square = axis[0] * axis[0] + axis[1] * axis[1];
    if square > 0.0 {
        ((nose[0] - right[0]) * axis[0] + (nose[1] - right[1]) * axis[1]) / square
    } else {
        // Both eyes in one place: a profile.
        0.0
    }
}

/// Distances along the face's own downward axis, in pixels.
pub(super) struct Upright {
    /// From the eyes to the mouth.
    pub(super) mouth: f32,
    /// From the eyes to the nose.
    pub(super) nose: f32,
    /// Cosine of the angle between the line of the eyes and the horizon.
    roll_cos: f32,
}

impl Upright {
    pub(super) fn of(keypoints: &Keypoints) -> Option<Self> {
        let points = &keypoints.0;
        let distance = keypoints.eye_distance();
        if !(distance.is_finite() && distance > 0.0) {
            return None;
        }
        let across = [0, 1].map(|axis| (points[LEFT_EYE][axis] - points[RIGHT_EYE][axis]) / distance);
        let down = [-across[1], across[0]];
        let eyes = middle(points[LEFT_EYE], points[RIGHT_EYE]);
        let below = |point: Point| (point[0] - eyes[0]) * down[0] + (point[1] - eyes[1]) * down[1];
        Some(Self {
            mouth: below(middle(points[TOP_LIP], points[BOTTOM_LIP])),
            nose: below(points[NOSE]),
            roll_cos: across[0],
        })
    }
}

fn middle(a: Point, b: Point) -> Point {
    [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])]
}

fn mean(keypoints: &Keypoints) -> Point {
    [0, 1].map(|axis| keypoints.0.iter().map(|point| point[axis]).sum::<f32>() / COUNT as f32)
}

/// Whether the box, a fifth wider on each side, holds a point.
fn holds(face: &Rect, point: Point) -> bool {
    let inside = |value: f32, from: f32, length: f32| (from - 0.2 * length..=from + 1.2 * length).contains(&value);
    inside(point[0], face.x, face.w) && inside(point[1], face.y, face.h)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use shared_model::keypoints::MEAN_FACE;

    /// The mean face at this centre, with this side of its box, turned by an angle.
    pub(crate) fn face(cx: f32, cy: f32, side: f32, radians: f32) -> Keypoints {
        let own = bounds(&MEAN_FACE);
        let (sin, cos) = radians.sin_cos();
        Keypoints(MEAN_FACE.0.map(|[x, y]| {
            let (x, y) = ((x - own.x) / own.w - 0.5, (y - own.y) / own.w - 0.5);
            [cx + side * (x * cos - y * sin), cy + side * (x * sin + y * cos)]
        }))
    }

    fn square(cx: f32, cy: f32, side: f32) -> Rect {
        Rect {
            x: cx - side / 2.0,
            y: cy - side / 2.0,
            w: side,
            h: side,
        }
    }

    #[test]
    fn box_is_the_one_that_the_points_came_from() {
        for (cx, cy, side, angle) in [(50.0, 60.0, 40.0, 0.0), (300.0, 10.0, 200.0, 0.4)] {
            let found = bounds(&face(cx, cy, side, angle));
            assert!(found.overlap(&square(cx, cy, side)) > 0.99, "{found:?}");
        }
    }

    #[test]
    fn mean_face_is_plausible_where_it_is_and_nowhere_else() {
        let keypoints = face(100.0, 100.0, 80.0, 0.0);
        for (cx, cy, side, expected) in [
            (100.0, 100.0, 80.0, true),
            (110.0, 95.0, 95.0, true),
            (135.0, 100.0, 80.0, false),
            (100.0, 100.0, 160.0, false),
            (100.0, 100.0, 40.0, false),
        ] {
            let face = square(cx, cy, side);
            assert_eq!(is_plausible(&keypoints, &face), expected, "{face:?}");
        }
    }

    #[test]
    fn faces_upside_down_or_without_width_are_not_plausible() {
        let here = square(100.0, 100.0, 80.0);
        for (angle, expected) in [(0.5, true), (-0.5, true), (0.9, false), (std::f32::consts::PI, false)] {
            let keypoints = face(100.0, 100.0, 80.0, angle);
            assert_eq!(is_plausible(&keypoints, &here), expected, "{angle}");
        }
        assert!(!is_plausible(&Keypoints([[100.0, 100.0]; COUNT]), &here));
        let mut swapped = face(100.0, 100.0, 80.0, 0.0);
        swapped.0.swap(TOP_LIP, LEFT_EYE);
        swapped.0.swap(BOTTOM_LIP, RIGHT_EYE);
        assert!(!is_plausible(&swapped, &here), "mouth above the eyes");
    }

    #[test]
    fn a_nose_beside_the_eyes_is_a_face_turned_away() {
        for (nose, facing) in [
            (0.5, true),
            (0.25, true),
            (0.75, true),
            (0.1, false),
            (0.95, false),
            (-0.3, false),
        ] {
            let mut keypoints = face(100.0, 100.0, 80.0, 0.2);
            let [left, right] = [keypoints.0[LEFT_EYE], keypoints.0[RIGHT_EYE]];
            let drop = keypoints.0[NOSE][1] - f32::midpoint(left[1], right[1]);
            let along = [0, 1].map(|axis| right[axis] + nose * (left[axis] - right[axis]));
            // Below the line of the eyes, at a right angle to it.
            keypoints.0[NOSE] = [along[0] - drop * 0.2f32.tan(), along[1] + drop];
            assert!((nose_between_eyes(&keypoints) - nose).abs() < 0.02);
            assert_eq!(is_facing(&keypoints), facing, "{nose}");
        }
        assert!(!is_facing(&Keypoints([[1.0, 1.0]; COUNT])));
    }
}
