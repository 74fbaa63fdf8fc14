//! What is put together in one sample.

use rand::RngExt;

use super::oval::Oval;
use super::patch::{Mask, draw};
use super::pick::Pool;
use super::{Rng, Sample, Target};
use crate::detector::data::{Face, Kind, Photo};
use crate::detector::geometry::{Affine, area, common};

/// Shares of the kinds of samples; the rest has one face.
const AS_IT_IS: f32 = 0.28;
const NOBODY: f32 = 0.18;
const SEVERAL: f32 = 0.24;
/// Share of the backgrounds that show a false alarm, once some are known.
const ALARM: f32 = 0.3;
/// Share of the backgrounds that are a single grey, where there are ovals: so objects are photographed.
const PLAIN: f32 = 0.15;
/// Sizes of faces in a sample of 160 x 120 pixels, and the share of its shorter side that the largest takes.
const SIZES: [f32; 2] = [7.5, 1.35];
/// Faces smaller than this take no part.
const UNSEEN: f32 = 6.5;
/// A face of which less is inside takes no part.
const INSIDE: f32 = 0.6;

/// A sample while it is made.
#[derive(Clone)]
pub(super) struct Scene {
    pixels: Vec<f32>,
    size: [usize; 2],
    /// Share of the pasted things without a face that are ovals.
    ovals: f64,
    faces: Vec<Target>,
}

impl Scene {
    pub(super) fn new(size: [usize; 2], ovals: f64) -> Self {
        Self {
            ovals,
            pixels: vec![128.0; size[0] * size[1]],
            size,
            faces: Vec::new(),
        }
    }

    pub(super) fn into_sample(self) -> Sample {
        let [width, height] = self.size.map(|side| side as f32);
        let mut faces = self.faces;
        faces.retain_mut(|face| {
            let inside = area(common(face.bounds, [0.0, 0.0, width, height])) / area(face.bounds).max(1e-6);
            face.ignored |= face.size() < UNSEEN || inside < INSIDE;
            inside > 0.0
        });
        Sample {
            pixels: self.pixels,
            faces,
        }
    }

    pub(super) fn compose(&mut self, pool: &Pool<'_>, rng: &mut Rng) {
        let kind: f32 = rng.random();
        if kind < AS_IT_IS {
            self.part(pool, rng);
            return;
        }
        if self.ovals > 0.0 && rng.random::<f32>() < PLAIN {
            self.pixels.fill(rng.random_range(0.0..255.0));
        } else if !self.alarm(pool, rng) {
            self.background(pool, rng);
        }
        let kind = kind - AS_IT_IS;
        let most = if self.ovals > 0.0 && kind < NOBODY { 5 } else { 3 };
        for _ in 0..rng.random_range(0..most) {
            if self.ovals > 0.0 && rng.random::<f64>() < self.ovals {
                self.oval(pool, rng);
            } else {
                self.distract(pool, rng);
            }
        }
        let faces = if kind < NOBODY {
            0
        } else if kind < NOBODY + SEVERAL {
            rng.random_range(2..=6)
        } else {
            1
        };
        for _ in 0..faces {
            self.paste(pool, faces, rng);
        }
    }

    /// A part of a photo as it is, one of its faces at a random size and place.
    fn part(&mut self, pool: &Pool<'_>, rng: &mut Rng) {
        let photo = pool.scene(rng);
        let faces: Vec<&Face> = photo.faces.iter().filter(|face| face.kind == Kind::Face).collect();
        let face = faces[rng.random_range(0..faces.len())];
        let fill = fill(photo, self.size);
        let size = self.face_size(rng);
        // Never so small that much of the sample is empty, seldom enlarged.
        let scale = (size / face.size()).clamp(0.6 * fill, (1.5 * fill).max(1.6));
        let [x, y] = middle(face);
        let place = self.place(face.size() * scale, rng);
        let [width, height] = photo.size().map(|side| side as f32 * scale);
        let moved = [
            keep_covered(place[0], x * scale, width, self.size[0] as f32),
            keep_covered(place[1], y * scale, height, self.size[1] as f32),
        ];
        let map = Affine::around([x, y], moved, scale, 0.5 * turn(rng), rng.random());
        self.surround(photo, &map);
        self.add(photo, &map, None);
    }

    /// Sometimes, where there are any: a photo with a false alarm at about the size at which it fired, and with the photo's
    /// faces.
    fn alarm(&mut self, pool: &Pool<'_>, rng: &mut Rng) -> bool {
        let Some((photo, alarm)) = pool.alarm(rng) else {
            return false;
        };
        if rng.random::<f32>() >= ALARM {
            return false;
        }
        let scale = alarm.scale * rng.random_range(0.75..1.35f32);
        let place = self.place(alarm.size * scale, rng);
        let length = photo.size().map(|side| side as f32 * scale);
        let moved = [0, 1].map(|axis| {
            let (at, side) = (alarm.middle[axis] * scale, self.size[axis] as f32);
            keep_covered(place[axis], at, length[axis], side)
        });
        let map = Affine::around(alarm.middle, moved, scale, 0.3 * turn(rng), rng.random());
        self.surround(photo, &map);
        self.add(photo, &map, None);
        true
    }

    /// A photo without a face, filling the sample.
    fn background(&mut self, pool: &Pool<'_>, rng: &mut Rng) {
        let photo = pool.empty(rng);
        let fill = fill(photo, self.size) * rng.random_range(1.0..2.2f32);
        let [width, height] = photo.size().map(|side| side as f32);
        let from = [rng.random::<f32>() * width, rng.random::<f32>() * height];
        let place = [0, 1].map(|axis| {
            let side = self.size[axis] as f32;
            keep_covered(
                rng.random::<f32>() * side,
                from[axis] * fill,
                [width, height][axis] * fill,
                side,
            )
        });
        let map = Affine::around(from, place, fill, 0.3 * turn(rng), rng.random());
        self.surround(photo, &map);
        draw(&mut self.pixels, self.size[0], photo, &map, None);
    }

    /// Fills the sample with the mean of a photo, for what the photo does not cover.
    fn surround(&mut self, photo: &Photo, map: &Affine) {
        let smallest = &photo.pyramid[photo.pyramid.len() - 1].pixels;
        let mean = smallest.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / smallest.len() as f32;
        self.pixels.fill(mean);
        // A second, blurred copy behind the photo, larger than it: no hard edge of a single grey.
        let wider = Affine {
            matrix: map.matrix.map(|row| row.map(|value| value * 2.0)),
            shift: map.shift,
        };
        let [x, y] = photo.size().map(|side| side as f32 / 2.0);
        let (from, to) = (wider.point([x, y]), map.point([x, y]));
        let shift = [wider.shift[0] + to[0] - from[0], wider.shift[1] + to[1] - from[1]];
        if photo.is_empty() {
            draw(&mut self.pixels, self.size[0], photo, &Affine { shift, ..wider }, None);
        }
    }

    /// Pastes something that is no face.
    pub(super) fn distract(&mut self, pool: &Pool<'_>, rng: &mut Rng) {
        let photo = pool.empty(rng);
        let [width, height] = photo.size().map(|side| side as f32);
        let side = rng.random_range(0.15..0.7f32) * width.min(height);
        let (x, y) = (
            rng.random::<f32>() * (width - side),
            rng.random::<f32>() * (height - side),
        );
        let size = 1.6 * self.face_size(rng);
        let mask = Mask {
            bounds: [x, y, x + side, y + side],
            seam: side * rng.random_range(0.02..0.2f32),
        };
        let place = self.place(size, rng);
        let map = Affine::around(
            [x + side / 2.0, y + side / 2.0],
            place,
            size / side,
            turn(rng),
            rng.random(),
        );
        self.cover(map.bounds(mask.bounds));
        draw(&mut self.pixels, self.size[0], photo, &map, Some(&mask));
    }

    /// Pastes a shaded oval, which is no face.
    pub(super) fn oval(&mut self, pool: &Pool<'_>, rng: &mut Rng) {
        let photo = pool.empty(rng);
        let oval = Oval::random(photo, self.size, rng);
        self.cover(oval.bounds());
        oval.draw(&mut self.pixels, self.size[0], photo);
    }

    /// Pastes a face with what surrounds it.
    fn paste(&mut self, pool: &Pool<'_>, faces: usize, rng: &mut Rng) {
        let mut size = self.face_size(rng);
        if faces > 1 {
            size *= 0.6;
        }
        let size = size.max(SIZES[0]);
        let (photo, face) = pool.face(size, rng);
        let [left, top, right, bottom] = face.bounds;
        let margin = face.size();
        let mut side = || margin * rng.random_range(0.25..1.2f32);
        let bounds = [left - side(), top - side(), right + side(), bottom + side()];
        let [width, height] = photo.size().map(|side| side as f32);
        let bounds = common(bounds, [0.0, 0.0, width, height]);
        let mask = Mask {
            bounds,
            seam: margin * rng.random_range(0.03..0.25f32),
        };
        let place = self.place(size, rng);
        let map = Affine::around(middle(face), place, size / face.size(), turn(rng), rng.random());
        self.cover(map.bounds(bounds));
        self.add(photo, &map, Some(&mask));
    }

    /// Faces under a patch: gone where it hides the middle, ignored where it touches them.
    fn cover(&mut self, patch: [f32; 4]) {
        self.faces.retain_mut(|face| {
            let hidden = area(common(face.bounds, patch)) / area(face.bounds).max(1e-6);
            face.ignored |= hidden > 0.15;
            hidden < 0.9
        });
    }

    #[cfg(test)]
    pub(super) fn show_faces(&mut self, bounds: &[[f32; 4]]) {
        self.faces.extend(bounds.iter().map(|bounds| Target {
            bounds: *bounds,
            points: None,
            ignored: false,
        }));
    }

    /// Draws a photo and takes its faces in.
    fn add(&mut self, photo: &Photo, map: &Affine, mask: Option<&Mask>) {
        draw(&mut self.pixels, self.size[0], photo, map, mask);
        let mirrored = map.matrix[0][0] * map.matrix[1][1] - map.matrix[0][1] * map.matrix[1][0] < 0.0;
        for face in &photo.faces {
            let shown = mask.map_or(1.0, |mask| {
                area(common(face.bounds, mask.bounds)) / area(face.bounds).max(1e-6)
            });
            if shown < 0.1 {
                continue;
            }
            let points = face.points.map(|points| {
                let [a, b, nose, c, d] = points.map(|point| map.point(point));
                if mirrored {
                    [b, a, nose, d, c]
                } else {
                    [a, b, nose, c, d]
                }
            });
            let ignored = face.kind == Kind::Ignore || shown < 0.75;
            self.faces.push(Target {
                bounds: map.bounds(face.bounds),
                points,
                ignored,
            });
        }
    }

    /// Log-uniform.
    fn face_size(&self, rng: &mut Rng) -> f32 {
        let largest = SIZES[1] * self.size[0].min(self.size[1]) as f32;
        SIZES[0] * (largest / SIZES[0]).powf(rng.random())
    }

    /// Where the middle of something comes to lie: mostly inside as a whole.
    fn place(&self, size: f32, rng: &mut Rng) -> [f32; 2] {
        self.size.map(|side| {
            let side = side as f32;
            let margin = (0.42 * size).min(0.42 * side);
            margin + rng.random::<f32>() * (side - 2.0 * margin)
        })
    }
}

/// Normal with 0.18 rad, or, three times of ten, uniform up to 0.65 rad.
fn turn(rng: &mut Rng) -> f32 {
    if rng.random::<f32>() < 0.3 {
        return rng.random_range(-0.65..0.65f32);
    }
    0.18 * super::light::normal(rng)
}

fn middle(face: &Face) -> [f32; 2] {
    let [left, top, right, bottom] = face.bounds;
    [f32::midpoint(left, right), f32::midpoint(top, bottom)]
}

/// By how much a photo is scaled to fill a sample.
fn fill(photo: &Photo, size: [usize; 2]) -> f32 {
    let [width, height] = photo.size();
    (size[0] as f32 / width as f32).max(size[1] as f32 / height as f32)
}

/// Moves a place so that a photo of `length`, whose `at` lies there, covers `0..side`, where it is long enough.
fn keep_covered(place: f32, at: f32, length: f32, side: f32) -> f32 {
    let (least, most) = (side - length + at, at);
    if least <= most { place.clamp(least, most) } else { place }
}
