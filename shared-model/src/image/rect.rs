//! Rectangles, and how the crop of a network lies relative to the box of the face detector.

use serde::{Deserialize, Serialize};

/// A rectangle in pixels; `x`, `y` is its top left corner. It may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rect {
    /// Left edge, in pixels from the picture's left edge.
    pub x: f32,
    /// Upper edge, in pixels from the picture's upper edge.
    pub y: f32,
    /// Width in pixels, above 0.
    pub w: f32,
    /// Height in pixels, above 0.
    pub h: f32,
}

impl Rect {
    /// A point of the unit square of this rectangle's crop, `side` pixels wide and high, in pixels of
    /// the picture.
    pub fn to_picture(&self, point: [f32; 2], side: f32) -> [f32; 2] {
        [self.x + point[0] * self.w / side, self.y + point[1] * self.h / side]
    }

    /// Share of the union of both rectangles that they have in common, 0 to 1.
    pub fn overlap(&self, other: &Self) -> f32 {
        let w = (self.x + self.w).min(other.x + other.w) - self.x.max(other.x);
        let h = (self.y + self.h).min(other.y + other.h) - self.y.max(other.y);
        if w <= 0.0 || h <= 0.0 {
            return 0.0;
        }
        let common = w * h;
        common / (self.w * self.h + other.w * other.h - common)
    }

    /// Whether every edge is a finite number and both sides are above 0.
    pub fn is_valid(&self) -> bool {
        [self.x, self.y, self.w, self.h].iter().all(|v| v.is_finite()) && self.w > 0.0 && self.h > 0.0
    }
}

/// How the crop of a network lies relative to the square box of the face detector.
///
/// Networks see faces the way their training set frames them, and the detector frames them in its own
/// way; the trainer measures the relation over the training faces and stores it here.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CropRule {
    /// Side of the crop as a multiple of the box's side, above 0.
    pub scale: f32,
    /// How far the crop's centre lies to the right of the box's centre, in box sides.
    pub dx: f32,
    /// How far the crop's centre lies below the box's centre, in box sides.
    pub dy: f32,
}

impl CropRule {
    /// The rule whose crop is the detector's box itself.
    pub const IDENTITY: Self = Self {
        scale: 1.0,
        dx: 0.0,
        dy: 0.0,
    };

    /// The square crop for a detector's box. A box that is not square counts by its mean side.
    pub fn apply(&self, face: &Rect) -> Rect {
        let side = f32::midpoint(face.w, face.h);
        let half = side * self.scale / 2.0;
        let cx = face.x + face.w / 2.0 + self.dx * side;
        let cy = face.y + face.h / 2.0 + self.dy * side;
        Rect {
            x: cx - half,
            y: cy - half,
            w: 2.0 * half,
            h: 2.0 * half,
        }
    }

    /// Whether all three numbers are finite, the scale in 0.1..=10 and the shifts in -1..=1.
    pub fn is_valid(&self) -> bool {
        (0.1..=10.0).contains(&self.scale) && self.dx.abs() <= 1.0 && self.dy.abs() <= 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crop_rule_scales_and_shifts_about_the_centre() {
        let rule = CropRule {
            scale: 1.5,
            dx: 0.0,
            dy: 0.1,
        };
        let crop = rule.apply(&Rect {
            x: 10.0,
            y: 20.0,
            w: 40.0,
            h: 40.0,
        });
        assert_eq!(
            crop,
            Rect {
                x: 0.0,
                y: 14.0,
                w: 60.0,
                h: 60.0
            }
        );
        assert_eq!(crop.to_picture([48.0, 96.0], 96.0), [30.0, 74.0]);
    }

    #[test]
    fn overlap_of_known_rectangles() {
        let a = Rect {
            x: 0.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        };
        assert!((a.overlap(&a) - 1.0).abs() < 1e-6);
        let half = Rect {
            x: 1.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        };
        assert!((a.overlap(&half) - 1.0 / 3.0).abs() < 1e-6);
        let apart = Rect {
            x: 5.0,
            y: 0.0,
            w: 2.0,
            h: 2.0,
        };
        assert!(a.overlap(&apart).abs() < 1e-6);
    }
}
