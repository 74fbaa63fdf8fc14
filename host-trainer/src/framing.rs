//! How the pictures of a data set frame their faces: where eyes and mouth lie in them.
//!
//! Sets that are trained on together must show a face in the same place and size, or the network learns the
//! frame. Eyes and mouth are found as on a device: face detector, crop, keypoint network.

use anyhow::{Result, bail};
use inference::Predictor;
use shared_model::image::{CropRule, GrayView};
use shared_model::keypoints::{Keypoints, LEFT_EYE, RIGHT_EYE};

use crate::crop::{CANVAS, FRAME, canvas, detector, found, quantile};
use crate::data::Faces;

/// The corners of the mouth among the keypoints.
const MOUTH: [usize; 2] = [11, 12];

/// Where eyes and mouth lie in a set's pictures: medians, in shares of the picture's side.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Framing {
    /// Faces that the detector was shown.
    pub faces: usize,
    /// Faces that the detector found.
    pub found: usize,
    /// Middle between the eyes, `[x, y]`.
    pub eyes: [f32; 2],
    /// Middle between the corners of the mouth.
    pub mouth: [f32; 2],
    /// Between the centres of the eyes.
    pub eye_distance: f32,
    /// Half of the width of the middle half of the eye distances: how far faces differ.
    pub spread: f32,
    /// Middle of the detector's box.
    pub box_middle: [f32; 2],
    /// Side of the detector's box.
    pub box_side: f32,
}

impl Framing {
    /// Measures the faces of these rows by the detector's boxes and the predictor's keypoints.
    ///
    /// # Errors
    /// No detector, a network that fails, or no face that the detector finds.
    pub fn measure(faces: &Faces, rows: impl Iterator<Item = u32>, predictor: &mut Predictor) -> Result<Self> {
        let mut detector = detector()?;
        let mut columns: [Vec<f32>; 8] = Default::default();
        let mut looked_at = 0;
        for row in rows {
            looked_at += 1;
            let canvas = canvas(faces.view(row as usize));
            let Some(bounds) = found(&mut detector, &canvas)? else {
                continue;
            };
            let crops = predictor.crops(&bounds);
            let seen = predictor.predict(GrayView::new(&canvas, CANVAS, CANVAS)?, &crops)?;
            let middle = [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0];
            let places = [eyes(&seen.keypoints), mouth(&seen.keypoints), middle].map(|point| point.map(share));
            let [eyes, mouth, middle] = places;
            let sides = [eye_distance(&seen.keypoints), bounds.w].map(|side| side / FRAME);
            let values = [eyes, mouth, middle, sides].concat();
            columns
                .iter_mut()
                .zip(values)
                .for_each(|(column, value)| column.push(value));
        }
        if columns[0].len() < 10 {
            bail!(
                "the detector found {} of {looked_at} faces, too few to tell",
                columns[0].len()
            );
        }
        let found = columns[0].len();
        let spread = (quantile(&mut columns[6], 0.75) - quantile(&mut columns[6], 0.25)) / 2.0;
        let [eyes_x, eyes_y, mouth_x, mouth_y, box_x, box_y, eye_distance, box_side] =
            columns.map(|mut column| quantile(&mut column, 0.5));
        Ok(Self {
            faces: looked_at,
            found,
            eyes: [eyes_x, eyes_y],
            mouth: [mouth_x, mouth_y],
            eye_distance,
            spread,
            box_middle: [box_x, box_y],
            box_side,
        })
    }

    /// The frame with which this set's pictures show eyes and mouth where those of `other` do.
    pub fn onto(&self, other: &Self) -> CropRule {
        let height = |framing: &Self| framing.mouth[1] - framing.eyes[1];
        let middle = |framing: &Self, axis: usize| f32::midpoint(framing.eyes[axis], framing.mouth[axis]) - 0.5;
        let scale = height(self) / height(other);
        CropRule {
            scale,
            dx: middle(self, 0) - scale * middle(other, 0),
            dy: middle(self, 1) - scale * middle(other, 1),
        }
    }

    /// The frame with which this set's pictures show what `crop` cuts about the detector's box.
    pub fn onto_crop(&self, crop: &CropRule) -> CropRule {
        CropRule {
            scale: crop.scale * self.box_side,
            dx: self.box_middle[0] - 0.5 + crop.dx * self.box_side,
            dy: self.box_middle[1] - 0.5 + crop.dy * self.box_side,
        }
    }
}

/// A place on the canvas in shares of the picture's side.
fn share(place: f32) -> f32 {
    (place - (CANVAS as f32 - FRAME) / 2.0) / FRAME
}

fn between(points: &Keypoints, [a, b]: [usize; 2]) -> [f32; 2] {
    std::array::from_fn(|axis| f32::midpoint(points.0[a][axis], points.0[b][axis]))
}

fn eyes(points: &Keypoints) -> [f32; 2] {
    between(points, [LEFT_EYE, RIGHT_EYE])
}

fn mouth(points: &Keypoints) -> [f32; 2] {
    between(points, MOUTH)
}

fn eye_distance(points: &Keypoints) -> f32 {
    let [a, b] = [points.0[LEFT_EYE], points.0[RIGHT_EYE]];
    (a[0] - b[0]).hypot(a[1] - b[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMED: Framing = Framing {
        faces: 10,
        found: 10,
        eyes: [0.5, 0.4],
        mouth: [0.5, 0.8],
        eye_distance: 0.4,
        spread: 0.0,
        box_middle: [0.5, 0.55],
        box_side: 0.8,
    };

    fn near(got: CropRule, scale: f32, dy: f32) {
        assert!(
            (got.scale - scale).abs() < 1e-6 && got.dx.abs() < 1e-6 && (got.dy - dy).abs() < 1e-6,
            "{got:?}"
        );
    }

    #[test]
    fn the_frame_puts_eyes_and_mouth_where_the_other_set_has_them() {
        near(FRAMED.onto(&FRAMED), 1.0, 0.0);
        let smaller = Framing {
            eyes: [0.5, 0.35],
            mouth: [0.5, 0.55],
            ..FRAMED
        };
        // Half as high and 0.05 above the middle, where the others are 0.1 below it.
        let frame = smaller.onto(&FRAMED);
        near(frame, 0.5, -0.1);
        let place = |y: f32| (y - 0.5 - frame.dy) / frame.scale + 0.5;
        assert!((place(0.35) - 0.4).abs() < 1e-6 && (place(0.55) - 0.8).abs() < 1e-6);
    }

    #[test]
    fn the_frame_is_what_the_crop_cuts_about_the_box() {
        let crop = CropRule {
            scale: 1.5,
            dx: 0.0,
            dy: 0.1,
        };
        near(FRAMED.onto_crop(&crop), 1.2, 0.13);
    }
}
