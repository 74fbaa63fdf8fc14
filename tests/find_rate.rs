//! The learning-rate range test: a page and a suggestion, and no run.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, run};

fn find_rate(folder: &Path, data: &Path, more: &[&str]) -> Command {
    let recipe = folder.join("small.toml");
    fs::write(&recipe, "batch = 8\nreplicas = 1\n[architecture]\nstages = 1\n").unwrap();
    let mut command = program("host-trainer");
    command.args(["train", "emotion", "--data"]).arg(data);
    command.arg("--recipe").arg(recipe).args(more);
    command.arg("--find-rate").arg(folder.join("rate.html"));
    command
}

#[test]
fn ever_higher_rates_are_tried_until_the_loss_runs_away_and_nothing_is_trained() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let before = fs::read_dir(folder.path()).unwrap().count();
    let told = run(&mut find_rate(folder.path(), &csv.emotion, &["--rate-steps", "24"]), 0);
    let found = &told.lines()[0];
    let steps = found["steps"].as_array().unwrap();
    assert!((11..=24).contains(&steps.len()), "{found}");
    let rates: Vec<f64> = steps.iter().map(|step| step["rate"].as_f64().unwrap()).collect();
    assert!((rates[0] - 1e-7).abs() < 1e-12 && rates.is_sorted(), "{rates:?}");
    let ended = found["ended"].as_str().unwrap();
    assert!(matches!(ended, "ran_away" | "end"), "{ended}");
    assert_eq!(
        found["suggestion"].is_null(),
        told.errors.contains("no rate is suggested")
    );
    assert!(told.errors.contains("Loss over the learning rate"), "{}", told.errors);
    let page = fs::read_to_string(folder.path().join("rate.html")).unwrap();
    assert_eq!(page.matches("<svg ").count(), 1);
    assert!(page.contains("--rate-steps 24") && !page.contains("<script") && !page.contains("src=\""));
    // The recipe and the page, and no run.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before + 2);
}

#[test]
fn a_test_of_rates_neither_goes_on_nor_is_a_training_without_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let both = run(&mut find_rate(folder.path(), &csv.emotion, &["--dry-run"]), 64);
    assert!(both.errors.contains("cannot be used with"), "{}", both.errors);
    let mut nowhere = program("host-trainer");
    nowhere.args(["train", "emotion", "--data"]).arg(&csv.emotion);
    let nowhere = run(&mut nowhere, 64);
    assert!(nowhere.errors.contains("--out"), "{}", nowhere.errors);
}
