//! The bundle that ships, on real pictures.

use std::fs;
use std::path::{Path, PathBuf};

use inference::Model;
use inference::bundle::Bundle;
use serde_json::Value;
use shared_model::image::SIDE;

use crate::path::onnx_runtime;
use crate::support::faces::{photograph, shared};
use crate::support::programs::{program, root, run};

fn bundle() -> PathBuf {
    root().join("edge-runtime/models/default")
}

fn classify(inputs: &[&Path], min_face: &str) -> Vec<Value> {
    let mut command = program("edge-runtime");
    command
        .args(["classify", "--min-face", min_face, "--bundle"])
        .arg(bundle())
        .args(inputs);
    run(&mut command, 0).lines()
}

#[test]
fn the_shipped_bundle_opens_and_has_a_card() {
    let bundle = Bundle::open(&bundle()).unwrap();
    let manifest = bundle.manifest();
    let labels: Vec<&str> = manifest.classes.iter().collect();
    assert_eq!(labels, ["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral"]);
    let card = fs::read_to_string(bundle.dir().join("README.md")).unwrap();
    assert!(!card.contains("There is no neutral class"));
    for needed in [
        "Neutral is a class",
        "Whoever always says Neutral",
        "calibration error, 10 bins",
        "calibration error, 20 bins",
        "log loss",
        "| gender | Happy | told it |",
        "model-index:",
        "## Intended use",
        "## Limits and bias",
        "Art. 5(1)(f)",
        "Art. 50(3)",
        "## Preprocessing",
    ] {
        assert!(card.contains(needed), "{needed}");
    }
    let bytes: u64 = manifest.files().map(|file| file.bytes).sum();
    assert!(bytes < 40_000_000, "{bytes} bytes");
}

#[test]
fn the_group_photograph_gives_a_line_for_each_face() {
    let photograph = photograph();
    let lines = classify(&[&photograph], "20");
    assert!(lines.len() >= 26, "{} of 29 faces", lines.len());
    let neutral = lines.iter().filter(|line| line["emotion"] == "Neutral").count();
    assert!(neutral >= 24, "{neutral} of {} are told Neutral", lines.len());
    for line in &lines {
        let face = &line["face"];
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| face[key].as_f64().unwrap());
        let points = line["keypoints"].as_array().unwrap();
        assert_eq!(points.len(), 15);
        let inside = points.iter().filter(|p| {
            let [px, py] = [p[0].as_f64().unwrap(), p[1].as_f64().unwrap()];
            px > x - 0.3 * w && px < x + 1.3 * w && py > y - 0.3 * h && py < y + 1.5 * h
        });
        assert_eq!(inside.count(), 15, "{line}");
        let sum: f64 = line["scores"]
            .as_object()
            .unwrap()
            .values()
            .map(|v| v.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-4);
    }
}

#[test]
fn other_programs_read_the_shipped_networks() {
    let input: Vec<f32> = (0..SIDE * SIDE).map(|at| (at % 101) as f32 / 50.0 - 1.0).collect();
    for name in ["keypoints", "keypoints-int8", "emotion", "emotion-int8"] {
        let onnx = bundle().join(name).with_extension("onnx");
        let Some(outputs) = onnx_runtime(&onnx, &input) else {
            return;
        };
        let length = if name.starts_with("emotion") { 6 } else { 30 };
        let output = [(name.trim_end_matches("-int8"), length)];
        let mut model = Model::load(&fs::read(&onnx).unwrap(), &output).unwrap();
        model.run(&input).unwrap();
        let largest = model.output(0).iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        for (own, other) in model.output(0).iter().zip(&outputs[0]) {
            assert!(
                (f64::from(*own) - other).abs() <= 0.02 * f64::from(largest),
                "{name}: {own} {other}"
            );
        }
    }
}

#[test]
fn boxed_faces_are_found_and_textures_have_none() {
    let Some(data) = shared() else {
        testing::skip_faces("the search on annotated photographs: there is no ../shared/data");
        return;
    };
    let photos = data.join("photos");
    let text = fs::read_to_string(photos.join("annotations.json")).unwrap();
    let annotations: Value = serde_json::from_str(&text).unwrap();
    let named = annotations.as_object().unwrap().iter();
    let named: Vec<(PathBuf, &Value)> = named.map(|(name, value)| (photos.join(name), value)).collect();
    let paths: Vec<&Path> = named.iter().map(|(path, _)| path.as_path()).collect();
    let lines = classify(&paths, "20");
    let (mut boxed, mut hit) = (0, 0);
    for (path, annotation) in &named {
        let name = path.to_str().unwrap();
        let found: Vec<[f64; 4]> = lines
            .iter()
            .filter(|line| line["input"] == name && !line["face"].is_null())
            .map(|line| ["x", "y", "w", "h"].map(|key| line["face"][key].as_f64().unwrap()))
            .collect();
        if annotation["n_faces"] == 0 {
            assert!(found.is_empty(), "{name}: {found:?}");
        }
        for face in annotation["faces"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|face| face["ignore"] != true)
        {
            let Some(wanted) = face["box"].as_array() else { continue };
            let wanted: Vec<f64> = wanted.iter().map(|v| v.as_f64().unwrap()).collect();
            boxed += 1;
            let centre = [wanted[0] + wanted[2] / 2.0, wanted[1] + wanted[3] / 2.0];
            let holds = |[x, y, w, h]: &[f64; 4]| {
                centre[0] > *x && centre[0] < x + w && centre[1] > *y && centre[1] < y + h && *w < 3.0 * wanted[2]
            };
            hit += i32::from(found.iter().any(holds));
        }
    }
    eprintln!("{hit} of {boxed} boxed faces found");
    assert!(boxed >= 18 && hit >= boxed - 2, "{hit} of {boxed}");
}
