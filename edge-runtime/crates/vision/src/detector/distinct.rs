//! Which boxes of a still picture are faces of their own, beside surer ones.

use shared_model::image::Rect;

use crate::SAME_FACE;
use crate::tracker::Observation;

/// Side of the largest box that may be an ear or an eye of a surer face, in sides of that face.
const PART_SHARE: f32 = 0.25;

/// How far beside the box of that face its centre may lie then, in sides of that face: ears lie outside.
const PART_MARGIN: f32 = 0.15;

/// Leaves out each box that belongs to a surer one, the first argument of `belongs` to the second. The surest come first.
pub(super) fn keep_surest(found: &mut Vec<Observation>, belongs: impl Fn(&Rect, &Rect) -> bool) {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Rect> = Vec::with_capacity(found.len());
    found.retain(|face| {
        let new = !kept.iter().any(|surer| belongs(&face.bounds, surer));
        if new {
            kept.push(face.bounds);
        }
        new
    });
}

/// Whether two boxes are the same face.
pub(super) fn is_same(own: &Rect, other: &Rect) -> bool {
    own.overlap(other) >= SAME_FACE
}

/// Whether a box is so small beside a face, and so near to it, that it is an ear or an eye of it: these resemble small faces.
pub(super) fn is_part(own: &Rect, face: &Rect) -> bool {
    let near = |from: f32, length: f32, centre: f32| {
        let margin = PART_MARGIN * length;
        (from - margin..=from + length + margin).contains(&centre)
    };
    own.w <= PART_SHARE * face.w
        && near(face.x, face.w, own.x + own.w / 2.0)
        && near(face.y, face.h, own.y + own.h / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(x: f32, y: f32, side: f32, score: f32) -> Observation {
        let bounds = Rect { x, y, w: side, h: side };
        Observation {
            bounds,
            score,
            roll: 0.0,
        }
    }

    #[test]
    fn an_ear_is_no_face_and_what_is_farther_away_or_larger_or_surer_is() {
        let face = seen(158.0, 290.0, 440.0, 0.9);
        let left = |other: Observation| {
            let mut found = vec![other, face];
            keep_surest(&mut found, is_part);
            found.len()
        };
        assert_eq!(left(seen(102.0, 509.0, 75.0, 0.7)), 1, "an ear");
        assert_eq!(left(seen(250.0, 380.0, 80.0, 0.7)), 1, "an eye");
        assert_eq!(left(seen(0.0, 509.0, 75.0, 0.7)), 2, "farther away");
        assert_eq!(left(seen(250.0, 0.0, 75.0, 0.7)), 2, "far above");
        assert_eq!(left(seen(102.0, 509.0, 120.0, 0.7)), 2, "too large for an ear");
        assert_eq!(left(seen(102.0, 509.0, 75.0, 0.95)), 2, "surer than the face");
    }

    #[test]
    fn of_two_boxes_of_a_face_the_surer_one_is_kept() {
        let mut found = vec![
            seen(0.0, 0.0, 40.0, 0.6),
            seen(4.0, 0.0, 40.0, 0.8),
            seen(60.0, 0.0, 40.0, 0.5),
        ];
        keep_surest(&mut found, is_same);
        assert_eq!(found.iter().map(|face| face.score).collect::<Vec<_>>(), [0.8, 0.5]);
    }
}
