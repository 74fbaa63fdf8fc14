use super::*;
use crate::detector::compose::scene::Scene;
use crate::detector::data::{Face, Gray, Kind};

/// Photos of noise-like patterns: some with a face, some without.
pub(crate) fn photos() -> Vec<Photo> {
    let pattern = |seed: usize| {
        let pixels = (0..96 * 80)
            .map(|at| ((at * (7 + seed) + at / 96 * 31 * seed) % 251) as u8)
            .collect();
        Gray {
            width: 96,
            height: 80,
            pixels,
        }
        .pyramid()
    };
    let points = [[35.0, 30.0], [45.0, 30.0], [40.0, 36.0], [36.0, 42.0], [44.0, 42.0]];
    let face = Face {
        kind: Kind::Face,
        bounds: [28.0, 20.0, 52.0, 50.0],
        points: Some(points),
    };
    (0..10)
        .map(|at| Photo {
            name: format!("{at}"),
            source: ["lfw", "bsds"][at % 2].to_owned(),
            held: at >= 8,
            scale: 1.0,
            faces: if at % 2 == 0 { vec![face] } else { Vec::new() },
            pyramid: pattern(at + 1),
        })
        .collect()
}

fn config(seed: u64) -> DetectorConfig {
    DetectorConfig {
        input: [96, 64],
        seed,
        ..DetectorConfig::default()
    }
}

#[test]
fn samples_depend_on_seed_step_and_place_alone() {
    let photos = photos();
    let composer = Composer::new(&photos, &config(5)).unwrap();
    let other_seed = Composer::new(&photos, &config(6)).unwrap();
    for place in 0..20 {
        let sample = composer.sample(3, place);
        assert_eq!(sample, composer.sample(3, place));
        assert_ne!(sample.pixels, composer.sample(4, place).pixels);
        assert_ne!(sample.pixels, composer.sample(3, place + 100).pixels);
        assert_ne!(sample.pixels, other_seed.sample(3, place).pixels);
    }
}

#[test]
fn samples_are_sound() {
    let photos = photos();
    let composer = Composer::new(&photos, &config(1)).unwrap();
    let (mut faces, mut nobody) = (0, 0);
    for place in 0..300 {
        let sample = composer.sample(0, place);
        assert_eq!(sample.pixels.len(), 96 * 64);
        assert!(sample.pixels.iter().all(|pixel| (0.0..=255.0).contains(pixel)));
        for face in sample.faces.iter().filter(|face| !face.ignored) {
            assert!(face.size() >= 6.5 && face.size() < 200.0, "{face:?}");
            let [eye, other, ..] = face.points.unwrap();
            // Turned by less than 90 degrees, mirrored or not, the first eye stays at the left.
            assert!(eye[0] < other[0], "{face:?}");
            faces += 1;
        }
        nobody += usize::from(sample.faces.is_empty());
    }
    assert!(
        faces > 150 && nobody > 30,
        "{faces} faces, {nobody} samples without one"
    );
}

#[test]
fn held_out_photos_never_get_into_samples() {
    let mut photos = photos();
    let composed = Composer::new(&photos, &config(1)).unwrap().sample(0, 0);
    for photo in photos.iter_mut().filter(|photo| photo.held) {
        photo.pyramid[0].pixels.fill(0);
        photo.faces.clear();
    }
    assert_eq!(Composer::new(&photos, &config(1)).unwrap().sample(0, 0), composed);
    for photo in &mut photos {
        photo.held = true;
    }
    let error = Composer::new(&photos, &config(1)).err().unwrap().to_string();
    assert!(error.contains("not held out"), "{error}");
}

#[test]
fn false_alarms_become_the_background_of_some_samples() {
    let photos = photos();
    let mut composer = Composer::new(&photos, &config(1)).unwrap();
    let before: Vec<Sample> = (0..100).map(|place| composer.sample(0, place)).collect();
    let alarm = Alarm {
        photo: 1,
        middle: [30.0, 40.0],
        size: 12.0,
        scale: 1.2,
    };
    composer.show(&[alarm]);
    let mut others = 0;
    for (place, before) in before.iter().enumerate() {
        let sample = composer.sample(0, place);
        others += usize::from(sample != *before);
        assert!(sample.pixels.iter().all(|pixel| (0.0..=255.0).contains(pixel)));
    }
    // Backgrounds are seven samples of ten; all of these draw other random numbers now.
    assert!((50..=90).contains(&others), "{others}");
    composer.show(&[]);
    assert!(composer.sample(0, 0) == before[0]);
}

#[test]
fn what_is_pasted_over_a_face_takes_it_away() {
    let photos = photos();
    let pool = Pool::new(&photos, 0.0);
    for (seed, ovals) in [(1, true), (2, false)] {
        let mut rng = Rng::seed_from_u64(seed);
        let mut left = 0;
        for _ in 0..200 {
            let mut scene = Scene::new([96, 64], 0.0);
            scene.show_faces(&[[20.0, 20.0, 34.0, 36.0], [60.0, 30.0, 70.0, 42.0]]);
            let blank = scene.clone().into_sample();
            if ovals {
                scene.oval(&pool, &mut rng);
            } else {
                scene.distract(&pool, &mut rng);
            }
            let sample = scene.into_sample();
            assert_ne!(sample.pixels, blank.pixels);
            for face in sample.faces.iter().filter(|face| !face.ignored) {
                let [x0, y0, x1, y1] = face.bounds.map(|side| side as usize);
                let inside = (y0..y1).flat_map(|y| (x0..x1).map(move |x| y * 96 + x));
                let changed = inside.filter(|at| sample.pixels[*at] != blank.pixels[*at]).count();
                let share = changed as f32 / ((x1 - x0) * (y1 - y0)) as f32;
                assert!(
                    share < 0.4,
                    "{share} of a face that is still to be found, ovals {ovals}"
                );
                left += 1;
            }
        }
        assert!(
            (100..400).contains(&left),
            "{left} faces of 400 are left, ovals {ovals}"
        );
    }
}

#[test]
fn faces_that_look_aside_come_as_often_as_asked_for() {
    let mut photos = photos();
    photos[4].faces[0].points.as_mut().unwrap()[2] = [47.0, 36.0];
    let shares = [0.0, 0.5, 1.0].map(|share| {
        let (pool, mut rng) = (Pool::new(&photos, share), Rng::seed_from_u64(3));
        let drawn = (0..400).filter(|_| pool.face(20.0, &mut rng).0.name == "4");
        drawn.count()
    });
    // One of four by chance; half of them, and of the others one of four.
    assert!((70..130).contains(&shares[0]), "{shares:?}");
    assert!((210..290).contains(&shares[1]), "{shares:?}");
    assert_eq!(shares[2], 400);
}

#[test]
fn settings_from_before_there_were_ovals_mean_none() {
    let mut settings = serde_json::to_value(DetectorConfig::default()).unwrap();
    settings.as_object_mut().unwrap().remove("ovals").unwrap();
    let old: DetectorConfig = serde_json::from_value(settings).unwrap();
    assert_eq!(old.ovals.to_bits(), 0);
    let (photos, other) = (photos(), config(9));
    let with = Composer::new(&photos, &other).unwrap();
    let without = Composer::new(&photos, &DetectorConfig { ovals: 0.0, ..other }).unwrap();
    let changed = (0..100).filter(|place| with.sample(0, *place) != without.sample(0, *place));
    assert!(changed.count() > 50);
}
