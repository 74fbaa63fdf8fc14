//! Varies faces and their keypoints for training.
//!
//! All movements are one affine map, so a face is resampled once, straight from its own size to the
//! 96 x 96 input. What is drawn for a face depends on seed, epoch and sample only, not on the order or
//! the thread in which faces are made.

mod affine;
mod config;
mod draw;
mod warp;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use shared_model::image::{GrayView, INPUT_LEN, sample};
use shared_model::keypoints::{COUNT, Keypoints, MIRROR};

use affine::Affine;
pub use config::{AugmentConfig, AugmentError};
use draw::Drawn;
use warp::warp;

/// The generator for one sample in one epoch.
pub fn sample_rng(seed: u64, epoch: u64, sample: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, epoch, sample]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Writes a varied face to `out`, values 0..=1 row by row, and moves its keypoints along.
///
/// Keypoints are in pixels of the 96 x 96 input, whatever the size of the face. Those that leave the
/// picture keep their place outside it. When the face turns into its mirror image, points and their
/// presence change places, unless the settings say otherwise; missing points move, too, and stay
/// missing. With [`AugmentConfig::none`] the result is that of `shared_model::image::sample` of the
/// whole face.
///
/// # Panics
/// If `out` does not hold exactly `INPUT_LEN` values.
pub fn augment(
    face: GrayView<'_>,
    labels: Option<(&mut Keypoints, &mut [bool; COUNT])>,
    config: &AugmentConfig,
    rng: &mut ChaCha8Rng,
    out: &mut [f32],
) {
    assert_eq!(out.len(), INPUT_LEN, "output of augment");
    let drawn = Drawn::new(rng);
    let map = drawn.map(config);
    let changed = changed(face, &drawn, config);
    let face = match &changed {
        Some((side, pixels)) => GrayView::new(pixels, *side, *side).unwrap_or(face),
        None => face,
    };
    let mean = mean(face);
    let light = drawn.light(config, mean);
    warp(face, &map.inverse(), light, out);
    if let Some(area) = drawn.erased(config) {
        let grey = (mean * light.gain + light.offset).clamp(0.0, 1.0);
        area.fill(grey, out);
    }
    add_noise(drawn.noise(config), rng, out);
    if let Some((points, present)) = labels {
        move_points(&map, config, points, present);
    }
}

/// The face's side and pixels with fewer of them and another gamma, where either is drawn.
fn changed(face: GrayView<'_>, drawn: &Drawn, config: &AugmentConfig) -> Option<(usize, Vec<u8>)> {
    let smaller = drawn.low_resolution(config).filter(|side| *side < face.width());
    if smaller.is_none() && config.gamma == 0.0 {
        return None;
    }
    let side = smaller.unwrap_or(face.width());
    let mut pixels: Vec<u8> = match smaller {
        Some(side) => {
            let mut values = vec![0.0; side * side];
            sample(face, &face.bounds(), side, &mut values);
            values.iter().map(|value| (value * 255.0).round() as u8).collect()
        }
        None => (0..face.height()).flat_map(|y| face.row(y)).copied().collect(),
    };
    if config.gamma > 0.0 {
        let gamma = drawn.gamma(config);
        let tones: [u8; 256] = std::array::from_fn(|pixel| ((pixel as f32 / 255.0).powf(gamma) * 255.0).round() as u8);
        for pixel in &mut pixels {
            *pixel = tones[usize::from(*pixel)];
        }
    }
    Some((side, pixels))
}

/// Adds noise of this standard deviation, with the triangular distribution of two numbers' difference.
fn add_noise(deviation: f32, rng: &mut ChaCha8Rng, out: &mut [f32]) {
    if deviation == 0.0 {
        return;
    }
    // The difference of two numbers in 0..1 has a variance of 1/6.
    let scale = deviation * 6f32.sqrt();
    for value in out {
        let [a, b]: [u16; 2] = rng.random();
        let difference = (f32::from(a) - f32::from(b)) / f32::from(u16::MAX);
        *value = (*value + scale * difference).clamp(0.0, 1.0);
    }
}

/// Mean of a face in 0..=1.
fn mean(face: GrayView<'_>) -> f32 {
    let sum: u32 = (0..face.height())
        .flat_map(|y| face.row(y))
        .map(|pixel| u32::from(*pixel))
        .sum();
    sum as f32 / (255 * face.width() * face.height()) as f32
}

fn move_points(map: &Affine, config: &AugmentConfig, points: &mut Keypoints, present: &mut [bool; COUNT]) {
    let [right, down] = config.label_offset;
    let moved = points.0.map(|[x, y]| {
        let [x, y] = map.apply([x - right, y - down]);
        [x + right, y + down]
    });
    // Mirrored and upside down together are a turn: left stays left.
    if map.determinant() < 0.0 && config.swap_mirrored_points {
        *points = Keypoints(MIRROR.map(|other| moved[other]));
        *present = MIRROR.map(|other| present[other]);
    } else {
        *points = Keypoints(moved);
    }
}

#[cfg(test)]
mod tests;
