//! The pictures of a bundle's golden vectors.
//!
//! No face of a data set may lie in a bundle, so they are drawn: smooth noise, a ramp and something like a face. What
//! matters is that they reach all parts of the networks, and that they are the same on every machine.

use inference::GoldenPicture;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_model::image::SIDE;

/// Seed of the noise.
const SEED: u64 = 96;
/// Distance of the noise's own points in pixels.
const STEP: usize = 8;

/// An ellipse: centre, half axes, in pixels, and its grey value.
struct Blot {
    centre: [f32; 2],
    half: [f32; 2],
    grey: f32,
}

/// Something like a face, back to front: hair, skin, brows, eyes, pupils, nose, mouth.
const FACE: [Blot; 10] = [
    blot([48.0, 44.0], [36.0, 42.0], 45.0),
    blot([48.0, 52.0], [30.0, 38.0], 190.0),
    blot([34.0, 36.0], [8.0, 2.5], 70.0),
    blot([62.0, 37.0], [8.0, 2.5], 75.0),
    blot([34.0, 44.0], [6.0, 3.5], 235.0),
    blot([62.0, 44.0], [6.0, 3.5], 230.0),
    blot([35.0, 44.0], [2.5, 3.0], 20.0),
    blot([61.0, 44.0], [2.5, 3.0], 25.0),
    blot([48.0, 58.0], [4.0, 6.0], 160.0),
    blot([47.0, 74.0], [13.0, 4.0], 95.0),
];

const fn blot(centre: [f32; 2], half: [f32; 2], grey: f32) -> Blot {
    Blot { centre, half, grey }
}

/// The pictures, the same ones at every call.
pub fn pictures() -> Vec<GoldenPicture> {
    let ramp = |x: usize, y: usize| (2 * x) as f32 + 0.6 * y as f32;
    vec![drawn("noise", noise()), drawn("ramp", ramp), drawn("face", face)]
}

/// A picture with the grey value of each column and row, 0 to 255.
fn drawn(name: &str, grey: impl Fn(usize, usize) -> f32) -> GoldenPicture {
    let at = |at: usize| grey(at % SIDE, at / SIDE).round().clamp(0.0, 255.0) as u8;
    let pixels: Vec<u8> = (0..SIDE * SIDE).map(at).collect();
    GoldenPicture::new(name, &pixels)
}

/// Grey values that change smoothly between random ones.
fn noise() -> impl Fn(usize, usize) -> f32 {
    const POINTS: usize = SIDE / STEP + 1;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let points: Vec<f32> = (0..POINTS * POINTS).map(|_| random.random_range(0.0..255.0)).collect();
    move |x, y| {
        let [right, down] = [x, y].map(|at| (at % STEP) as f32 / STEP as f32);
        let at = y / STEP * POINTS + x / STEP;
        let row = |at: usize| points[at] * (1.0 - right) + points[at + 1] * right;
        row(at) * (1.0 - down) + row(at + POINTS) * down
    }
}

fn face(x: usize, y: usize) -> f32 {
    let inside = |blot: &&Blot| {
        let [dx, dy] = [
            (x as f32 - blot.centre[0]) / blot.half[0],
            (y as f32 - blot.centre[1]) / blot.half[1],
        ];
        dx * dx + dy * dy <= 1.0
    };
    let light = 0.2 * x as f32;
    FACE.iter().rev().find(inside).map_or(110.0, |blot| blot.grey) + light
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_whole_and_differ() {
        let pictures = pictures();
        assert_eq!(pictures, super::pictures());
        for (at, picture) in pictures.iter().enumerate() {
            assert_eq!(picture.pixels.len(), 2 * SIDE * SIDE);
            assert!(pictures[..at].iter().all(|other| other.pixels != picture.pixels));
            let greys: std::collections::BTreeSet<&[u8]> = picture.pixels.as_bytes().chunks_exact(2).collect();
            assert!(greys.len() > 20, "{} has {} grey values", picture.name, greys.len());
        }
    }
}
