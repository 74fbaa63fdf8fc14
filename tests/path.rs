//! Train, export, bundle, classify: every engine gives the same numbers.

use std::fs;
use std::path::Path;
use std::process::Command;

use inference::Model;
use serde_json::Value;
use shared_model::image::SIDE;

use crate::support::programs::{program, root, run};
use crate::support::trained::{TASKS, bundling, classify, trained};

/// Largest difference between two engines, as a share of the largest value.
const TOLERANCE: f64 = 1e-4;

/// What `onnx` says of the file, and what `onnxruntime` gives for one input; `None`, said aloud, where
/// they are not installed.
pub(crate) fn onnx_runtime(onnx: &Path, input: &[f32]) -> Option<Vec<Vec<f64>>> {
    onnx_runtime_of(onnx, input, [SIDE; 2])
}

/// The same, for an input of so many rows and columns.
pub(crate) fn onnx_runtime_of(onnx: &Path, input: &[f32], size: [usize; 2]) -> Option<Vec<Vec<f64>>> {
    let Some(python) = std::env::var_os("ONNX_PYTHON") else {
        testing::skip("the comparison with ONNX Runtime: ONNX_PYTHON is not set (./scripts/test sets it)");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let values = folder.path().join("input.f32");
    fs::write(&values, input.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let script = root().join("tests/fixtures/run_onnx.py");
    let mut command = Command::new(python);
    command.arg(script).arg(onnx).arg(&values);
    let ran = run(command.args(size.map(|side| side.to_string())), 0);
    Some(serde_json::from_str(&ran.out).unwrap())
}

fn agree(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3f64, |a, b| a.max(b.abs()));
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= TOLERANCE * largest,
            "{what}: {got} instead of {expected}"
        );
    }
}

/// The outputs of a file in the kiosk's runtime.
fn by_runtime(onnx: &Path, outputs: &[(&str, usize)], input: &[f32]) -> Vec<Vec<f64>> {
    let mut model = Model::load(&fs::read(onnx).unwrap(), outputs).unwrap();
    model.run(input).unwrap();
    let floats = |at| model.output(at).iter().map(|v| f64::from(*v)).collect();
    (0..outputs.len()).map(floats).collect()
}

#[test]
fn a_training_tells_each_epoch_and_keeps_their_figures() {
    for task in TASKS {
        let told = trained().told(task);
        assert!(told.contains("epoch   2 of 2"), "{told}");
        let history = fs::read_to_string(trained().run(task).join("history.csv")).unwrap();
        assert_eq!(history.lines().count(), 3, "{history}");
    }
}

#[test]
fn the_exported_network_gives_the_numbers_of_the_trained_one() {
    for task in TASKS {
        let expected = trained().by_burn(task);
        let output = [(task, expected.len())];
        let got = by_runtime(&trained().onnx(task), &output, &trained().input(task));
        agree("the runtime and burn", &got[0], &expected);
    }
}

#[test]
fn onnx_runtime_gives_the_numbers_of_the_trained_network() {
    for task in TASKS {
        let Some(outputs) = onnx_runtime(&trained().onnx(task), &trained().input(task)) else {
            return;
        };
        agree("ONNX Runtime and burn", &outputs[0], &trained().by_burn(task));
    }
}

#[test]
fn classify_gives_the_keypoints_of_the_trained_network_in_pixels_of_the_picture() {
    let line = trained().classified(&["--precision", "f32"]);
    let scale = trained().picture.width() as f64 / SIDE as f64;
    let points = line["keypoints"].as_array().unwrap().iter();
    let found: Vec<f64> = points
        .flat_map(|p| [&p[0], &p[1]])
        .map(|v| v.as_f64().unwrap() / scale)
        .collect();
    agree("classify and burn", &found, &trained().by_burn("keypoints"));
}

#[test]
fn classify_gives_the_scores_of_the_trained_network_at_the_bundles_temperature() {
    let (line, manifest) = (trained().classified(&["--precision", "f32"]), &trained().manifest);
    // Softmax, by hand.
    let temperature = manifest["decision"]["temperature"].as_f64().unwrap();
    let logits = trained().by_burn("emotion");
    let powers: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let expected: Vec<f64> = powers.iter().map(|power| power / sum).collect();
    let labels = manifest["classes"].as_array().unwrap();
    let score = |label: &serde_json::Value| line["scores"][label.as_str().unwrap()].as_f64().unwrap();
    let scores: Vec<f64> = labels.iter().map(score).collect();
    agree("classify and burn", &scores, &expected);
    let top = (0..5).max_by(|a, b| expected[*a].total_cmp(&expected[*b])).unwrap();
    assert_eq!(line["emotion"], labels[top]);
}

#[test]
fn a_bundle_has_a_card_with_the_intended_use() {
    let card = fs::read_to_string(trained().bundle().join("README.md")).unwrap();
    assert!(card.contains("## Intended use"), "{card}");
}

#[test]
fn one_file_with_both_networks_gives_the_outputs_of_each() {
    let onnx = trained().bundle().join("combined.onnx");
    let outputs = [("keypoints", 30), ("emotion", 5)];
    let input = trained().crop();
    let by_runtime = by_runtime(&onnx, &outputs, &input);
    let by_onnx_runtime = onnx_runtime(&onnx, &input);
    for (at, (task, _)) in outputs.iter().enumerate() {
        let expected = trained().by_burn(task);
        agree("the runtime and burn", &by_runtime[at], &expected);
        if let Some(outputs) = &by_onnx_runtime {
            agree("ONNX Runtime and burn", &outputs[at], &expected);
        }
    }
}

/// `evaluate` with the bundle, on the faces of a task.
fn evaluating(task: &str) -> Command {
    let mut command = program("host-trainer");
    command.arg("evaluate").arg("--bundle").arg(trained().bundle());
    command.args(["--task", task, "--data"]).arg(trained().data(task));
    command
}

#[test]
fn evaluate_repeats_the_figures_of_the_manifest_for_each_file() {
    for (task, metric) in [("keypoints", "mse_px2"), ("emotion", "accuracy")] {
        let files = trained().manifest[task]["files"].as_array().unwrap();
        let lines = run(&mut evaluating(task), 0).lines();
        assert_eq!(lines.len(), files.len(), "{task}");
        for (figures, file) in lines.iter().zip(files) {
            let metrics = file["metrics"].as_array().unwrap();
            let stored = metrics.iter().find(|m| m["name"] == metric).unwrap();
            let difference = figures[metric].as_f64().unwrap() - stored["value"].as_f64().unwrap();
            assert!(difference.abs() < 1e-9, "{task}: {figures}");
            assert_eq!(figures["precision"], file["precision"]);
            let onnx = trained().bundle().join(file["path"].as_str().unwrap());
            let given = run(evaluating(task).arg("--onnx").arg(onnx), 0).lines();
            assert_eq!(given[0][metric], figures[metric], "{task}: {}", file["path"]);
        }
    }
}

#[test]
fn the_figures_of_guessing_stand_beside_those_of_the_networks() {
    let keypoints = &run(&mut evaluating("keypoints"), 0).lines()[0];
    let [mse, rmse] = ["mse_px2", "rmse_px"].map(|name| keypoints["mean_shape"][name].as_f64().unwrap());
    assert!(mse > 0.0 && (mse.sqrt() - rmse).abs() < 1e-9, "{keypoints}");
    let emotion = &run(&mut evaluating("emotion"), 0).lines()[0];
    let most = &emotion["majority"];
    let mut classes = emotion["per_class"].as_array().unwrap().iter();
    let own = classes.find(|class| class["label"] == most["label"]).unwrap();
    let share = own["support"].as_f64().unwrap() / emotion["faces"].as_f64().unwrap();
    assert!((most["accuracy"].as_f64().unwrap() - share).abs() < 1e-9, "{most}");
    let card = fs::read_to_string(trained().bundle().join("README.md")).unwrap();
    let panel = &emotion["panels"][0];
    let of_panel = &panel["figures"]["majority"];
    let line = format!(
        "| {}, {}: always {} | {} | {:.3} | ",
        panel["set"].as_str().unwrap(),
        panel["name"].as_str().unwrap(),
        of_panel["label"].as_str().unwrap(),
        panel["figures"]["faces"],
        of_panel["accuracy"].as_f64().unwrap()
    );
    for told in [
        format!("of the mean shape         {mse:>10.4}"),
        "Whoever always says".to_owned(),
        line,
    ] {
        assert!(card.contains(&told), "{told} is not in\n{card}");
    }
    for (task, told) in [
        ("keypoints", "guessing: the mean shape has validation rmse_px "),
        ("emotion", "guessing: always "),
    ] {
        assert!(trained().told(task).contains(told), "{}", trained().told(task));
    }
}

#[test]
fn evaluate_refuses_options_that_the_bundle_decides() {
    for options in [&["--mirrored"][..], &["--precision", "int8", "--onnx", "x.onnx"]] {
        let refused = run(evaluating("emotion").args(options), 64).errors;
        assert!(refused.contains("cannot be used with"), "{refused}");
    }
}

#[test]
fn a_network_of_another_bundle_is_taken_over_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, out) = (trained().bundle(), folder.path().join("next"));
    // With a new keypoint network beside it, here without integers.
    let mut command = bundling(&trained().run("keypoints"), &bundle, &trained().csv);
    command.args(["--bundle-version", "2", "--out"]).arg(&out);
    let next = run(&mut command, 0).lines().remove(0);
    assert_eq!(next["emotion"], trained().manifest["emotion"]);
    assert_eq!(next["keypoints"]["files"].as_array().unwrap().len(), 1);
    for file in ["emotion.onnx", "emotion-int8.onnx", "emotion.toml"] {
        let read = |place: &Path| fs::read(place.join(file)).unwrap();
        assert!(read(&bundle) == read(&out), "{file}");
    }
}

#[test]
fn the_keypoint_network_of_a_bundle_is_taken_over_without_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let (bundle, out) = (trained().bundle(), folder.path().join("next"));
    let without_data = |keypoints: &Path, more: &[&str]| {
        let mut command = program("host-trainer");
        command.arg("bundle").arg("--keypoints").arg(keypoints);
        command.arg("--emotion").arg(trained().run("emotion"));
        command.arg("--emotion-data").arg(&trained().csv.emotion);
        command.arg("--out").arg(&out).args(more);
        command
    };
    for (keypoints, more, code) in [
        (trained().run("keypoints"), &[][..], 65),
        (bundle.clone(), &["--mirrored", "keypoints"], 65),
        (bundle.clone(), &[], 0),
    ] {
        let told = run(&mut without_data(&keypoints, more), code).errors;
        assert!(code == 0 || told.contains("with --keypoints-data"), "{told}");
    }
    let next: Value = serde_json::from_slice(&fs::read(out.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(next["keypoints"], trained().manifest["keypoints"]);
    assert_eq!(next["emotion"]["files"].as_array().unwrap().len(), 1, "measured again");
    for file in ["keypoints.onnx", "keypoints-int8.onnx", "keypoints.toml"] {
        let read = |place: &Path| fs::read(place.join(file)).unwrap();
        assert!(read(&bundle) == read(&out), "{file}");
    }
    let card = fs::read_to_string(out.join("README.md")).unwrap();
    let metrics = next["keypoints"]["files"][1]["metrics"].as_array().unwrap().iter();
    let mut error = metrics.filter(|metric| metric["name"] == "mean_error_px");
    let error = error.next().unwrap()["value"].as_f64().unwrap();
    assert!(
        card.contains("taken over from another bundle") && card.contains(&format!("{error:.4} px")),
        "{card}"
    );
    assert!(card.contains("of the mean shape"), "{card}");
    // The runtime takes it, golden vectors and all, and tells the same points.
    let told = |bundle: &Path| run(classify(bundle).arg(trained().face()), 0).lines().remove(0)["keypoints"].clone();
    assert_eq!(told(&out), told(&bundle));
}

#[test]
fn a_network_with_the_settings_of_another_training_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bundle = trained().bundle_in(folder.path());
    // Another seed divides the faces otherwise.
    let settings = bundle.join("emotion.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("seed = 42", "seed = 43")).unwrap();
    let mut command = bundling(&trained().run("keypoints"), &bundle, &trained().csv);
    command.args(["--bundle-version", "2", "--out"]);
    let refused = run(command.arg(folder.path().join("next")), 65).errors;
    assert!(
        refused.contains("differs from what its network was trained on"),
        "{refused}"
    );
}
