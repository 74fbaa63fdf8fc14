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

/// How a second look sees a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct View {
    /// Side of the face in pixels of the input.
    pub(super) face_px: f32,
    /// Whether the network sees the mirror image.
    pub(super) mirrored: bool,
}

impl View {
    /// The one look that a frame has time for. Of 16 to 96 pixels these told the faces of the held-out pictures from false
    /// alarms best.
    pub(super) const IN_A_FRAME: Self = Self {
        face_px: 56.0,
        mirrored: false,
    };
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
        let (part, scale) = part(picture, bounds, view.face_px, size);
        self.values.resize(size.pixels(), 0.0);
        resample(picture, &part, [size.columns, size.rows], &mut self.values);
        self.pixels.clear();
        self.pixels
            .extend(self.values.iter().map(|value| (value * 255.0 + 0.5) as u8));
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
            there.overlap(bounds) > SAME_FACE
        });
        Ok((seen.map_or(0.0, |face| face.score), dropped))
    }
}

/// The part of the picture around a box that the network sees, inside the picture where it fits, and how many of the
/// picture's pixels one of the input is.
fn part(picture: GrayView<'_>, bounds: &Rect, face_px: f32, size: InputSize) -> (Rect, f32) {
    let face_px = face_px.min(LARGEST_SHARE * size.columns.min(size.rows) as f32);
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
        let (_, scale) = part(picture, &square(300.0, 200.0, 24.0), 56.0, flat);
        assert_eq!(scale, 1.0, "three quarters of 32 rows");
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
                let look = (&bounds, View { face_px, mirrored });
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
