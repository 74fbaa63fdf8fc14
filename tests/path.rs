//! Train, export, bundle, classify: every engine gives the same numbers.

use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor, TensorData};
use host_trainer::train::shipped::Shipped;
use inference::Model;
use inference::picture::Picture;
use shared_model::image::{INPUT_LEN, SIDE, sample};

use crate::quantised;
use crate::support::faces;
use crate::support::programs::{program, root, run};

/// Largest difference between two engines, as a share of the largest value.
const TOLERANCE: f64 = 1e-4;

fn train(task: &str, data: &Path, out: &Path) {
    let mut command = program("host-trainer");
    command.args([
        "train",
        task,
        "--epochs",
        "2",
        "--batch",
        "8",
        "--replicas",
        "2",
        "--learning-rate",
        "1e-4",
    ]);
    let ran = run(command.arg("--data").arg(data).arg("--out").arg(out), 0);
    assert!(ran.errors.contains("epoch   2 of 2"), "{}", ran.errors);
    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    assert_eq!(history.lines().count(), 3, "{history}");
}

/// What `onnx` says of the file, and what `onnxruntime` gives for one input; `None`, said aloud, where
/// they are not installed.
pub(crate) fn onnx_runtime(onnx: &Path, input: &[f32], folder: &Path) -> Option<Vec<Vec<f64>>> {
    let Some(python) = std::env::var_os("ONNX_PYTHON") else {
        testing::skip("the comparison with ONNX Runtime: ONNX_PYTHON is not set (./scripts/test sets it)");
        return None;
    };
    let values = folder.join("input.f32");
    fs::write(&values, input.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let script = root().join("tests/fixtures/run_onnx.py");
    let ran = run(Command::new(python).arg(script).arg(onnx).arg(&values), 0);
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

/// What the network of a run gets of a picture that already is the crop.
fn input_of(picture: &Picture, run_folder: &Path) -> Vec<f32> {
    let mut input = vec![0.0; INPUT_LEN];
    let view = picture.gray().unwrap();
    sample(view, &view.bounds(), SIDE, &mut input);
    let shipped = Shipped::of_run(run_folder).unwrap();
    shipped.state.config.normalisation.apply(&mut input);
    input
}

/// Runs one network on burn, tract and, where it is installed, ONNX Runtime; gives what they agree on.
fn compare(task: &str, run_folder: &Path, picture: &Picture, folder: &Path) -> Vec<f64> {
    let shipped = Shipped::of_run(run_folder).unwrap();
    let input = input_of(picture, run_folder);

    let tensor = Tensor::<4>::from_data(TensorData::new(input.clone(), [1, 1, SIDE, SIDE]), &Device::flex());
    let by_burn: Vec<f64> = shipped.network.forward(tensor).into_data().iter::<f64>().collect();

    let onnx = folder.join(format!("{task}.onnx"));
    run(
        program("host-trainer")
            .arg("export")
            .arg(run_folder)
            .arg("--out")
            .arg(&onnx),
        0,
    );
    let mut model = Model::load(&fs::read(&onnx).unwrap(), &[(task, by_burn.len())]).unwrap();
    model.run(&input).unwrap();
    let by_tract: Vec<f64> = model.output(0).iter().map(|v| f64::from(*v)).collect();
    agree("tract and burn", &by_tract, &by_burn);
    if let Some(outputs) = onnx_runtime(&onnx, &input, folder) {
        agree("ONNX Runtime and burn", &outputs[0], &by_burn);
    }
    by_burn
}

#[test]
fn the_whole_path_gives_the_same_numbers_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let csv = faces::write(folder.path());
    train("keypoints", &csv.keypoints, &at("keypoints"));
    train("emotion", &csv.emotion, &at("emotion"));

    // The first face of the emotion file, as a picture.
    let text = fs::read_to_string(&csv.emotion).unwrap();
    let pixels: Vec<u8> = text
        .lines()
        .nth(1)
        .unwrap()
        .split(',')
        .nth(1)
        .unwrap()
        .split(' ')
        .map(|v| v.parse().unwrap())
        .collect();
    let side = (pixels.len() as f64).sqrt() as usize;
    let file = at("face.pgm");
    fs::write(
        &file,
        [format!("P5\n{side} {side}\n255\n").as_bytes(), &pixels].concat(),
    )
    .unwrap();
    let picture = Picture::from_gray(pixels, side, side).unwrap();
    let keypoints = compare("keypoints", &at("keypoints"), &picture, folder.path());
    let logits = compare("emotion", &at("emotion"), &picture, folder.path());

    for task in ["keypoints", "emotion"] {
        let data = if task == "emotion" {
            &csv.emotion
        } else {
            &csv.keypoints
        };
        quantised::runtime_and_onnx_runtime_agree(task, &at(task), data, &input_of(&picture, &at(task)), folder.path());
    }
    let bundle = at("bundle");
    let mut command = program("host-trainer");
    command
        .arg("bundle")
        .arg("--keypoints")
        .arg(at("keypoints"))
        .arg("--keypoints-data")
        .arg(&csv.keypoints);
    command
        .arg("--emotion")
        .arg(at("emotion"))
        .arg("--emotion-data")
        .arg(&csv.emotion)
        .arg("--int8")
        .args(["keypoints", "emotion"].map(|task| at(&format!("{task}-int8.onnx"))))
        .arg("--combined")
        .arg("--out")
        .arg(&bundle);
    let manifest = run(&mut command, 0).lines().remove(0);
    assert!(
        fs::read_to_string(bundle.join("README.md"))
            .unwrap()
            .contains("## Intended use")
    );

    let mut command = program("edge-runtime");
    command
        .args(["classify", "--face", "whole", "--precision", "f32", "--bundle"])
        .arg(&bundle)
        .arg(&file);
    let line = run(&mut command, 0).lines().remove(0);
    let scale = side as f64 / SIDE as f64;
    let found: Vec<f64> = line["keypoints"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|p| [&p[0], &p[1]])
        .map(|v| v.as_f64().unwrap() / scale)
        .collect();
    agree("classify and burn, keypoints", &found, &keypoints);

    // Softmax at the bundle's temperature, by hand.
    let temperature = manifest["decision"]["temperature"].as_f64().unwrap();
    let powers: Vec<f64> = logits.iter().map(|logit| (logit / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let expected: Vec<f64> = powers.iter().map(|power| power / sum).collect();
    let labels = manifest["classes"].as_array().unwrap();
    let scores: Vec<f64> = labels
        .iter()
        .map(|label| line["scores"][label.as_str().unwrap()].as_f64().unwrap())
        .collect();
    agree("classify and burn, scores", &scores, &expected);
    let top = (0..5).max_by(|a, b| expected[*a].total_cmp(&expected[*b])).unwrap();
    assert_eq!(line["emotion"], labels[top]);

    quantised::integers_are_preferred_and_near(&bundle, &file, &line);
    quantised::a_layer_can_keep_its_floats(
        &at("emotion"),
        &csv.emotion,
        &input_of(&picture, &at("emotion")),
        &logits,
        folder.path(),
    );
    quantised::a_bundle_is_quantised_like_its_run(&bundle, &csv.emotion, folder.path());
    quantised::mirrored_means_are_measured_as_they_run(folder.path(), &csv);
    quantised::damage_behind_a_new_hash_is_refused(&bundle, &file);
    combined_file_gives_both(&bundle, &picture, &keypoints, &logits, folder.path());
    evaluate_repeats_the_manifest(&bundle, &csv, &manifest);
    a_network_of_another_bundle_is_taken_over(&bundle, &at("keypoints"), &csv, &manifest, folder.path());
}

/// With a new keypoint network beside it, here without integers, the emotion network stays bit for bit.
fn a_network_of_another_bundle_is_taken_over(
    bundle: &Path,
    keypoints: &Path,
    csv: &faces::Csv,
    manifest: &serde_json::Value,
    folder: &Path,
) {
    let out = folder.join("next");
    let command = |out: &Path| {
        let mut command = program("host-trainer");
        command
            .args(["bundle", "--bundle-version", "2", "--keypoints"])
            .arg(keypoints);
        command.arg("--keypoints-data").arg(&csv.keypoints);
        command
            .arg("--emotion")
            .arg(bundle)
            .arg("--emotion-data")
            .arg(&csv.emotion);
        command.arg("--out").arg(out);
        command
    };
    let next = run(&mut command(&out), 0).lines().remove(0);
    assert_eq!(next["emotion"], manifest["emotion"]);
    assert_eq!(next["keypoints"]["files"].as_array().unwrap().len(), 1);
    for file in ["emotion.onnx", "emotion-int8.onnx", "emotion.toml"] {
        let read = |place: &Path| fs::read(place.join(file)).unwrap();
        assert!(read(bundle) == read(&out), "{file}");
    }

    // Settings that belong to another training divide the faces otherwise.
    let settings = bundle.join("emotion.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("seed = 42", "seed = 43")).unwrap();
    let refused = run(&mut command(&folder.join("third")), 65);
    assert!(
        refused.errors.contains("differs from what its network was trained on"),
        "{}",
        refused.errors
    );
}

fn combined_file_gives_both(bundle: &Path, picture: &Picture, keypoints: &[f64], logits: &[f64], folder: &Path) {
    let combined = bundle.join("combined.onnx");
    let mut input = vec![0.0; INPUT_LEN];
    let view = picture.gray().unwrap();
    sample(view, &view.bounds(), SIDE, &mut input);
    let mut model = Model::load(&fs::read(&combined).unwrap(), &[("keypoints", 30), ("emotion", 5)]).unwrap();
    model.run(&input).unwrap();
    let output = |at| model.output(at).iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
    agree("combined, keypoints", &output(0), keypoints);
    agree("combined, emotion", &output(1), logits);
    if let Some(outputs) = onnx_runtime(&combined, &input, folder) {
        agree("combined in ONNX Runtime, keypoints", &outputs[0], keypoints);
        agree("combined in ONNX Runtime, emotion", &outputs[1], logits);
    }
}

/// The figures in the manifest are those that the documented command prints.
fn evaluate_repeats_the_manifest(bundle: &Path, csv: &faces::Csv, manifest: &serde_json::Value) {
    let cases = [
        ("keypoints", &csv.keypoints, "mse_px2"),
        ("emotion", &csv.emotion, "accuracy"),
    ];
    for (task, data, metric) in cases {
        let evaluate = |more: &[&str]| {
            let mut command = program("host-trainer");
            command
                .arg("evaluate")
                .arg("--bundle")
                .arg(bundle)
                .args(["--task", task]);
            command.arg("--data").arg(data).args(more);
            command
        };
        let files = manifest[task]["files"].as_array().unwrap();
        let lines = run(&mut evaluate(&[]), 0).lines();
        assert_eq!(lines.len(), files.len(), "{task}");
        for (figures, file) in lines.iter().zip(files) {
            let metrics = file["metrics"].as_array().unwrap();
            let stored = metrics.iter().find(|m| m["name"] == metric).unwrap();
            let difference = figures[metric].as_f64().unwrap() - stored["value"].as_f64().unwrap();
            assert!(difference.abs() < 1e-9, "{task}: {figures}");
            assert_eq!(figures["precision"], file["precision"]);
            let onnx = bundle.join(file["path"].as_str().unwrap());
            let given = run(&mut evaluate(&["--onnx", onnx.to_str().unwrap()]), 0).lines();
            assert_eq!(given[0][metric], figures[metric], "{task}: {}", file["path"]);
        }
        for options in [&["--mirrored"][..], &["--precision", "int8", "--onnx", "x.onnx"]] {
            let refused = run(&mut evaluate(options), 64).errors;
            assert!(refused.contains("cannot be used with"), "{refused}");
        }
    }
}
