//! Runs side by side: what differs, and whether it is more than chance.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, run};

/// Trains a small network for one epoch; gives the run.
fn train(task: &str, data: &Path, out: PathBuf, rate: &str) -> PathBuf {
    let recipe = out.with_extension("toml");
    fs::write(&recipe, "[architecture]\nstages = 1\n").unwrap();
    let mut command = program("host-trainer");
    command.args(["train", task, "--epochs", "1", "--batch", "8", "--replicas", "1"]);
    command.args(["--learning-rate", rate]).arg("--recipe").arg(&recipe);
    run(command.arg("--data").arg(data).arg("--out").arg(&out), 0);
    out
}

fn compare(runs: &[&Path]) -> Command {
    let mut command = program("host-trainer");
    command.arg("compare").args(runs);
    command
}

#[test]
fn runs_are_compared_by_settings_figures_and_a_test_on_the_same_faces() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    for (task, data, difference) in [
        ("emotion", &csv.emotion, "p"),
        ("keypoints", &csv.keypoints, "mean_error_difference_px"),
    ] {
        let run_in = |name: &str| folder.path().join(format!("{task}-{name}"));
        let slow = train(task, data, run_in("slow"), "1e-4");
        let fast = train(task, data, run_in("fast"), "1e-2");
        let page = folder.path().join(format!("{task}.html"));
        let ran = run(
            compare(&[&slow, &fast]).arg("--data").arg(data).arg("--out").arg(&page),
            0,
        );
        let found = &ran.lines()[0];
        let settings = found["settings"].as_array().unwrap();
        assert_eq!(settings.len(), 1, "{settings:?}");
        assert_eq!(settings[0]["key"], "optimiser.learning_rate");
        assert_eq!(settings[0]["values"][0], "0.0001");
        assert_eq!(found["runs"].as_array().unwrap().len(), 2);
        assert_eq!(found["test"]["runs"].as_array().unwrap().len(), 2);
        let guessing = &found["test"]["guessing"];
        let guessed = guessing["mse_px2"].as_f64().or(guessing["accuracy"].as_f64());
        assert!(guessed.is_some_and(|value| value > 0.0), "{found}");
        assert!(!found["test"]["against_first"][0][difference].is_null(), "{found}");
        for heading in [
            "Course",
            "Settings that differ",
            "Against the first run, on the same faces",
            "Whoever always ",
        ] {
            assert!(ran.errors.contains(heading), "{}", ran.errors);
        }
        let html = fs::read_to_string(&page).unwrap();
        assert_eq!(html.matches("<svg ").count(), 2);
        assert!(html.contains("<h2>Settings that differ</h2>") && html.contains("optimiser.learning_rate"));
        assert!(!html.contains("src=\"") && !html.contains("<script"));
        // The figures are those that `evaluate` tells.
        let mut evaluate = program("host-trainer");
        evaluate.args(["evaluate", "--run"]).arg(&fast).arg("--data").arg(data);
        let alone = &run(&mut evaluate, 0).lines()[0];
        for (key, value) in found["test"]["runs"][1].as_object().unwrap() {
            let own = alone.get(key).unwrap_or(&alone["macro_average"]["f1"]);
            assert_eq!(value, own, "{key}");
        }
    }
    let [emotion, keypoints] = ["emotion-slow", "keypoints-slow"].map(|name| folder.path().join(name));
    let ran = run(&mut compare(&[&emotion, &keypoints]), 65);
    assert!(ran.errors.contains("was trained for"), "{}", ran.errors);
    // One run is nothing to compare.
    run(&mut compare(&[&emotion]), 64);
}

#[test]
fn runs_of_different_data_are_not_measured_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let all = train("emotion", &csv.emotion, folder.path().join("all"), "1e-3");
    let text = fs::read_to_string(&csv.emotion).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let fewer = folder.path().join("fewer.csv");
    fs::write(&fewer, lines[..lines.len() - 1].join("\n")).unwrap();
    let less = train("emotion", &fewer, folder.path().join("less"), "1e-3");
    let ran = run(compare(&[&all, &less]).arg("--data").arg(&csv.emotion), 0);
    assert!(ran.errors.contains("different data"), "{}", ran.errors);
    assert!(ran.lines()[0]["test"].is_null() && ran.lines()[0]["same_data"] == false);
    // Nor on data that neither was trained on.
    let ran = run(compare(&[&all, &all]).arg("--data").arg(&fewer), 65);
    assert!(
        ran.errors.contains("not the data that was trained on"),
        "{}",
        ran.errors
    );
}
