//! Affine maps of the plane, in pixels.

use shared_model::keypoints::Point;

/// `p -> matrix * p + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Affine {
    /// Row by row.
    matrix: [[f32; 2]; 2],
    offset: Point,
}

impl Affine {
    /// The map with this matrix that moves `centre` by `shift`.
    pub(super) fn about(centre: Point, matrix: [[f32; 2]; 2], shift: Point) -> Self {
        let turned = multiply(matrix, centre);
        Self {
            matrix,
            offset: [centre[0] + shift[0] - turned[0], centre[1] + shift[1] - turned[1]],
        }
    }

    /// Where `point` goes.
    pub(super) fn apply(&self, point: Point) -> Point {
        let [x, y] = multiply(self.matrix, point);
        [x + self.offset[0], y + self.offset[1]]
    }

    /// How much a step of 1 along x moves the image of a point.
    pub(super) fn along_x(&self) -> Point {
        [self.matrix[0][0], self.matrix[1][0]]
    }

    /// The map followed by a scaling by `factors`.
    pub(super) fn scaled(self, factors: Point) -> Self {
        let [fx, fy] = factors;
        let [[a, b], [c, d]] = self.matrix;
        Self {
            matrix: [[a * fx, b * fx], [c * fy, d * fy]],
            offset: [self.offset[0] * fx, self.offset[1] * fy],
        }
    }

    /// The map back; the matrix must not be singular.
    pub(super) fn inverse(&self) -> Self {
        let [[a, b], [c, d]] = self.matrix;
        let det = self.determinant();
        let matrix = [[d / det, -b / det], [-c / det, a / det]];
        let [x, y] = multiply(matrix, self.offset);
        Self {
            matrix,
            offset: [-x, -y],
        }
    }

    /// Below 0 if the map turns a picture into its mirror image.
    pub(super) fn determinant(&self) -> f32 {
        let [[a, b], [c, d]] = self.matrix;
        a * d - b * c
    }
}

fn multiply(matrix: [[f32; 2]; 2], [x, y]: Point) -> Point {
    matrix.map(|[a, b]| a * x + b * y)
}

/// The product of two matrices: first `right`, then `left`.
pub(super) fn compose(left: [[f32; 2]; 2], right: [[f32; 2]; 2]) -> [[f32; 2]; 2] {
    let [[a, b], [c, d]] = right;
    left.map(|[l, r]| [l * a + r * c, l * b + r * d])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: Point, b: Point) {
        assert!(
            (a[0] - b[0]).abs() < 1e-4 && (a[1] - b[1]).abs() < 1e-4,
            "{a:?} instead of {b:?}"
        );
    }

    #[test]
    fn quarter_turn_about_the_centre() {
        // y grows downwards: x goes to y.
        let turn = Affine::about([48.0, 48.0], [[0.0, -1.0], [1.0, 0.0]], [1.0, 0.0]);
        close(turn.apply([48.0, 48.0]), [49.0, 48.0]);
        close(turn.apply([58.0, 48.0]), [49.0, 58.0]);
        close(turn.inverse().apply(turn.apply([3.0, 4.0])), [3.0, 4.0]);
        close(turn.scaled([0.5, 2.0]).apply([58.0, 48.0]), [24.5, 116.0]);
        close(turn.along_x(), [0.0, 1.0]);
        assert!((turn.determinant() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn composition_applies_the_right_matrix_first() {
        let shear = [[1.0, 0.5], [0.0, 1.0]];
        let mirror = [[-1.0, 0.0], [0.0, 1.0]];
        let both = compose(shear, mirror);
        close(
            multiply(both, [2.0, 4.0]),
            multiply(shear, multiply(mirror, [2.0, 4.0])),
        );
        assert_ne!(both, compose(mirror, shear));
    }
}
