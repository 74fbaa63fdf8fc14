//! Parts of the whole path that are about 8-bit integers and mirror images; the networks are trained once, in `path`.

use std::fs;
use std::path::Path;

use inference::{Arithmetic, Model};
use serde_json::Value;
use sha2::{Digest, Sha256 as Hasher};
use shared_model::manifest::Sha256;

use crate::path::onnx_runtime;
use crate::support::faces;
use crate::support::programs::{program, run};

/// What ONNX Runtime and the kiosk's runtime may differ by, as a share of the largest value. Both sum integers; the
/// rounding between layers is done in floats, in another order of operations, so that a value can fall to the other
/// side of a half and an activation moves by one of its 255 steps.
const ENGINES: f64 = 0.02;
/// What a network of a few training steps may lose to quantisation, likewise.
const PRECISIONS: f64 = 0.1;

fn near(what: &str, share: f64, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= share * largest,
            "{what}: {got} instead of about {expected}"
        );
    }
}

fn outputs(onnx: &Path, task: &str, input: &[f32]) -> (Vec<f64>, Arithmetic) {
    let length = if task == "emotion" { 5 } else { 30 };
    let mut model = Model::load(&fs::read(onnx).unwrap(), &[(task, length)]).unwrap();
    model.run(input).unwrap();
    let values = model.output(0).iter().map(|v| f64::from(*v)).collect();
    (values, model.arithmetic())
}

/// Quantises the network of a run to `TASK-int8.onnx` in `folder`, which runs in integers and gives ONNX Runtime's
/// answers.
pub(crate) fn runtime_and_onnx_runtime_agree(task: &str, trained: &Path, data: &Path, input: &[f32], folder: &Path) {
    let onnx = folder.join(format!("{task}-int8.onnx"));
    let mut command = program("host-trainer");
    command.arg("quantise").arg(trained).arg("--calibrate").arg(data);
    let layers = run(command.args(["--faces", "16", "--out"]).arg(&onnx), 0)
        .lines()
        .remove(0);
    assert!(layers.as_array().unwrap().len() >= 20, "{layers}");
    let (values, arithmetic) = outputs(&onnx, task, input);
    assert_eq!(arithmetic, Arithmetic::Integers);
    if let Some(outputs) = onnx_runtime(&onnx, input, folder) {
        near("ONNX Runtime", ENGINES, &outputs[0], &values);
    }
}

/// `classify` takes the integers by itself; `floats` is what the floats say.
pub(crate) fn integers_are_preferred_and_near(bundle: &Path, picture: &Path, floats: &Value) {
    let classify = |precision: &[&str]| {
        let mut command = program("edge-runtime");
        command
            .args(["classify", "--face", "whole", "--bundle"])
            .arg(bundle)
            .args(precision);
        run(command.arg(picture), 0).lines().remove(0)
    };
    let by_itself = classify(&[]);
    assert_eq!(by_itself, classify(&["--precision", "int8"]));
    assert_ne!(&by_itself, floats, "nothing was quantised");
    let scores = |line: &Value| -> Vec<f64> {
        let scores = line["scores"].as_object().unwrap();
        scores.values().map(|score| score.as_f64().unwrap()).collect()
    };
    near("scores", PRECISIONS, &scores(&by_itself), &scores(floats));
}

/// A network with a layer in floats stays near the exact one, in the runtime and in ONNX Runtime.
pub(crate) fn a_layer_can_keep_its_floats(trained: &Path, data: &Path, input: &[f32], logits: &[f64], folder: &Path) {
    let onnx = folder.join("partly.onnx");
    let quantise = |layer: &str| {
        let mut command = program("host-trainer");
        command.arg("quantise").arg(trained).arg("--calibrate").arg(data);
        command
            .args(["--faces", "16", "--keep-float", layer, "--out"])
            .arg(&onnx);
        command
    };
    let refused = run(&mut quantise("nose"), 65);
    assert!(
        refused.errors.contains("no layer `nose`") && refused.errors.contains("res1.iden1.b"),
        "{}",
        refused.errors
    );
    run(&mut quantise("stem"), 0);
    let (values, arithmetic) = outputs(&onnx, "emotion", input);
    assert_eq!(arithmetic, Arithmetic::Floats);
    near("partly quantised", PRECISIONS, &values, logits);
    assert!(values != logits, "nothing was quantised");
    if let Some(outputs) = onnx_runtime(&onnx, input, folder) {
        near("ONNX Runtime", ENGINES, &outputs[0], &values);
    }
}

/// A network in a bundle is quantised like the run that it came from, to the same bits.
pub(crate) fn a_bundle_is_quantised_like_its_run(bundle: &Path, data: &Path, folder: &Path) {
    let onnx = folder.join("again-int8.onnx");
    let quantise = |more: &[&str]| {
        let mut command = program("host-trainer");
        command.arg("quantise").arg(bundle).arg("--calibrate").arg(data);
        command.args(["--faces", "16", "--out"]).arg(&onnx).args(more);
        command
    };
    let refused = run(&mut quantise(&[]), 65);
    assert!(
        refused.errors.contains("say which one with --task"),
        "{}",
        refused.errors
    );
    run(&mut quantise(&["--task", "emotion"]), 0);
    assert!(fs::read(&onnx).unwrap() == fs::read(folder.join("emotion-int8.onnx")).unwrap());
}

/// A bundle whose keypoint network sees both sides of a face has the figures that `evaluate --mirrored` gives.
pub(crate) fn mirrored_means_are_measured_as_they_run(folder: &Path, csv: &faces::Csv) {
    let bundle = folder.join("mirrored");
    let mut command = program("host-trainer");
    command.arg("bundle").arg("--keypoints").arg(folder.join("keypoints"));
    command.arg("--keypoints-data").arg(&csv.keypoints);
    command.arg("--emotion").arg(folder.join("emotion"));
    command.arg("--emotion-data").arg(&csv.emotion);
    command.args(["--mirrored", "keypoints", "--out"]).arg(&bundle);
    let manifest = run(&mut command, 0).lines().remove(0);
    assert_eq!(manifest["keypoints"]["mirrored"], true);
    assert_eq!(manifest["emotion"]["mirrored"], false);
    let evaluate = |more: &[&str]| {
        let mut command = program("host-trainer");
        command.arg("evaluate").arg("--run").arg(folder.join("keypoints"));
        let line = run(command.arg("--data").arg(&csv.keypoints).args(more), 0).lines();
        line[0]["mse_px2"].as_f64().unwrap()
    };
    let metrics = manifest["keypoints"]["files"][0]["metrics"].as_array().unwrap();
    let stored = metrics.iter().find(|metric| metric["name"] == "mse_px2").unwrap();
    assert!((stored["value"].as_f64().unwrap() - evaluate(&["--mirrored"])).abs() < 1e-9);
    assert!((evaluate(&[]) - evaluate(&["--mirrored"])).abs() > 1e-9);
}

/// Somebody who changes a weight and writes its new hash into the manifest does not get past the golden vectors.
pub(crate) fn damage_behind_a_new_hash_is_refused(bundle: &Path, picture: &Path) {
    let manifest = bundle.join("manifest.json");
    let file = bundle.join("emotion-int8.onnx");
    let (json, mut onnx) = (fs::read_to_string(&manifest).unwrap(), fs::read(&file).unwrap());
    let hash = |bytes: &[u8]| Sha256::from_bytes(&Hasher::digest(bytes).into()).as_str().to_owned();
    let before = (json.clone(), onnx.clone());
    // The weights lie at the end, as bytes: a stretch of them is overwritten.
    let middle = onnx.len() / 2;
    onnx[middle..middle + 4096].fill(0x7f);
    fs::write(&file, &onnx).unwrap();
    assert!(json.contains(&hash(&before.1)), "the manifest has the hash of its file");
    fs::write(&manifest, json.replace(&hash(&before.1), &hash(&onnx))).unwrap();
    let mut command = program("edge-runtime");
    command.args(["classify", "--face", "whole", "--bundle"]).arg(bundle);
    let refused = run(command.arg(picture), 65);
    for part in ["`emotion`", "int8", "off by"] {
        assert!(refused.errors.contains(part), "{}", refused.errors);
    }
    fs::write(&manifest, before.0).unwrap();
    fs::write(&file, before.1).unwrap();
}
