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
fn quick_searches_find_nearly_all_that_thorough_ones_do_and_nothing_else() {
    let Some(dir) = shared_data("photos") else { return };
    let mut detector = Detector::new(DetectorConfig::default()).unwrap();
    let annotations = std::fs::read(dir.join("annotations.json")).unwrap();
    let annotations: serde_json::Value = serde_json::from_slice(&annotations).unwrap();
    let (mut faces, mut found, mut elsewhere) = (0, 0, 0);
    for name in annotations.as_object().unwrap().keys() {
        let picture = photo(&dir.join(name));
        let picture = picture.gray().unwrap();
        let [thorough, quick] = [Effort::Thorough, Effort::Quick].map(|effort| detector.search(picture, effort));
        let is_in =
            |all: &[Detection], one: &Detection| all.iter().any(|other| one.bounds.overlap(&other.bounds) > 0.4);
        faces += thorough.len();
        found += thorough.iter().filter(|face| is_in(&quick, face)).count();
        elsewhere += quick.iter().filter(|face| !is_in(&thorough, face)).count();
    }
    assert!(faces >= 30 && found >= 22, "{found} of {faces}");
    assert_eq!(elsewhere, 0);
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
