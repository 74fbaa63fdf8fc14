use std::path::Path;

use super::*;
use inference::picture::Picture;
use testing::shared_data;

fn at(x: f32, w: f32, score: f32) -> Detection {
    Detection {
        bounds: Rect { x, y: 0.0, w, h: w },
        score,
    }
}

fn photo(path: &Path) -> Picture {
    Picture::decode(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn refuses_settings_out_of_range() {
    let good = DetectorConfig::default();
    assert!(Detector::new(good).is_ok());
    for bad in [
        DetectorConfig {
            min_face_px: 19.0,
            ..good
        },
        DetectorConfig {
            min_face_px: f32::NAN,
            ..good
        },
        DetectorConfig { score: 0.0, ..good },
        DetectorConfig {
            pyramid_step: 1.0,
            ..good
        },
        DetectorConfig { window_step: 0, ..good },
    ] {
        assert!(Detector::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn finds_nothing_in_flat_noisy_or_tiny_pictures() {
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let noise: Vec<u8> = (0..120u32 * 90)
        .map(|v| (v.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for (data, width, height) in [
        (&noise[..], 120, 90),
        (&[0; 10_800], 120, 90),
        (&noise, 1, 900),
        (&noise, 41, 39),
    ] {
        let picture = GrayView::new(data, width, height).unwrap();
        assert_eq!(detector.detect(picture), [], "{width} x {height}");
    }
}

#[test]
fn overlapping_detections_are_one_face() {
    let faces = distinct(vec![at(0.0, 10.0, 1.0), at(1.0, 10.0, 3.0), at(9.0, 10.0, 2.0)]);
    assert_eq!(faces, [at(1.0, 10.0, 3.0), at(9.0, 10.0, 2.0)]);
}

#[test]
fn largest_face_is_the_widest_and_the_first_of_equals() {
    assert_eq!(largest(&[]), None);
    let faces = [at(0.0, 10.0, 9.0), at(20.0, 30.0, 1.0), at(60.0, 30.0, 2.0)];
    assert_eq!(largest(&faces), Some(&faces[1]));
}

#[test]
fn finds_the_faces_of_the_photographs_and_no_others() {
    let Some(dir) = shared_data("photos") else { return };
    let annotations = std::fs::read(dir.join("annotations.json")).unwrap();
    let annotations: serde_json::Value = serde_json::from_slice(&annotations).unwrap();
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let (mut boxes, mut hits, mut single, mut false_ones) = (0, 0, 0, 0);
    for (name, truth) in annotations.as_object().unwrap() {
        let picture = photo(&dir.join(name));
        let found = detector.detect(picture.gray().unwrap());
        for face in truth["faces"].as_array().into_iter().flatten() {
            let side = |at: usize| face["box"][at].as_f64().unwrap() as f32;
            let bounds = Rect {
                x: side(0),
                y: side(1),
                w: side(2),
                h: side(3),
            };
            boxes += 1;
            hits += usize::from(found.iter().any(|face| face.bounds.overlap(&bounds) > 0.3));
        }
        match truth["n_faces"].as_u64() {
            Some(0) => false_ones += found.len(),
            Some(1) => single += usize::from(found.len() == 1),
            _ => {}
        }
    }
    assert_eq!((boxes, false_ones), (18, 0));
    assert!(hits >= 17, "{hits} of 18 faces");
    assert!(single >= 13, "{single} of 15 portraits");
}

#[test]
fn quick_searches_find_known_faces_of_their_size_and_nothing_elsewhere() {
    let Some(dir) = shared_data("photos") else { return };
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let aim = |min_px: f32, max_px: f32, effort| Aim { min_px, max_px, effort };
    for name in ["dlib_2008_001009.jpg", "fr_obama.jpg"] {
        let picture = photo(&dir.join(name));
        let picture = picture.gray().unwrap();
        for face in detector.detect(picture) {
            let (side, margin) = (face.bounds.w, 0.35 * face.bounds.w);
            let around = Rect {
                x: face.bounds.x - margin,
                y: face.bounds.y - margin,
                w: side + 2.0 * margin,
                h: side + 2.0 * margin,
            };
            let (part, [x, y]) = picture.part(&around).unwrap();
            let found = detector.search(part, &aim(0.85 * side, 1.3 * side, Effort::Known));
            let there = |found: &Detection| {
                let bounds = Rect {
                    x: found.bounds.x + x as f32,
                    y: found.bounds.y + y as f32,
                    ..found.bounds
                };
                bounds.overlap(&face.bounds) > 0.5
            };
            assert!(found.iter().any(there), "{name}: {found:?} instead of {face:?}");
            let smaller = detector.search(part, &aim(20.0, 0.3 * side, Effort::Known));
            assert!(!smaller.iter().any(there), "{name}: {smaller:?} are too large");
        }
    }
    for name in ["mtcnn_no_faces.jpg", "ski_brick.png", "ski_coins.png", "ski_gravel.png"] {
        let picture = photo(&dir.join(name));
        let found = detector.search(picture.gray().unwrap(), &aim(40.0, f32::INFINITY, Effort::Quick));
        assert_eq!(found, [], "{name}");
    }
}

/// Faces of all photographs that a thorough search finds; those of them that are found where they are known to be and where
/// they are expected, and that a quick search of the whole photograph finds; and what that finds elsewhere.
fn counts(dir: &Path) -> [usize; 5] {
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let annotations = std::fs::read(dir.join("annotations.json")).unwrap();
    let annotations: serde_json::Value = serde_json::from_slice(&annotations).unwrap();
    let mut counts = [0; 5];
    for (name, _) in annotations.as_object().unwrap() {
        let picture = photo(&dir.join(name));
        let picture = picture.gray().unwrap();
        let faces = detector.detect(picture);
        let same = |one: &Detection, other: &Detection| one.bounds.overlap(&other.bounds) > 0.4;
        let whole = Aim {
            min_px: 40.0,
            max_px: f32::INFINITY,
            effort: Effort::Quick,
        };
        let quick = detector.search(picture, &whole);
        counts[4] += quick
            .iter()
            .filter(|found| !faces.iter().any(|face| same(face, found)))
            .count();
        for face in &faces {
            let side = face.bounds.w;
            let mut finds = |margin: f32, [least, most]: [f32; 2], effort| {
                let around = Rect {
                    x: face.bounds.x - margin * side,
                    y: face.bounds.y - margin * side,
                    w: (1.0 + 2.0 * margin) * side,
                    h: (1.0 + 2.0 * margin) * side,
                };
                let (part, [x, y]) = picture.part(&around).unwrap();
                let here = Aim {
                    min_px: least * side,
                    max_px: most * side,
                    effort,
                };
                let mut found = detector.search(part, &here);
                for found in &mut found {
                    found.bounds.x += x as f32;
                    found.bounds.y += y as f32;
                }
                usize::from(found.iter().any(|found| same(found, face)))
            };
            counts[0] += 1;
            counts[1] += finds(0.35, [0.85, 1.3], Effort::Known);
            counts[2] += finds(0.25, [0.95, 1.1], Effort::Expected);
            counts[3] += usize::from(quick.iter().any(|found| same(found, face)));
        }
    }
    counts
}

#[test]
fn quick_searches_find_nearly_all_that_thorough_ones_do() {
    let Some(dir) = shared_data("photos") else { return };
    let [faces, known, expected, quick, elsewhere] = counts(&dir);
    assert!(
        faces >= 30 && known >= 25 && expected >= 25 && quick >= 22,
        "{known}, {expected} and {quick} of {faces}"
    );
    assert_eq!(elsewhere, 0);
}

#[test]
fn what_a_search_looks_through_depends_on_the_smallest_face() {
    let vga = Rect {
        x: 0.0,
        y: 0.0,
        w: 640.0,
        h: 480.0,
    };
    for (min_px, pixels) in [(40.0, 307_200.0), (80.0, 76_800.0), (20.0, 1_228_800.0)] {
        assert_eq!(searched_pixels(&vga, min_px), pixels);
        assert_eq!(least_px(&vga, pixels), min_px);
    }
    let large = Rect {
        w: 6400.0,
        h: 4800.0,
        ..vga
    };
    assert!((searched_pixels(&large, 20.0) - MAX_SEARCHED).abs() < 1.0);
}

#[test]
fn a_padded_row_changes_nothing() {
    let Some(dir) = shared_data("photos") else { return };
    let picture = photo(&dir.join("dlib_2008_001009.jpg"));
    let plain = picture.gray().unwrap();
    let (width, height) = (plain.width(), plain.height());
    let padded: Vec<u8> = (0..height)
        .flat_map(|y| plain.row(y).iter().copied().chain([255; 7]))
        .collect();
    let padded = GrayView::with_stride(&padded, width, height, width + 7).unwrap();
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let faces = detector.detect(plain);
    assert_eq!(faces.len(), 2);
    assert!(faces[0].bounds.x < faces[1].bounds.x);
    assert_eq!(detector.detect(padded), faces);
}
