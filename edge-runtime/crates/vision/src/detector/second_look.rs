//! A second look at what may be a face: the detector sees it again, at the size at which it tells faces best.
//!
//! A search sees a whole frame, reduced, so that most faces are small in it. The part of the frame around one box has the
//! pixels that the search did without, and costs one more run of the same network.

use inference::{DetectorNetwork, InputSize, PredictError};
use shared_model::image::{GrayView, Rect, resample};

use super::decode::{Detection, Dropped, Grid, Limits, decode};
use super::output::{framed, maps};
use crate::SAME_FACE;

/// Largest share of the input's shorter side that the face may take: the network needs some of what is around it.
const LARGEST_SHARE: f32 = 0.75;

/// A face that is tilted less is seen as it is, in radians: the points scatter by some degrees.
const LEAST_ROLL: f32 = 0.15;

/// How a second look sees a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// Side of the face in pixels of the input.
    pub(super) face_px: f32,
    /// Whether the network sees the mirror image.
    pub(super) mirrored: bool,
    /// How far the head is tilted, in radians, clockwise: it is seen upright.
    pub(super) roll: f32,
}

impl View {
    /// The one look that a frame has time for. Of 16 to 96 pixels these told the faces of the held-out pictures from false
    /// alarms best.
    pub(super) fn in_a_frame(roll: f32) -> Self {
        Self {
            face_px: 56.0,
            mirrored: false,
            roll,
        }
    }
}

/// Looks at one box after another; keeps its memory.
#[derive(Debug, Clone, Default)]
pub(super) struct SecondLook {
    values: Vec<f32>,
    pixels: Vec<u8>,
    found: Vec<Detection>,
}

impl SecondLook {
    /// How sure the network is, 0 to 1, that this box of the picture holds a face, and what was left out. The network sees
    /// an input of this size, the one of the search, so that it need not be built anew.
    pub(super) fn score(
        &mut self,
        picture: GrayView<'_>,
        (bounds, view): (&Rect, View),
        size: InputSize,
        network: &mut DetectorNetwork,
        (grids, limits): (&[Grid], &Limits),
    ) -> Result<(f32, Dropped), PredictError> {
        let turned = view.roll.abs() >= LEAST_ROLL;
        let expected = if turned { upright(bounds, view.roll) } else { *bounds };
        let (part, scale) = if turned {
            self.take_upright(picture, &expected, view, size)
        } else {
            self.take(picture, &expected, view, size)
        };
        if view.mirrored {
            self.pixels.chunks_exact_mut(size.columns).for_each(<[u8]>::reverse);
        }
        let Ok(seen) = GrayView::new(&self.pixels, size.columns, size.rows) else {
            return Ok((0.0, Dropped::default()));
        };
        network.run(seen)?;
        let dropped = decode(
            &maps(network),
            grids,
            [size.columns, size.rows],
            limits,
            &mut self.found,
        );
        let seen = self.found.iter().find(|face| {
            let there = framed(face, [scale; 2]);
            let left = if view.mirrored {
                part.w - there.x - there.w
            } else {
                there.x
            };
            let there = Rect {
                x: part.x + left,
                y: part.y + there.y,
                ..there
            };
            there.overlap(&expected) > SAME_FACE
        });
        Ok((seen.map_or(0.0, |face| face.score), dropped))
    }

    /// Takes what the network is to see of the picture: which part of it, and how many of its pixels one of the input is.
    fn take(&mut self, picture: GrayView<'_>, bounds: &Rect, view: View, size: InputSize) -> (Rect, f32) {
        let (part, scale) = part(picture, bounds, face_px(view, size), size);
        self.values.resize(size.pixels(), 0.0);
        resample(picture, &part, [size.columns, size.rows], &mut self.values);
        self.pixels.clear();
        self.pixels.extend(self.values.iter().copied().map(byte));
        (part, scale)
    }

    /// The same, turned around the middle of the box until the face is upright.
    fn take_upright(&mut self, picture: GrayView<'_>, bounds: &Rect, view: View, size: InputSize) -> (Rect, f32) {
        let [columns, rows] = [size.columns as f32, size.rows as f32];
        let scale = bounds.w / face_px(view, size);
        let middle = [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0];
        let around = |width: f32, height: f32| Rect {
            x: middle[0] - width * scale / 2.0,
            y: middle[1] - height * scale / 2.0,
            w: width * scale,
            h: height * scale,
        };
        // A square that holds the input however it is turned, with a pixel more at each edge.
        let side = columns.hypot(rows).ceil() as usize + 2;
        let square = side as f32;
        self.values.resize(side * side, 0.0);
        resample(picture, &around(square, square), [side, side], &mut self.values);
        let (sin, cos) = view.roll.sin_cos();
        let pixels = (0..size.pixels()).map(|at| {
            let x = (at % size.columns) as f32 + 0.5 - columns / 2.0;
            let y = (at / size.columns) as f32 + 0.5 - rows / 2.0;
            let from = [x * cos - y * sin, x * sin + y * cos].map(|place| place + square / 2.0 - 0.5);
            byte(between(&self.values, side, from))
        });
        self.pixels.clear();
        self.pixels.extend(pixels);
        (around(columns, rows), scale)
    }
}

/// The square of a face without its tilt: the box of a tilted one holds its corners.
fn upright(bounds: &Rect, roll: f32) -> Rect {
    let side = bounds.w / (roll.cos() + roll.sin().abs());
    Rect {
        x: bounds.x + (bounds.w - side) / 2.0,
        y: bounds.y + (bounds.h - side) / 2.0,
        w: side,
        h: side,
    }
}

/// The mean of the four values nearest to a place, by their distance (bilinear), in a square of rows of `side`.
fn between(values: &[f32], side: usize, [x, y]: [f32; 2]) -> f32 {
    let nearest = |place: f32| place.clamp(0.0, side as f32 - 2.0) as usize;
    let (column, row) = (nearest(x), nearest(y));
    let (right, down) = (x - column as f32, y - row as f32);
    let along = |row: usize| {
        let at = row * side + column;
        values[at] + right * (values[at + 1] - values[at])
    };
    along(row) + down * (along(row + 1) - along(row))
}

/// A value of 0 to 1 as a pixel.
fn byte(value: f32) -> u8 {
    (value * 255.0 + 0.5) as u8
}

/// Side of the face in pixels of the input.
fn face_px(view: View, size: InputSize) -> f32 {
    view.face_px.min(LARGEST_SHARE * size.columns.min(size.rows) as f32)
}

/// The part of the picture around a box that the network sees, inside the picture where it fits, and how many of the
/// picture's pixels one of the input is.
fn part(picture: GrayView<'_>, bounds: &Rect, face_px: f32, size: InputSize) -> (Rect, f32) {
    let scale = bounds.w / face_px;
    let [w, h] = [size.columns, size.rows].map(|side| side as f32 * scale);
    let begin = |from: f32, side: f32, whole: usize| {
        let room = whole as f32 - side;
        if room >= 0.0 { from.clamp(0.0, room) } else { from }
    };
    let part = Rect {
        x: begin(bounds.x + (bounds.w - w) / 2.0, w, picture.width()),
        y: begin(bounds.y + (bounds.h - h) / 2.0, h, picture.height()),
        w,
        h,
    };
    (part, scale)
}

#[cfg(test)]
mod tests {
    use inference::Predictor;
    use inference::bundle::Bundle;
    use testing::detector::write_bundle_with_detector;

    use super::*;

    const SIZE: InputSize = InputSize {
        rows: 120,
        columns: 160,
    };

    fn square(x: f32, y: f32, side: f32) -> Rect {
        Rect { x, y, w: side, h: side }
    }

    #[test]
    fn a_face_is_seen_at_its_size_in_the_middle_or_where_the_picture_ends() {
        let pixels = vec![0; 640 * 480];
        let picture = GrayView::new(&pixels, 640, 480).unwrap();
        let (middle, scale) = part(picture, &square(300.0, 200.0, 28.0), 56.0, SIZE);
        assert_eq!(scale, 0.5);
        assert_eq!((middle.x, middle.y, middle.w, middle.h), (274.0, 184.0, 80.0, 60.0));
        let (corner, _) = part(picture, &square(-5.0, 470.0, 28.0), 56.0, SIZE);
        assert_eq!((corner.x, corner.y, corner.w, corner.h), (0.0, 420.0, 80.0, 60.0));
        // More than the picture: the face stays in the middle.
        let (whole, _) = part(picture, &square(100.0, 100.0, 280.0), 56.0, SIZE);
        assert_eq!((whole.x, whole.y, whole.w, whole.h), (-160.0, -60.0, 800.0, 600.0));
        let flat = InputSize { rows: 32, columns: 160 };
        assert_eq!(face_px(View::in_a_frame(0.0), flat), 24.0, "three quarters of 32 rows");
        assert_eq!(face_px(View::in_a_frame(0.0), SIZE), 56.0);
    }

    #[test]
    fn a_tilted_head_is_seen_upright_at_its_own_size() {
        for roll in [0.6f32, -0.3] {
            // The box of a tilted square of 100 pixels, and a bright spot 40 pixels from the middle to where its right side is.
            let bounds = square(300.0, 200.0, 100.0 * (roll.cos() + roll.sin().abs()));
            let middle = [bounds.x + bounds.w / 2.0, bounds.y + bounds.h / 2.0];
            let spot = [middle[0] + 40.0 * roll.cos(), middle[1] + 40.0 * roll.sin()];
            let near = |at: usize| ((at % 640) as f32 + 0.5 - spot[0]).hypot((at / 640) as f32 + 0.5 - spot[1]) < 5.0;
            let pixels: Vec<u8> = (0..640 * 480).map(|at| if near(at) { 250 } else { 40 }).collect();
            let picture = GrayView::new(&pixels, 640, 480).unwrap();
            let mut look = SecondLook::default();
            let (part, scale) = look.take_upright(picture, &upright(&bounds, roll), View::in_a_frame(roll), SIZE);
            assert!((scale - 100.0 / 56.0).abs() < 1e-4, "{scale}");
            assert!((part.x + part.w / 2.0 - middle[0]).abs() < 1e-3 && (part.w - 160.0 * scale).abs() < 1e-2);
            let bright = (look.pixels.iter().enumerate()).filter(|(_, pixel)| **pixel > 150);
            let places: Vec<_> = bright.map(|(at, _)| [at % SIZE.columns, at / SIZE.columns]).collect();
            let mean = |axis: usize| {
                let sum: f32 = places.iter().map(|place| place[axis] as f32 + 0.5).sum();
                sum / places.len() as f32
            };
            assert!(
                (mean(0) - 80.0 - 40.0 / scale).abs() < 1.0 && (mean(1) - 60.0).abs() < 1.0,
                "{places:?}"
            );
        }
    }

    #[test]
    fn what_the_network_sees_as_a_face_at_the_other_size_is_one_and_an_empty_place_is_none() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle_with_detector(dir.path());
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let network = predictor.detector_mut().unwrap();
        // A spot of 64 pixels, to the left of the middle: at this size of input the network sees it 16 pixels wide, which is a face for it.
        let bright = |at: usize| (268..332).contains(&(at % 640)) && (168..232).contains(&(at / 640));
        let pixels: Vec<u8> = (0..640 * 480).map(|at| if bright(at) { 250 } else { 40 }).collect();
        let picture = GrayView::new(&pixels, 640, 480).unwrap();
        let (grids, limits) = (Grid::of(network.entry()), Limits::of(network.entry()));
        let size = InputSize { rows: 40, columns: 72 };
        let mut second_look = SecondLook::default();
        for mirrored in [false, true] {
            let mut score = |bounds, face_px| {
                let look = (
                    &bounds,
                    View {
                        face_px,
                        mirrored,
                        roll: 0.0,
                    },
                );
                let seen = second_look.score(picture, look, size, network, (&grids, &limits));
                seen.unwrap().0
            };
            assert!(score(square(240.0, 140.0, 120.0), 56.0) > 0.5);
            assert_eq!(score(square(20.0, 300.0, 120.0), 56.0), 0.0);
            assert_eq!(
                score(square(150.0, 50.0, 300.0), 56.0),
                0.0,
                "too small within this box"
            );
            assert_eq!(
                score(square(240.0, 140.0, 120.0), 10.0),
                0.0,
                "too small for the network"
            );
        }
    }
}
