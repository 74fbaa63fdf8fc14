use super::*;
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

#[test]
fn samples_depend_on_seed_step_and_place_alone() {
    let photos = photos();
    let composer = Composer::new(&photos, [96, 64], 5).unwrap();
    let other_seed = Composer::new(&photos, [96, 64], 6).unwrap();
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
    let composer = Composer::new(&photos, [96, 64], 1).unwrap();
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
    let composed = Composer::new(&photos, [96, 64], 1).unwrap().sample(0, 0);
    for photo in photos.iter_mut().filter(|photo| photo.held) {
        photo.pyramid[0].pixels.fill(0);
        photo.faces.clear();
    }
    assert_eq!(Composer::new(&photos, [96, 64], 1).unwrap().sample(0, 0), composed);
    for photo in &mut photos {
        photo.held = true;
    }
    let error = Composer::new(&photos, [96, 64], 1).err().unwrap().to_string();
    assert!(error.contains("not held out"), "{error}");
}

#[test]
fn false_alarms_become_the_background_of_some_samples() {
    let photos = photos();
    let mut composer = Composer::new(&photos, [96, 64], 1).unwrap();
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
