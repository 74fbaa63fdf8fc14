//! Smooth round things that are no face: balls, fruit, planets, wheels.
//!
//! Pictures without a face hold few of them, and at a glance they look like a head: round, bright in the middle, dark at
//! the edge.

use rand::RngExt;

use super::Rng;
use super::light::normal;
use super::patch::covered;
use crate::detector::data::Photo;
use crate::detector::geometry::Affine;

/// Least and most size of an oval in pixels, the most relative to a sample's shorter side. A smaller one cannot be told
/// from a face.
const SIZES: [f32; 2] = [20.0, 1.2];
/// Most marks on it, and rings around its middle.
const MARKS: usize = 4;
/// How wide its edge is in pixels.
const EDGE: f32 = 1.2;

/// A shaded ellipsoid, its half axes 1 in its own coordinates.
pub(super) struct Oval {
    /// From the oval to the sample.
    map: Affine,
    /// From the oval to the photo that its surface is taken from.
    surface: Affine,
    /// Grey of its surface, and how much of the photo's pattern shows.
    grey: f32,
    pattern: f32,
    /// Where the light comes from, of length 1, and the share that comes from everywhere.
    light: [f32; 3],
    ambient: f32,
    /// Brightness of a reflection of the light.
    gloss: f32,
    marks: Vec<Mark>,
}

/// A spot on the surface, or a ring around the middle.
struct Mark {
    middle: [f32; 2],
    radius: [f32; 2],
    grey: f32,
}

impl Oval {
    /// One at a random place and size of a sample, with the surface of a photo.
    pub(super) fn random(photo: &Photo, [width, height]: [usize; 2], rng: &mut Rng) -> Self {
        let largest = (SIZES[1] * width.min(height) as f32).max(SIZES[0]);
        let half = 0.5 * SIZES[0] * (largest / SIZES[0]).powf(rng.random());
        let long = rng.random_range(-0.35..0.35f32).exp();
        let angle = rng.random_range(-1.6..1.6f32);
        let (sin, cos) = angle.sin_cos();
        let axes = [half * long, half / long];
        let place = [width, height].map(|side| rng.random::<f32>() * side as f32);
        let map = Affine {
            matrix: [[cos * axes[0], -sin * axes[1]], [sin * axes[0], cos * axes[1]]],
            shift: place,
        };
        let [photo_width, photo_height] = photo.size().map(|side| side as f32);
        let reach = rng.random_range(0.1..0.5f32) * photo_width.min(photo_height);
        // Where it is stretched much, a pattern becomes bands.
        let flat = rng.random_range(-2.5..0.0f32).exp();
        let surface = Affine {
            matrix: [[reach * flat, 0.0], [0.0, reach]],
            shift: [photo_width, photo_height].map(|side| reach + rng.random::<f32>() * (side - 2.0 * reach)),
        };
        let side = rng.random_range(0.0..1.0f32);
        let around = rng.random_range(-std::f32::consts::PI..std::f32::consts::PI);
        let grey = rng.random_range(50.0..250.0f32);
        Self {
            map,
            surface,
            grey,
            pattern: if rng.random() {
                0.1
            } else {
                rng.random_range(0.1..1.0f32)
            },
            light: [side * around.cos(), side * around.sin(), (1.0 - side * side).sqrt()],
            ambient: rng.random_range(0.05..0.8f32),
            gloss: if rng.random() {
                0.0
            } else {
                rng.random_range(20.0..140.0f32)
            },
            marks: marks(grey, rng),
        }
    }

    /// Bounds in the sample.
    pub(super) fn bounds(&self) -> [f32; 4] {
        self.map.bounds([-1.0, -1.0, 1.0, 1.0])
    }

    /// Draws it into a sample of this width.
    pub(super) fn draw(&self, pixels: &mut [f32], width: usize, photo: &Photo) {
        let height = pixels.len() / width;
        let back = self.map.inverse();
        let edge = EDGE / self.map.scale();
        let smallest = &photo.pyramid[photo.pyramid.len() - 1].pixels;
        let mean = smallest.iter().map(|pixel| f32::from(*pixel)).sum::<f32>() / smallest.len() as f32;
        let [columns, rows] = covered(&self.map, [-1.0, -1.0, 1.0, 1.0], width, height);
        for y in rows {
            for x in columns.clone() {
                let point = back.point([x as f32 + 0.5, y as f32 + 0.5]);
                let radius = point[0].hypot(point[1]);
                let opacity = ((1.0 - radius) / edge + 0.5).clamp(0.0, 1.0);
                if opacity == 0.0 {
                    continue;
                }
                let place = self.surface.point(point);
                let pattern = photo.gray().at(place[0], place[1]).unwrap_or(mean) - mean;
                let value = self.lit(point, self.own(point) + self.pattern * pattern);
                let pixel = &mut pixels[y * width + x];
                *pixel += opacity * (value - *pixel);
            }
        }
    }

    /// Grey of the surface at a place, before any light.
    fn own(&self, [x, y]: [f32; 2]) -> f32 {
        let marked = self.marks.iter().rev().find(|mark| {
            let away = (x - mark.middle[0]).hypot(y - mark.middle[1]);
            (mark.radius[0]..mark.radius[1]).contains(&away)
        });
        marked.map_or(self.grey, |mark| mark.grey)
    }

    /// What of a grey the light leaves there: Lambert's law, and a reflection towards the camera.
    fn lit(&self, [x, y]: [f32; 2], grey: f32) -> f32 {
        let normal = [x, y, (1.0 - x * x - y * y).max(0.0).sqrt()];
        let along: f32 = normal.iter().zip(&self.light).map(|(a, b)| a * b).sum();
        let mirrored = (2.0 * along * normal[2] - self.light[2]).max(0.0);
        let value = grey * (self.ambient + (1.0 - self.ambient) * along.max(0.0));
        (value + self.gloss * mirrored.powi(12)).clamp(0.0, 255.0)
    }
}

/// None on every second oval; on the others spots anywhere, or rings around one place.
fn marks(grey: f32, rng: &mut Rng) -> Vec<Mark> {
    if rng.random() {
        return Vec::new();
    }
    let (rings, count): (bool, usize) = (rng.random(), rng.random_range(1..=MARKS));
    let middle = [0.25 * normal(rng), 0.25 * normal(rng)];
    let mut mark = || Mark {
        middle: if rings {
            middle
        } else {
            [0.5 * normal(rng), 0.5 * normal(rng)]
        },
        radius: if rings {
            let inner = rng.random_range(0.0..0.8f32);
            [inner, inner + rng.random_range(0.05..0.3f32)]
        } else {
            [0.0, rng.random_range(0.05..0.45f32)]
        },
        grey: grey * rng.random_range(0.1..1.3f32),
    };
    (0..count).map(|_| mark()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::compose::tests::photos;

    #[test]
    fn an_oval_is_bright_towards_the_light_and_changes_nothing_beside_it() {
        let photo = &photos()[1];
        let oval = |light: [f32; 3]| Oval {
            map: Affine::around([0.0, 0.0], [48.0, 32.0], 20.0, 0.0, false),
            surface: Affine::around([0.0, 0.0], [48.0, 40.0], 20.0, 0.0, false),
            grey: 200.0,
            pattern: 0.0,
            light,
            ambient: 0.2,
            gloss: 0.0,
            marks: Vec::new(),
        };
        for (light, bright, dark) in [([0.8, 0.0, 0.6], 60, 36), ([-0.8, 0.0, 0.6], 36, 60)] {
            let mut pixels = vec![7.0; 96 * 64];
            oval(light).draw(&mut pixels, 96, photo);
            let at = |x: usize| pixels[32 * 96 + x];
            assert!(at(bright) > 190.0 && at(dark) < 90.0, "{} {}", at(bright), at(dark));
            for (place, pixel) in pixels.iter().enumerate() {
                let away = ((place % 96) as f32 + 0.5 - 48.0).hypot((place / 96) as f32 + 0.5 - 32.0);
                assert!(*pixel != 7.0 || away > 20.0 - EDGE, "{away}");
                assert!(*pixel == 7.0 || away < 20.0 + EDGE, "{away}");
            }
        }
    }

    #[test]
    fn random_ovals_have_marks_patterns_and_sizes_in_bounds() {
        let photos = photos();
        let mut rng = rand::SeedableRng::seed_from_u64(1);
        let (mut marked, mut smallest, mut largest) = (0, f32::MAX, 0.0f32);
        for _ in 0..300 {
            let oval = Oval::random(&photos[1], [96, 64], &mut rng);
            let mut pixels = vec![7.0; 96 * 64];
            oval.draw(&mut pixels, 96, &photos[1]);
            assert!(pixels.iter().all(|pixel| (0.0..=255.0).contains(pixel)));
            marked += usize::from(!oval.marks.is_empty());
            let size = 2.0 * oval.map.scale();
            (smallest, largest) = (smallest.min(size), largest.max(size));
        }
        assert!((100..200).contains(&marked), "{marked}");
        assert!(smallest >= SIZES[0] - 0.01 && largest <= 1.2 * 64.0 + 0.01 && largest > 60.0);
    }
}
