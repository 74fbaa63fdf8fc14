//! Affine maps of pictures and what they make of boxes.

/// `[x, y] -> matrix [x, y] + shift`, pixel coordinates with whole numbers at pixel corners.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) matrix: [[f32; 2]; 2],
    pub(crate) shift: [f32; 2],
}

impl Affine {
    /// Scaled, mirrored where `mirrored`, and turned about `from`, which goes to `to`.
    pub(crate) fn around(from: [f32; 2], to: [f32; 2], scale: f32, angle: f32, mirrored: bool) -> Self {
        let (sin, cos) = angle.sin_cos();
        let side = if mirrored { -scale } else { scale };
        let matrix = [[cos * side, -sin * scale], [sin * side, cos * scale]];
        let moved = apply(&matrix, from);
        Self {
            matrix,
            shift: [to[0] - moved[0], to[1] - moved[1]],
        }
    }

    pub(crate) fn point(&self, point: [f32; 2]) -> [f32; 2] {
        let [x, y] = apply(&self.matrix, point);
        [x + self.shift[0], y + self.shift[1]]
    }

    /// The map back. Scales are never zero.
    pub(crate) fn inverse(&self) -> Self {
        let [[a, b], [c, d]] = self.matrix;
        let det = a * d - b * c;
        let matrix = [[d / det, -b / det], [-c / det, a / det]];
        let shift = apply(&matrix, self.shift);
        Self {
            matrix,
            shift: [-shift[0], -shift[1]],
        }
    }

    /// Root of the change of areas.
    pub(crate) fn scale(&self) -> f32 {
        let [[a, b], [c, d]] = self.matrix;
        (a * d - b * c).abs().sqrt()
    }

    /// Bounds of what an ellipse in the box `[left, top, right, bottom]` becomes: a face has no corners.
    pub(crate) fn bounds(&self, [left, top, right, bottom]: [f32; 4]) -> [f32; 4] {
        let [x, y] = self.point([f32::midpoint(left, right), f32::midpoint(top, bottom)]);
        let (a, b) = ((right - left) / 2.0, (bottom - top) / 2.0);
        let half = self.matrix.map(|row| (row[0] * a).hypot(row[1] * b));
        [x - half[0], y - half[1], x + half[0], y + half[1]]
    }
}

fn apply(matrix: &[[f32; 2]; 2], [x, y]: [f32; 2]) -> [f32; 2] {
    matrix.map(|row| row[0] * x + row[1] * y)
}

/// Area of a box; 0 for none.
pub(crate) fn area([left, top, right, bottom]: [f32; 4]) -> f32 {
    (right - left).max(0.0) * (bottom - top).max(0.0)
}

/// What two boxes share.
pub(crate) fn common(a: [f32; 4], b: [f32; 4]) -> [f32; 4] {
    [a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_back_where_it_came_from() {
        let map = Affine::around([10.0, 20.0], [3.0, 4.0], 0.7, 0.5, true);
        let back = map.inverse().point(map.point([1.5, -2.5]));
        assert!((back[0] - 1.5).abs() < 1e-4 && (back[1] + 2.5).abs() < 1e-4, "{back:?}");
        assert!((map.scale() - 0.7).abs() < 1e-6);
    }

    #[test]
    fn turning_a_round_face_leaves_its_box() {
        let map = Affine::around([5.0, 5.0], [50.0, 60.0], 2.0, 0.6, false);
        let bounds = map.bounds([0.0, 0.0, 10.0, 10.0]);
        for (found, wanted) in bounds.iter().zip([40.0, 50.0, 60.0, 70.0]) {
            assert!((found - wanted).abs() < 1e-4, "{bounds:?}");
        }
    }
}
