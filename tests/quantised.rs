//! 8-bit integers and mirror images, with the networks of `trained`.

use std::fs;
use std::path::Path;

use inference::{Arithmetic, Model};
use serde_json::Value;
use sha2::{Digest, Sha256 as Hasher};
use shared_model::manifest::Sha256;

use crate::path::onnx_runtime;
use crate::support::programs::{program, run};
use crate::support::trained::{TASKS, bundling, classify, quantising, trained};

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

fn outputs(onnx: &Path, task: &str) -> (Vec<f64>, Arithmetic) {
    let length = if task == "emotion" { 5 } else { 30 };
    let mut model = Model::load(&fs::read(onnx).unwrap(), &[(task, length)]).unwrap();
    model.run(&trained().input(task)).unwrap();
    let values = model.output(0).iter().map(|v| f64::from(*v)).collect();
    (values, model.arithmetic())
}

#[test]
fn a_quantised_network_runs_in_integers_and_gives_the_answers_of_onnx_runtime() {
    for task in TASKS {
        let onnx = trained().int8(task);
        let (values, arithmetic) = outputs(&onnx, task);
        assert_eq!(arithmetic, Arithmetic::Integers);
        if let Some(outputs) = onnx_runtime(&onnx, &trained().input(task)) {
            near("ONNX Runtime", ENGINES, &outputs[0], &values);
        }
    }
}

#[test]
fn classify_prefers_integers_which_are_near_the_floats() {
    let by_itself = trained().classified(&[]);
    assert_eq!(by_itself, trained().classified(&["--precision", "int8"]));
    let floats = trained().classified(&["--precision", "f32"]);
    assert_ne!(by_itself, floats, "nothing was quantised");
    let scores = |line: &Value| -> Vec<f64> {
        let scores = line["scores"].as_object().unwrap();
        scores.values().map(|score| score.as_f64().unwrap()).collect()
    };
    near("scores", PRECISIONS, &scores(&by_itself), &scores(&floats));
}

#[test]
fn a_network_with_a_layer_in_floats_stays_near_the_exact_one_in_both_runtimes() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("partly.onnx");
    let mut command = quantising(&trained().run("emotion"), trained().data("emotion"), &onnx);
    run(command.args(["--keep-float", "stem"]), 0);
    let (values, arithmetic) = outputs(&onnx, "emotion");
    assert_eq!(arithmetic, Arithmetic::Floats);
    let exact = trained().by_burn("emotion");
    near("partly quantised", PRECISIONS, &values, &exact);
    assert!(values != exact, "nothing was quantised");
    if let Some(outputs) = onnx_runtime(&onnx, &trained().input("emotion")) {
        near("ONNX Runtime", ENGINES, &outputs[0], &values);
    }
}

#[test]
fn a_layer_that_is_not_there_is_refused_with_the_names_of_all() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("partly.onnx");
    let mut command = quantising(&trained().run("emotion"), trained().data("emotion"), &onnx);
    let refused = run(command.args(["--keep-float", "nose"]), 65).errors;
    assert!(
        refused.contains("no layer `nose`") && refused.contains("res1.iden1.b"),
        "{refused}"
    );
}

#[test]
fn a_network_in_a_bundle_is_quantised_like_its_run_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("again-int8.onnx");
    let mut command = quantising(&trained().bundle(), trained().data("emotion"), &onnx);
    run(command.args(["--task", "emotion"]), 0);
    assert!(fs::read(&onnx).unwrap() == fs::read(trained().int8("emotion")).unwrap());
}

#[test]
fn which_network_of_a_bundle_is_quantised_has_to_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let onnx = folder.path().join("int8.onnx");
    let mut command = quantising(&trained().bundle(), trained().data("emotion"), &onnx);
    let refused = run(&mut command, 65).errors;
    assert!(refused.contains("say which one with --task"), "{refused}");
}

#[test]
fn a_bundle_that_sees_both_sides_of_a_face_has_the_figures_of_that() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bundling(&trained().run("keypoints"), &trained().run("emotion"), &trained().csv);
    command.args(["--mirrored", "keypoints", "--out"]);
    let manifest = run(command.arg(folder.path().join("mirrored")), 0).lines().remove(0);
    assert_eq!(manifest["keypoints"]["mirrored"], true);
    assert_eq!(manifest["emotion"]["mirrored"], false);
    // Taken over by another bundle, it goes on seeing both sides.
    let mirrored = folder.path().join("mirrored");
    let mut again = bundling(&mirrored, &trained().run("emotion"), &trained().csv);
    let next = run(again.arg("--out").arg(folder.path().join("next")), 0)
        .lines()
        .remove(0);
    assert_eq!(next["keypoints"]["mirrored"], true);
    assert_eq!(next["keypoints"]["files"], manifest["keypoints"]["files"]);
    let evaluate = |more: &[&str]| {
        let mut command = program("host-trainer");
        command.arg("evaluate").arg("--run").arg(trained().run("keypoints"));
        let line = run(command.arg("--data").arg(trained().data("keypoints")).args(more), 0).lines();
        line[0]["mse_px2"].as_f64().unwrap()
    };
    let (plain, mirrored) = (evaluate(&[]), evaluate(&["--mirrored"]));
    let metrics = manifest["keypoints"]["files"][0]["metrics"].as_array().unwrap();
    let stored = metrics.iter().find(|metric| metric["name"] == "mse_px2").unwrap();
    assert!((stored["value"].as_f64().unwrap() - mirrored).abs() < 1e-9);
    assert!((plain - mirrored).abs() > 1e-9);
}

/// Somebody who changes a weight and writes its new hash into the manifest does not get past the golden vectors.
#[test]
fn damage_behind_a_new_hash_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = trained().bundle_in(folder.path());
    let (manifest, file) = (bundle.join("manifest.json"), bundle.join("emotion-int8.onnx"));
    let (json, mut onnx) = (fs::read_to_string(&manifest).unwrap(), fs::read(&file).unwrap());
    let hash = |bytes: &[u8]| Sha256::from_bytes(&Hasher::digest(bytes).into()).as_str().to_owned();
    let before = hash(&onnx);
    assert!(json.contains(&before), "the manifest has the hash of its file");
    // The weights lie at the end, as bytes: a stretch of them is overwritten.
    let middle = onnx.len() / 2;
    onnx[middle..middle + 4096].fill(0x7f);
    fs::write(&file, &onnx).unwrap();
    let json = json.replace(&before, &hash(&onnx));
    fs::write(&manifest, &json).unwrap();
    let sealed = run(classify(&bundle).arg(trained().face()), 65).errors;
    assert!(sealed.contains("digest"), "{sealed}");
    // Nor does who removes the seal.
    let place = bundle.join("golden.json");
    let golden = fs::read(&place).unwrap();
    let mut open: serde_json::Value = serde_json::from_slice(&golden).unwrap();
    assert!(open.as_object_mut().unwrap().remove("seal").is_some());
    let open = open.to_string();
    fs::write(&place, &open).unwrap();
    let bytes = |length: usize| format!("\"bytes\": {length}");
    let json = json.replace(&hash(&golden), &hash(open.as_bytes()));
    fs::write(&manifest, json.replace(&bytes(golden.len()), &bytes(open.len()))).unwrap();
    let refused = run(classify(&bundle).arg(trained().face()), 65).errors;
    for part in ["`emotion`", "int8", "off by"] {
        assert!(refused.contains(part), "{refused}");
    }
}
