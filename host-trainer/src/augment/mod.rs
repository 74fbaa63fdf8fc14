//! Varies faces and their keypoints for training.
//!
//! All movements are one affine map, so a face is resampled once, straight from its own size to the
//! 96 x 96 input. What is drawn for a face depends on seed, epoch and sample only, not on the order or
//! the thread in which faces are made.

mod affine;
mod config;
mod draw;
mod warp;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use shared_model::image::{GrayView, INPUT_LEN};
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
    let mean = mean(face);
    let light = drawn.light(config, mean);
    warp(face, &map.inverse(), light, out);
    if let Some(area) = drawn.erased(config) {
        let grey = (mean * light.gain + light.offset).clamp(0.0, 1.0);
        area.fill(grey, out);
    }
    if let Some((points, present)) = labels {
        move_points(&map, config, points, present);
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
    let moved = points.0.map(|point| map.apply(point));
    // Mirrored and upside down together are a turn: left stays left.
    if map.determinant() < 0.0 && config.swap_mirrored_points {
        *points = Keypoints(MIRROR.map(|other| moved[other]));
        *present = MIRROR.map(|other| present[other]);
    } else {
        *points = Keypoints(moved);
    }
}

#[cfg(test)]
mod tests {
    use shared_model::image::{SIDE, sample};

    use super::*;

    const DOT: [f32; 2] = [41.0, 58.5];
    /// `left_eye_inner_corner`, whose mirror image is point 4.
    const MARKED: usize = 2;

    /// A dark face with a bright round dot about `DOT`, in pixels of the input.
    fn dotted(side: usize) -> Vec<u8> {
        let scale = SIDE as f32 / side as f32;
        let value = |at: usize| {
            let (x, y) = ((at % side) as f32 + 0.5, (at / side) as f32 + 0.5);
            let squared = (x * scale - DOT[0]).powi(2) + (y * scale - DOT[1]).powi(2);
            (255.0 * (-squared / 18.0).exp()) as u8
        };
        (0..side * side).map(value).collect()
    }

    /// Centre of what is brighter than 0.45, weighted.
    fn bright_spot(values: &[f32]) -> [f32; 2] {
        let (mut sum, mut x, mut y) = (0.0, 0.0, 0.0);
        for (at, value) in values.iter().enumerate() {
            let weight = (value - 0.45).max(0.0);
            sum += weight;
            x += weight * ((at % SIDE) as f32 + 0.5);
            y += weight * ((at / SIDE) as f32 + 0.5);
        }
        [x / sum, y / sum]
    }

    fn labels() -> (Keypoints, [bool; COUNT]) {
        let mut present = [false; COUNT];
        present[MARKED] = true;
        let mut points = Keypoints([[0.0; 2]; COUNT]);
        points.0[MARKED] = DOT;
        (points, present)
    }

    fn cases() -> [(&'static str, AugmentConfig); 9] {
        let none = AugmentConfig::none();
        let mut all = AugmentConfig::keypoints();
        all.vertical_flip = 0.5;
        all.shear = 0.1;
        [
            ("mirror", AugmentConfig { mirror: 1.0, ..none }),
            (
                "flip",
                AugmentConfig {
                    vertical_flip: 1.0,
                    ..none
                },
            ),
            (
                "rotation",
                AugmentConfig {
                    rotation_degrees: 180.0,
                    ..none
                },
            ),
            ("shift", AugmentConfig { shift: 0.2, ..none }),
            ("shear", AugmentConfig { shear: 0.3, ..none }),
            ("zoom", AugmentConfig { zoom: 0.3, ..none }),
            (
                "light",
                AugmentConfig {
                    brightness: 0.15,
                    contrast: 0.3,
                    ..none
                },
            ),
            ("all", all),
            ("original", AugmentConfig::original()),
        ]
    }

    #[test]
    fn keypoints_move_with_the_face() {
        for side in [48, 96] {
            let pixels = dotted(side);
            let face = GrayView::new(&pixels, side, side).unwrap();
            for (name, config) in cases() {
                for sample in 0..20 {
                    let (mut points, mut present) = labels();
                    let mut out = vec![0.0; INPUT_LEN];
                    let mut rng = sample_rng(1, 2, sample);
                    augment(face, Some((&mut points, &mut present)), &config, &mut rng, &mut out);
                    let index = present.iter().position(|known| *known).unwrap();
                    let (found, point) = (bright_spot(&out), points.0[index]);
                    let distance = (found[0] - point[0]).hypot(found[1] - point[1]);
                    assert!(distance < 0.6, "{name} {side} {sample}: {point:?}, dot at {found:?}");
                }
            }
        }
    }

    #[test]
    fn every_movement_moves_the_dot() {
        let pixels = dotted(96);
        let face = GrayView::new(&pixels, 96, 96).unwrap();
        for (name, config) in cases().into_iter().filter(|(name, _)| *name != "light") {
            let moved = (0..10).map(|sample| {
                let (mut points, mut present) = labels();
                let mut rng = sample_rng(3, 0, sample);
                let labels = Some((&mut points, &mut present));
                augment(face, labels, &config, &mut rng, &mut vec![0.0; INPUT_LEN]);
                let index = present.iter().position(|known| *known).unwrap();
                let [x, y] = points.0[index];
                (x - DOT[0]).hypot(y - DOT[1])
            });
            let furthest = moved.fold(0.0, f32::max);
            assert!(furthest > 1.0, "{name}: by {furthest} px at most");
        }
    }

    #[test]
    fn a_mirror_image_swaps_left_and_right_and_a_turned_face_does_not() {
        let both = AugmentConfig {
            mirror: 1.0,
            vertical_flip: 1.0,
            ..AugmentConfig::none()
        };
        let mirror = AugmentConfig {
            vertical_flip: 0.0,
            ..both
        };
        let unswapped = AugmentConfig {
            swap_mirrored_points: false,
            ..mirror
        };
        let pixels = dotted(96);
        let face = GrayView::new(&pixels, 96, 96).unwrap();
        let [x, y] = DOT;
        for (config, index, expected) in [
            (mirror, MIRROR[MARKED], [96.0 - x, y]),
            (both, MARKED, [96.0 - x, 96.0 - y]),
            (unswapped, MARKED, [96.0 - x, y]),
        ] {
            let (mut points, mut present) = labels();
            let mut out = vec![0.0; INPUT_LEN];
            augment(
                face,
                Some((&mut points, &mut present)),
                &config,
                &mut sample_rng(0, 0, 0),
                &mut out,
            );
            assert_eq!((points.0[index], present[index]), (expected, true));
            assert_eq!(present.iter().filter(|known| **known).count(), 1);
        }
    }

    #[test]
    fn seed_epoch_and_sample_decide() {
        let pixels = dotted(48);
        let face = GrayView::new(&pixels, 48, 48).unwrap();
        let made = |seed, epoch, sample| {
            let mut out = vec![0.0; INPUT_LEN];
            augment(
                face,
                None,
                &AugmentConfig::emotion(),
                &mut sample_rng(seed, epoch, sample),
                &mut out,
            );
            out
        };
        let first = made(1, 2, 3);
        assert_eq!(first, made(1, 2, 3));
        for (seed, epoch, sample) in [(2, 2, 3), (1, 3, 3), (1, 2, 4), (3, 2, 1)] {
            assert_ne!(first, made(seed, epoch, sample), "{seed} {epoch} {sample}");
        }
    }

    #[test]
    fn without_variation_it_is_the_sample_of_the_whole_face() {
        for side in [48, 96] {
            let pixels = dotted(side);
            let face = GrayView::new(&pixels, side, side).unwrap();
            let (mut points, mut present) = labels();
            let (mut got, mut expected) = (vec![0.0; INPUT_LEN], vec![0.0; INPUT_LEN]);
            let config = AugmentConfig::none();
            augment(
                face,
                Some((&mut points, &mut present)),
                &config,
                &mut sample_rng(9, 9, 9),
                &mut got,
            );
            sample(face, &face.bounds(), SIDE, &mut expected);
            assert!(got.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-6));
            assert_eq!((points, present), labels());
        }
    }

    #[test]
    fn light_changes_mean_and_spread_within_the_range() {
        // Half 0.4, half 0.6: nothing is cut off at 0 or 1.
        let pixels: Vec<u8> = (0..INPUT_LEN)
            .map(|at| if at % SIDE < 48 { 102 } else { 153 })
            .collect();
        let face = GrayView::new(&pixels, 96, 96).unwrap();
        let config = AugmentConfig {
            brightness: 0.15,
            contrast: 0.3,
            ..AugmentConfig::none()
        };
        let mut seen = [(f32::MAX, f32::MIN); 2];
        for sample in 0..200 {
            let mut out = vec![0.0; INPUT_LEN];
            augment(face, None, &config, &mut sample_rng(0, 0, sample), &mut out);
            let (dark, bright) = (out[0], out[SIDE - 1]);
            let values = [f32::midpoint(dark, bright) - 0.5, (bright - dark) / 0.2 - 1.0];
            for ((low, high), value) in seen.iter_mut().zip(values) {
                (*low, *high) = (low.min(value), high.max(value));
            }
        }
        for ((low, high), most) in seen.into_iter().zip([0.15, 0.3]) {
            assert!(low >= -most - 1e-4 && high <= most + 1e-4, "{low} {high}");
            assert!(low < -0.9 * most && high > 0.9 * most, "{low} {high}");
        }
    }

    #[test]
    fn erased_box_has_the_mean_grey_and_the_stated_size() {
        let pixels: Vec<u8> = (0..INPUT_LEN).map(|at| if at % 2 == 0 { 0 } else { 255 }).collect();
        let face = GrayView::new(&pixels, 96, 96).unwrap();
        let config = AugmentConfig {
            erase: 0.5,
            ..AugmentConfig::none()
        };
        let mut erased = 0;
        for sample in 0..200 {
            let mut out = vec![0.0; INPUT_LEN];
            augment(face, None, &config, &mut sample_rng(0, 0, sample), &mut out);
            let grey = out.iter().filter(|value| (**value - 0.5).abs() < 1e-3).count();
            assert!(grey == 0 || (64..=1024).contains(&grey), "{grey} pixels");
            erased += usize::from(grey > 0);
        }
        // Five standard deviations about the mean of 200 fair coins.
        assert!((65..=135).contains(&erased), "{erased} of 200");
    }
}
