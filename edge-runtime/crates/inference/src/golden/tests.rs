use std::fs;
use std::path::Path;

use super::*;
use crate::bundle::seal;
use crate::{PrecisionChoice, Predictor};
use testing::bundle::{rehash, write_bundle};

fn error_of(dir: &Path) -> String {
    let bundle = Bundle::open(dir).unwrap();
    Predictor::load(&bundle).map(|_| ()).unwrap_err().to_string()
}

/// Changes the bytes of a file and the manifest with them, as somebody would who wants to.
fn change(dir: &Path, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let path = dir.join(file);
    fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
    rehash(dir, file);
}

fn edited(from: &str, to: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |bytes| {
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "there is no {from}");
        text.replacen(from, to, 1).into_bytes()
    }
}

/// Replaces the weight at the middle of the file, a little-endian float.
fn with_weight(value: f32) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    move |mut onnx| {
        // The floats lie packed at the end of a tensor; its values are all below 0.001, so that the two upper
        // bytes of each tell where floats begin.
        let small = |at: usize, onnx: &[u8]| {
            (0..8).all(|next| {
                let at = at + 4 * next;
                let bytes = [onnx[at], onnx[at + 1], onnx[at + 2], onnx[at + 3]];
                (1e-6..1e-3).contains(&f32::from_le_bytes(bytes).abs())
            })
        };
        let middle = onnx.len() / 2;
        let at = (middle..middle + 64).find(|at| small(*at, &onnx)).unwrap();
        onnx[at..at + 4].copy_from_slice(&value.to_le_bytes());
        onnx
    }
}

#[test]
fn pixels_survive_their_text() {
    let pixels: Vec<u8> = (0..INPUT_LEN).map(|at| (at * 7) as u8).collect();
    let picture = GoldenPicture::new("test", &pixels);
    assert_eq!(picture.decode(), Some(pixels));
    for bad in ["", "0", &"0g".repeat(INPUT_LEN), &"ä".repeat(INPUT_LEN)] {
        let picture = GoldenPicture {
            pixels: bad.to_owned(),
            ..picture.clone()
        };
        assert_eq!(picture.decode(), None);
    }
}

#[test]
fn a_bundle_that_was_rehashed_after_a_weight_changed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    change(dir.path(), "emotion.onnx", with_weight(1.0));
    let error = error_of(dir.path());
    for part in ["`emotion`", "f32", "golden picture `ramp`", "off by"] {
        assert!(error.contains(part), "{error} does not speak of {part}");
    }
}

#[test]
fn a_network_that_gives_no_numbers_is_refused() {
    for value in [f32::NAN, f32::INFINITY] {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        change(dir.path(), "keypoints.onnx", with_weight(value));
        let error = error_of(dir.path());
        assert!(error.contains("`keypoints`") && error.contains("finite"), "{error}");
    }
}

#[test]
fn other_values_in_the_golden_vectors_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    change(dir.path(), "golden.json", |json| {
        let mut golden: Golden = serde_json::from_slice(&json).unwrap();
        golden.outputs[0].values[0][3] *= 1.01;
        serde_json::to_vec(&golden).unwrap()
    });
    assert!(error_of(dir.path()).contains("`keypoints`"));
}

#[test]
fn a_start_compares_the_first_picture_and_everybody_else_all() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    let change_picture = |picture: usize| {
        change(dir.path(), "golden.json", |json| {
            let mut golden: Golden = serde_json::from_slice(&json).unwrap();
            if golden.pictures.len() == 1 {
                golden.pictures.push(golden.pictures[0].clone());
                golden
                    .outputs
                    .iter_mut()
                    .for_each(|outputs| outputs.values.push(outputs.values[0].clone()));
            }
            golden.outputs[1].values[picture][0] += 1.0;
            serde_json::to_vec(&golden).unwrap()
        });
    };
    let start = || {
        let bundle = Bundle::open_to_run(dir.path()).unwrap();
        Predictor::load_to_run(&bundle, PrecisionChoice::Auto).map(|_| ())
    };
    change_picture(1);
    assert!(start().is_ok());
    assert!(error_of(dir.path()).contains("`emotion`"));
    change_picture(0);
    assert!(start().unwrap_err().to_string().contains("`emotion`"));
}

#[test]
fn a_manifest_that_gives_the_outputs_another_meaning_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = write_bundle(dir.path());
    change(dir.path(), "golden.json", |json| {
        let mut golden: Golden = serde_json::from_slice(&json).unwrap();
        golden.meaning = Some(Meaning {
            classes: manifest.classes.clone(),
            decision: manifest.decision,
        });
        serde_json::to_vec(&golden).unwrap()
    });
    assert!(Predictor::load(&Bundle::open(dir.path()).unwrap()).is_ok());
    let path = dir.path().join("manifest.json");
    let good = fs::read_to_string(&path).unwrap();
    for (edits, expected) in [
        (
            &[("\"Sad\"", "\"?\""), ("\"Happy\"", "\"Sad\""), ("\"?\"", "\"Happy\"")][..],
            "classes",
        ),
        (
            &[("\"abstain_below\":0.3", "\"abstain_below\":0.0")][..],
            "abstain_below",
        ),
        (&[("\"temperature\":2.0", "\"temperature\":0.5")][..], "temperature"),
    ] {
        let mut text = good.clone();
        for (from, to) in edits {
            assert!(text.contains(from), "{text} has no {from}");
            text = text.replacen(from, to, 1);
        }
        fs::write(&path, text).unwrap();
        let error = error_of(dir.path());
        assert!(error.contains(expected), "{error} does not speak of {expected}");
    }
}

#[test]
fn whatever_is_changed_in_a_sealed_manifest_is_refused_and_its_layout_is_free() {
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    let path = dir.path().join("manifest.json");
    let seal = seal(&fs::read(&path).unwrap()).unwrap();
    change(dir.path(), "golden.json", |json| {
        let mut golden: Golden = serde_json::from_slice(&json).unwrap();
        golden.seal = Some(seal);
        serde_json::to_vec(&golden).unwrap()
    });
    let good = fs::read_to_string(&path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&good).unwrap();
    fs::write(&path, serde_json::to_string_pretty(&value).unwrap()).unwrap();
    assert!(Predictor::load(&Bundle::open(dir.path()).unwrap()).is_ok());
    for (from, to) in [
        ("\"scale\":1.5", "\"scale\":0.5"),
        ("\"Sad\"", "\"Glad\""),
        ("\"temperature\":2.0", "\"temperature\":2.5"),
        ("\"mirrored\":false", "\"mirrored\":true"),
        ("\"version\":1", "\"version\":9"),
    ] {
        assert!(good.contains(from), "{good} has no {from}");
        fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let error = error_of(dir.path());
        assert!(error.contains("digest"), "{error}");
    }
}

#[test]
fn golden_vectors_that_say_nothing_are_refused() {
    for (from, to, expected) in [
        ("{\"pictures\"", "{\"pixtures\"", "pixtures"),
        ("\"pixels\":\"0", "\"pixels\":\"", "hexadecimal"),
        ("\"precision\":\"f32\"", "\"precision\":\"int8\"", "do not have it"),
        ("\"values\":[[", "\"values\":[[1.0,", "no finite outputs"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        change(dir.path(), "golden.json", edited(from, to));
        let error = error_of(dir.path());
        assert!(error.contains(expected), "{error} does not speak of {expected}");
    }
    let dir = tempfile::tempdir().unwrap();
    write_bundle(dir.path());
    change(dir.path(), "golden.json", |_| {
        br#"{"pictures":[],"outputs":[]}"#.to_vec()
    });
    assert!(error_of(dir.path()).contains("1 to 16 pictures"));
}
