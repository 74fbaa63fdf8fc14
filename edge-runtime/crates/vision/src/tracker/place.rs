//! Boxes: their centres, and how far they are from each other.

use shared_model::image::Rect;

/// Whether the region holds the centre of a box.
pub(super) fn inside(region: &Rect, bounds: &Rect) -> bool {
    let [x, y] = centre(bounds);
    (0.0..=region.w).contains(&(x - region.x)) && (0.0..=region.h).contains(&(y - region.y))
}

/// The middle of a box.
pub(super) fn centre(bounds: &Rect) -> [f32; 2] {
    [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0]
}

/// Distance of the centres, in pixels.
pub(super) fn distance(a: &Rect, b: &Rect) -> f32 {
    let ([ax, ay], [bx, by]) = (centre(a), centre(b));
    (ax - bx).hypot(ay - by)
}
