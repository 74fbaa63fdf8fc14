//! How a face moved since the last frame: the shift at which it looks most like it did.
//!
//! The keypoints alone would not do: of a head that is turned away or looks down they lie beside its middle, and a box that
//! follows them creeps off the face, frame by frame.

use shared_model::image::{GrayView, Rect};

use super::look::skim;

/// Side of a face in cells; what is finer does not count.
const FACE: usize = 24;

/// Cells around it that are searched on each side: 0.375 of a face from one frame to the next.
const REACH: usize = 9;

/// Side of what is searched.
const WINDOW: usize = FACE + 2 * REACH;

/// Places of the face in it along one axis.
const SHIFTS: usize = 2 * REACH + 1;

/// Variance of grey values of 0 to 1 below which nothing can be told apart.
const FLAT: f32 = 1e-5;

/// A face as it looked in the last frame.
#[derive(Debug, Clone)]
pub(super) struct Motion {
    /// `[FACE, FACE]`, less its mean.
    face: Vec<f32>,
    /// `[WINDOW, WINDOW]`, of the frame that is looked at.
    window: Vec<f32>,
    known: bool,
}

/// Where a face is most like before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// How far it went, in pixels.
    pub(super) by: [f32; 2],
    /// Correlation with the frame before, -1 to 1.
    pub(super) likeness: f32,
}

impl Motion {
    pub(super) fn new() -> Self {
        Self {
            face: vec![0.0; FACE * FACE],
            window: vec![0.0; WINDOW * WINDOW],
            known: false,
        }
    }

    /// The next face is another one.
    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    /// Keeps how the face in a box looks.
    pub(super) fn remember(&mut self, frame: GrayView<'_>, face: &Rect) {
        skim(frame, face, FACE, &mut self.face);
        let mean = self.face.iter().sum::<f32>() / self.face.len() as f32;
        self.face.iter_mut().for_each(|value| *value -= mean);
        self.known = true;
    }

    /// Where around this box the face is now; `None` for one that was not seen before.
    pub(super) fn find(&mut self, frame: GrayView<'_>, face: &Rect) -> Option<Shift> {
        if !self.known {
            return None;
        }
        let cell = face.w / FACE as f32;
        let margin = REACH as f32 * cell;
        let around = Rect {
            x: face.x - margin,
            y: face.y - margin,
            w: face.w + 2.0 * margin,
            h: face.h + 2.0 * margin,
        };
        skim(frame, &around, WINDOW, &mut self.window);
        let likeness = self.likenesses();
        let (at, best) = likeness.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let [x, y] = [at % SHIFTS, at / SHIFTS];
        Some(Shift {
            by: [
                cell * top(x, |x| likeness[y * SHIFTS + x]),
                cell * top(y, |y| likeness[y * SHIFTS + x]),
            ],
            likeness: *best,
        })
    }

    /// Correlation of the face with the part of the window that begins at each place, row by row. All places of a row are
    /// summed up side by side, which a processor's vector unit does at once.
    fn likenesses(&self) -> [f32; SHIFTS * SHIFTS] {
        let mut likeness = [0.0; SHIFTS * SHIFTS];
        let count = (FACE * FACE) as f32;
        let own: f32 = self.face.iter().map(|value| value * value).sum();
        if own / count < FLAT {
            return likeness;
        }
        for (y, places) in likeness.chunks_exact_mut(SHIFTS).enumerate() {
            let rows = self.window.chunks_exact(WINDOW).skip(y);
            let mut together = [0.0; SHIFTS];
            let (mut sums, mut squares) = ([0.0; WINDOW], [0.0; WINDOW]);
            for (row, face) in rows.zip(self.face.chunks_exact(FACE)) {
                for ((sum, square), value) in sums.iter_mut().zip(&mut squares).zip(row) {
                    *sum += value;
                    *square += value * value;
                }
                for (values, face) in row.array_windows::<SHIFTS>().zip(face) {
                    for (sum, value) in together.iter_mut().zip(values) {
                        *sum += value * face;
                    }
                }
            }
            for (x, (place, together)) in places.iter_mut().zip(together).enumerate() {
                let [sum, square] = [&sums, &squares].map(|columns| columns[x..x + FACE].iter().sum::<f32>());
                let variance = (square - sum * sum / count) / count;
                *place = if variance < FLAT {
                    0.0
                } else {
                    together / (variance * count * own).sqrt()
                };
            }
        }
        likeness
    }
}

/// The shift along one axis, in cells, of which the largest value is at this place: the top of the parabola through it and
/// its neighbours.
fn top(at: usize, value: impl Fn(usize) -> f32) -> f32 {
    let whole = at as f32 - REACH as f32;
    if at == 0 || at + 1 == SHIFTS {
        return whole;
    }
    let [before, here, after] = [at - 1, at, at + 1].map(value);
    let bend = before - 2.0 * here + after;
    if bend < 0.0 {
        whole + (0.5 * (before - after) / bend).clamp(-0.5, 0.5)
    } else {
        whole
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use inference::picture::Picture;
    use testing::shared_data;

    /// A smooth pattern that repeats nowhere near, this far to the right and down.
    pub(in crate::track) fn pattern(by: [f32; 2]) -> Vec<u8> {
        let value =
            |x: f32, y: f32| (x * 0.11 + (y * 0.05).sin()).sin() * (y * 0.083).cos() + (x * 0.031 + y * 0.023).cos();
        let at = |at: usize| value((at % 160) as f32 - by[0], (at / 160) as f32 - by[1]);
        (0..160 * 160).map(|index| (127.0 + 60.0 * at(index)) as u8).collect()
    }

    /// Nothing that is like anything else.
    pub(in crate::track) fn noise() -> Vec<u8> {
        let value = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
        (0..160 * 160).map(value).collect()
    }

    pub(in crate::track) const FACE_AT: Rect = Rect {
        x: 50.0,
        y: 50.0,
        w: 60.0,
        h: 60.0,
    };

    fn remembered() -> Motion {
        let mut motion = Motion::new();
        motion.remember(GrayView::new(&pattern([0.0; 2]), 160, 160).unwrap(), &FACE_AT);
        motion
    }

    #[test]
    fn finds_how_far_a_face_went_within_a_fraction_of_a_cell() {
        for by in [[0.0, 0.0], [1.0, -0.5], [7.3, 4.1], [-20.0, 12.0]] {
            let moved = pattern(by);
            let shift = remembered()
                .find(GrayView::new(&moved, 160, 160).unwrap(), &FACE_AT)
                .unwrap();
            let off = (shift.by[0] - by[0]).hypot(shift.by[1] - by[1]);
            assert!(off < 0.6 && shift.likeness > 0.95, "{shift:?} instead of {by:?}");
        }
    }

    #[test]
    fn a_brighter_face_is_like_before_and_another_or_none_is_not() {
        let bright: Vec<u8> = pattern([5.0, 0.0]).iter().map(|value| 40 + value / 2).collect();
        let likeness = |pixels: &[u8]| {
            let frame = GrayView::new(pixels, 160, 160).unwrap();
            remembered().find(frame, &FACE_AT).unwrap().likeness
        };
        assert!(likeness(&bright) > 0.95);
        assert!(likeness(&noise()) < 0.4);
        assert!(likeness(&vec![90; 160 * 160]) < 0.01);
    }

    #[test]
    fn nobody_is_found_before_somebody_was_seen() {
        let frame = pattern([0.0; 2]);
        let frame = GrayView::new(&frame, 160, 160).unwrap();
        assert_eq!(Motion::new().find(frame, &FACE_AT), None);
        let mut motion = remembered();
        motion.forget();
        assert_eq!(motion.find(frame, &FACE_AT), None);
    }

    #[test]
    fn a_real_face_beside_its_box_is_found_and_one_beyond_the_reach_is_not() {
        let Some(dir) = shared_data("photos") else { return };
        let picture = Picture::decode(&std::fs::read(dir.join("fr_obama.jpg")).unwrap()).unwrap();
        let frame = picture.gray().unwrap();
        let side = 0.3 * frame.width() as f32;
        let face = Rect {
            x: 0.35 * frame.width() as f32,
            y: 0.2 * frame.height() as f32,
            w: side,
            h: side,
        };
        let mut motion = Motion::new();
        motion.remember(frame, &face);
        for (share, there) in [(0.3, true), (-0.3, true), (0.6, false)] {
            let beside = Rect {
                x: face.x - share * side,
                ..face
            };
            let shift = motion.find(frame, &beside).unwrap();
            let off = (shift.by[0] - share * side).hypot(shift.by[1]) / side;
            assert_eq!(off < 0.03 && shift.likeness > 0.9, there, "{share}: {shift:?}");
        }
    }
}
