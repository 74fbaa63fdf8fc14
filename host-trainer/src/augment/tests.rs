//! What each variation does to a face and its points.

use shared_model::image::SIDE;

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
fn a_label_that_lies_beside_its_place_stays_as_far_beside_it_in_the_mirror_and_at_any_angle() {
    let pixels = dotted(96);
    let face = GrayView::new(&pixels, 96, 96).unwrap();
    let offset = [3.0, -2.0];
    for (name, movement) in cases() {
        let config = AugmentConfig {
            label_offset: offset,
            ..movement
        };
        for sample in 0..20 {
            let (mut points, mut present) = labels();
            points.0[MARKED] = [DOT[0] + offset[0], DOT[1] + offset[1]];
            let mut out = vec![0.0; INPUT_LEN];
            let mut rng = sample_rng(1, 2, sample);
            augment(face, Some((&mut points, &mut present)), &config, &mut rng, &mut out);
            let index = present.iter().position(|known| *known).unwrap();
            let (found, [x, y]) = (bright_spot(&out), points.0[index]);
            let distance = (found[0] + offset[0] - x).hypot(found[1] + offset[1] - y);
            assert!(distance < 0.6, "{name} {sample}: ({x}, {y}), dot at {found:?}");
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

/// Faces of random shades, varied by this alone.
fn varied(config: &AugmentConfig, sample: u64) -> Vec<f32> {
    let pixels: Vec<u8> = (0..INPUT_LEN).map(|at| (at * 7919 % 251) as u8).collect();
    let face = GrayView::new(&pixels, 96, 96).unwrap();
    let mut out = vec![0.0; INPUT_LEN];
    augment(face, None, config, &mut sample_rng(0, 0, sample), &mut out);
    out
}

fn moments(values: impl Iterator<Item = f32> + Clone) -> [f32; 2] {
    let count = values.clone().count() as f32;
    let mean = values.clone().sum::<f32>() / count;
    [
        mean,
        (values.map(|value| (value - mean).powi(2)).sum::<f32>() / count).sqrt(),
    ]
}

#[test]
fn gamma_bends_the_tones_both_ways_within_its_range() {
    let pixels = vec![64; INPUT_LEN];
    let face = GrayView::new(&pixels, 96, 96).unwrap();
    let config = AugmentConfig {
        gamma: 1.0,
        ..AugmentConfig::none()
    };
    let tones: Vec<f32> = (0..200)
        .map(|sample| {
            let mut out = vec![0.0; INPUT_LEN];
            augment(face, None, &config, &mut sample_rng(0, 0, sample), &mut out);
            out[0]
        })
        .collect();
    let shade: f32 = 64.0 / 255.0;
    let (low, high) = (shade.powi(2), shade.sqrt());
    assert!(tones.iter().all(|tone| (low - 0.003..=high + 0.003).contains(tone)));
    assert!(tones.iter().any(|tone| *tone < low + 0.02) && tones.iter().any(|tone| *tone > high - 0.02));
}

#[test]
fn fewer_pixels_take_the_detail_and_leave_the_mean() {
    let config = AugmentConfig {
        low_resolution: 1.0,
        low_resolution_px: [16.0, 16.0],
        ..AugmentConfig::none()
    };
    let [sharp, blurred] = [AugmentConfig::none(), config].map(|config| moments(varied(&config, 1).into_iter()));
    assert!((sharp[0] - blurred[0]).abs() < 0.02, "{sharp:?} {blurred:?}");
    assert!(blurred[1] < sharp[1] / 2.0, "{sharp:?} {blurred:?}");
}

#[test]
fn noise_has_at_most_the_stated_deviation() {
    let pixels = vec![128; INPUT_LEN];
    let face = GrayView::new(&pixels, 96, 96).unwrap();
    let config = AugmentConfig {
        noise: 0.1,
        ..AugmentConfig::none()
    };
    let deviations = (0..50).map(|sample| {
        let mut out = vec![0.0; INPUT_LEN];
        augment(face, None, &config, &mut sample_rng(0, 0, sample), &mut out);
        moments(out.iter().copied())[1]
    });
    let largest = deviations.fold(0.0, f32::max);
    assert!((0.08..=0.102).contains(&largest), "{largest}");
}
