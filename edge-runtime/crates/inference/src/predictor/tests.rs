use shared_model::keypoints::COORDINATES;

use super::*;
use testing::bundle::{add_int8_emotion, mirror, rehash, write_bundle};
use testing::detector::write_bundle_with_detector;
use testing::network;

fn predictor() -> Predictor {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap()
}

fn gradient(width: usize, height: usize) -> Vec<u8> {
    (0..width * height).map(|at| (at % width + at / width) as u8).collect()
}

#[test]
fn whole_crop_gives_the_networks_own_numbers() {
    let data = gradient(SIDE, SIDE);
    let picture = GrayView::new(&data, SIDE, SIDE).unwrap();
    let prediction = predictor().predict(picture, &Crops::both(picture.bounds())).unwrap();
    let input: Vec<f32> = data.iter().map(|value| f32::from(*value) / 255.0).collect();
    let scores = Scores::from_logits(&network::expected(&input, 5), 2.0).unwrap();
    for (got, expected) in prediction.scores.as_slice().iter().zip(scores.as_slice()) {
        assert!((got - expected).abs() < 1e-4, "{got} {expected}");
    }
    let points = network::expected(&input, COORDINATES);
    assert!((prediction.keypoints.0[3][1] - points[7]).abs() < 1e-2);
}

#[test]
fn keypoints_come_back_in_pixels_of_the_picture() {
    let data = vec![128; 400 * 300];
    let picture = GrayView::new(&data, 400, 300).unwrap();
    let mut predictor = predictor();
    let crop = |x, w| Crops::both(Rect { x, y: 20.0, w, h: w });
    let near = predictor.predict(picture, &crop(10.0, 96.0)).unwrap().keypoints;
    let far = predictor.predict(picture, &crop(110.0, 192.0)).unwrap().keypoints;
    for (near, far) in near.0.iter().zip(far.0) {
        assert!((110.0 + (near[0] - 10.0) * 2.0 - far[0]).abs() < 1e-2);
        assert!((20.0 + (near[1] - 20.0) * 2.0 - far[1]).abs() < 1e-2);
    }
}

#[test]
fn threads_do_not_change_the_prediction() {
    let data = gradient(SIDE, SIDE);
    let picture = GrayView::new(&data, SIDE, SIDE).unwrap();
    let crops = Crops::both(picture.bounds());
    let on = |threads| predictor().with_threads(threads).predict(picture, &crops).unwrap();
    assert_eq!(on(Threads::One), on(Threads::Two));
}

#[test]
fn a_mirrored_emotion_network_sees_one_view_in_a_frame_or_both_and_others_see_the_crop() {
    let data = gradient(SIDE, SIDE);
    let picture = GrayView::new(&data, SIDE, SIDE).unwrap();
    let told = |mirrored: bool| {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        if mirrored {
            mirror(dir.path(), EMOTION_NAME);
        }
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let whole = predictor.predict(picture, &Crops::both(picture.bounds())).unwrap();
        let frames = [Look::Crop, Look::Mirror, Look::Both].map(|emotion| {
            let look = FrameLook {
                rough_points: false,
                emotion,
            };
            predictor.run_frame(look).unwrap()
        });
        (whole.scores, frames.map(|frame| frame.scores))
    };
    let (plain, frames) = told(false);
    assert_eq!(frames, [&plain; 3].map(Clone::clone));
    let (whole, [crop, mirror, both]) = told(true);
    assert_eq!(crop, plain);
    assert_ne!(mirror, crop);
    assert_eq!(both, whole);
    let mean = crop.mean_logits(&mirror).unwrap();
    for (mean, both) in mean.as_slice().iter().zip(both.as_slice()) {
        assert!((mean - both).abs() < 1e-5, "{mean} {both}");
    }
}

#[test]
fn crops_follow_the_rules_of_the_manifest() {
    let face = Rect {
        x: 10.0,
        y: 20.0,
        w: 40.0,
        h: 40.0,
    };
    let crops = predictor().crops(&face);
    assert_eq!(crops.keypoints, face);
    assert_eq!(
        crops.emotion,
        Rect {
            x: 0.0,
            y: 10.0,
            w: 60.0,
            h: 60.0
        }
    );
}

#[test]
fn integers_are_preferred_and_floats_can_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    let floats = Bundle::open(dir.path()).unwrap();
    let error = Predictor::load_with_precision(&floats, PrecisionChoice::Int8)
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("no int8 file"), "{error}");
    let precisions = |keypoints, emotion| Precisions { keypoints, emotion };
    assert_eq!(
        Predictor::load(&floats).unwrap().precisions(),
        precisions(Precision::F32, Precision::F32)
    );
    add_int8_emotion(dir.path());
    let both = Bundle::open(dir.path()).unwrap();
    for (choice, expected) in [
        (PrecisionChoice::Auto, precisions(Precision::F32, Precision::Int8)),
        (PrecisionChoice::F32, precisions(Precision::F32, Precision::F32)),
    ] {
        assert_eq!(
            Predictor::load_with_precision(&both, choice).unwrap().precisions(),
            expected
        );
    }
    let error = Predictor::load_with_precision(&both, PrecisionChoice::Int8)
        .map(|_| ())
        .unwrap_err();
    assert!(error.to_string().contains("`keypoints`"), "{error}");
}

#[test]
fn a_detector_is_loaded_with_its_bundle_and_held_to_its_golden_vectors() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle_with_detector(dir.path());
    let load = || Predictor::load(&Bundle::open(dir.path()).unwrap());
    let mut predictor = load().unwrap();
    assert!(self::predictor().detector().is_none());
    let detector = predictor.detector_mut().unwrap();
    assert_eq!(detector.precision(), Precision::F32);
    for (columns, rows) in [(160, 120), (96, 64)] {
        let pixels = gradient(columns, rows);
        detector.run(GrayView::new(&pixels, columns, rows).unwrap()).unwrap();
        let sizes: Vec<_> = detector.maps().map(|map| (map.columns, map.rows)).collect();
        assert_eq!(sizes, [8, 16, 32].map(|stride| (columns / stride, rows / stride)));
    }
    let error = Predictor::load_with_precision(&Bundle::open(dir.path()).unwrap(), PrecisionChoice::Int8);
    assert!(error.is_err());
    let path = dir.path().join("detector.onnx");
    let mut onnx = std::fs::read(&path).unwrap();
    let bias = (-6.0f32).to_le_bytes();
    let at = onnx.windows(4).rposition(|bytes| bytes == bias).unwrap();
    onnx[at..at + 4].copy_from_slice(&(-5.0f32).to_le_bytes());
    std::fs::write(&path, onnx).unwrap();
    rehash(dir.path(), "detector.onnx");
    let error = load().map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("`detector`") && error.contains("off by"), "{error}");
}

#[test]
fn refuses_crops_that_are_no_rectangles() {
    let data = vec![0; 100];
    let picture = GrayView::new(&data, 10, 10).unwrap();
    for w in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let crops = Crops::both(Rect {
            x: 0.0,
            y: 0.0,
            w,
            h: 5.0,
        });
        assert!(matches!(
            predictor().predict(picture, &crops),
            Err(PredictError::Crop(_))
        ));
    }
}
