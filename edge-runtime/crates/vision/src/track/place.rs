//! Boxes: their centres, how far they are from each other, and which is whose.

use shared_model::image::Rect;

use crate::face::Detection;

/// A detection that shares this much of the union with a track is its face.
pub(super) const SAME: f32 = 0.3;

/// A square of this side with the same centre.
pub(super) fn around(rect: &Rect, side: f32) -> Rect {
    Rect {
        x: rect.x + (rect.w - side) / 2.0,
        y: rect.y + (rect.h - side) / 2.0,
        w: side,
        h: side,
    }
}

/// Whether the region holds the centre of a box.
pub(crate) fn inside(region: &Rect, bounds: &Rect) -> bool {
    let (x, y) = (
        bounds.x + bounds.w / 2.0 - region.x,
        bounds.y + bounds.h / 2.0 - region.y,
    );
    (0.0..=region.w).contains(&x) && (0.0..=region.h).contains(&y)
}

/// Its middle.
pub(crate) fn centre(bounds: &Rect) -> [f32; 2] {
    [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0]
}

/// The same box so many pixels to the right and down.
pub(crate) fn shifted(bounds: &Rect, [x, y]: [f32; 2]) -> Rect {
    Rect {
        x: bounds.x + x,
        y: bounds.y + y,
        ..*bounds
    }
}

/// Distance of the centres, in pixels.
pub(crate) fn distance(a: &Rect, b: &Rect) -> f32 {
    (a.x + a.w / 2.0 - b.x - b.w / 2.0).hypot(a.y + a.h / 2.0 - b.y - b.h / 2.0)
}

/// Whether a face can have gone from one box to the other in a second.
pub(super) fn near(a: &Rect, b: &Rect) -> bool {
    distance(a, b) < 0.75 * a.w.max(b.w) && (0.6..=1.7).contains(&(a.w / b.w))
}

/// The face that shares most with a box, if it is the same.
pub(super) fn best<'a>(faces: &'a [Detection], bounds: &Rect) -> Option<&'a Detection> {
    let share = |face: &Detection| face.bounds.overlap(bounds);
    let best = faces.iter().max_by(|a, b| share(a).total_cmp(&share(b)));
    best.filter(|face| share(face) >= SAME)
}

/// The face next to a box, if it can have gone there within a frame or two.
pub(super) fn next_to<'a>(faces: &'a [Detection], bounds: &Rect) -> Option<&'a Detection> {
    let away = |face: &&Detection| distance(&face.bounds, bounds);
    let faces = faces.iter().filter(|face| near(bounds, &face.bounds));
    faces.min_by(|a, b| away(a).total_cmp(&away(b)))
}
