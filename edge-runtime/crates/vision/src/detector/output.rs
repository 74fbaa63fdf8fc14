//! What the network of a bundle gives, as decoding wants it, and its boxes in pixels of the picture.

use inference::DetectorNetwork;
use shared_model::image::{CropRule, Rect};

use super::decode::{Detection, Map};

/// Most output maps of a detector.
const MAPS: usize = shared_model::manifest::MAX_OUTPUTS;

/// How the cascade's square box, to which the networks' crops are relative, lies relative to a box of the detector. Over
/// 275 faces of the detector's data that the cascade finds as well, of eight sources, the medians are these; half of the
/// scales lie in 0.93 to 1.01.
const FRAMING: CropRule = CropRule {
    scale: 0.97,
    dx: 0.0,
    dy: -0.008,
};

/// The network learns heads that are tilted so far, in radians, and little beyond.
const MOST_ROLL: f32 = 0.65;

/// The network's maps of its last run, for decoding.
pub(super) fn maps(network: &DetectorNetwork) -> heapless::Vec<Map<'_>, MAPS> {
    let maps = network.maps().map(|map| Map {
        values: map.values,
        columns: map.columns,
        rows: map.rows,
        pixel_step: map.pixel_step,
        channel_step: map.channel_step,
    });
    maps.collect()
}

/// The square of a face to which the networks' crops are relative; the input is reduced so much, across and down.
pub(super) fn framed(face: &Detection, scale: [f32; 2]) -> Rect {
    FRAMING.apply(&in_picture(face.bounds, scale))
}

/// A face of the mirror image of an input with so many columns, where it is in the input itself.
pub(super) fn mirror(face: &Detection, columns: usize) -> Detection {
    let columns = columns as f32;
    let [left, top, right, bottom] = face.bounds;
    let [eye, other_eye, nose, corner, other_corner] = face.points.map(|[x, y]| [columns - x, y]);
    Detection {
        score: face.score,
        bounds: [columns - right, top, columns - left, bottom],
        // From left to right again.
        points: [other_eye, eye, nose, other_corner, corner],
    }
}

/// How far a head is tilted towards a shoulder by its five points, in radians, clockwise, at most [`MOST_ROLL`]: the mean of
/// the lines through eyes and corners of the mouth, and of the one that goes down from the middle of the eyes to that of
/// the mouth, each by its length.
pub(super) fn roll(face: &Detection, [across, down]: [f32; 2]) -> f32 {
    let [eye, other_eye, _, corner, other_corner] = face.points.map(|[x, y]| [x * across, y * down]);
    let line = |from: [f32; 2], to: [f32; 2]| [to[0] - from[0], to[1] - from[1]];
    let middle = |a: [f32; 2], b: [f32; 2]| [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])];
    let (eyes, mouth) = (line(eye, other_eye), line(corner, other_corner));
    let [x, y] = line(middle(eye, other_eye), middle(corner, other_corner));
    let roll = (eyes[1] + mouth[1] - x).atan2(eyes[0] + mouth[0] + y);
    if roll.is_finite() {
        roll.clamp(-MOST_ROLL, MOST_ROLL)
    } else {
        0.0
    }
}

/// Left, top, right and bottom in the reduced picture as a rectangle of the picture.
fn in_picture([left, top, right, bottom]: [f32; 4], [across, down]: [f32; 2]) -> Rect {
    Rect {
        x: left * across,
        y: top * down,
        w: (right - left) * across,
        h: (bottom - top) * down,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_of_the_mirror_image_lies_at_the_other_side_and_is_tilted_the_other_way() {
        let face = Detection {
            score: 0.9,
            bounds: [10.0, 20.0, 50.0, 60.0],
            points: [[20.0, 30.0], [40.0, 38.0], [29.0, 44.0], [19.0, 48.0], [35.0, 55.0]],
        };
        let there = mirror(&face, 160);
        assert_eq!(there.bounds, [110.0, 20.0, 150.0, 60.0]);
        assert_eq!(
            there.points,
            [
                [120.0, 38.0],
                [140.0, 30.0],
                [131.0, 44.0],
                [125.0, 55.0],
                [141.0, 48.0]
            ]
        );
        assert!((roll(&there, [1.0; 2]) + roll(&face, [1.0; 2])).abs() < 1e-6);
        assert_eq!(mirror(&there, 160), face);
    }

    #[test]
    fn the_roll_is_that_of_the_points_and_nothing_wild() {
        let tilted = |angle: f32| {
            let upright = [
                [-20.0, -15.0],
                [20.0, -15.0],
                [0.0, 0.0],
                [-14.0, 22.0],
                [14.0, 22.0f32],
            ];
            let (sin, cos) = angle.sin_cos();
            Detection {
                score: 0.9,
                bounds: [0.0, 0.0, 100.0, 100.0],
                points: upright.map(|[x, y]| [50.0 + x * cos - y * sin, 50.0 + x * sin + y * cos]),
            }
        };
        for angle in [-0.5, -0.1, 0.0, 0.3, 0.6] {
            assert!((roll(&tilted(angle), [1.0; 2]) - angle).abs() < 1e-4);
        }
        assert_eq!(roll(&tilted(2.0), [1.0; 2]), MOST_ROLL, "upside down");
        let mut damaged = tilted(0.3);
        damaged.points[1][0] = f32::NAN;
        assert_eq!(roll(&damaged, [1.0; 2]), 0.0);
        // Where one pixel of the input is two of the picture across, and one down.
        let mut narrow = tilted(0.4);
        narrow.points = narrow.points.map(|[x, y]| [x / 2.0, y]);
        assert!((roll(&narrow, [2.0, 1.0]) - 0.4).abs() < 1e-4);
    }
}
