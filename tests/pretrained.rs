//! A training begins with the trunk of another one, and what that one has seen is not tested on.

use std::path::Path;
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, run};

fn train(task: &str, data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = program("host-trainer");
    command.args(["train", task, "--epochs", "1", "--batch", "8", "--replicas", "2"]);
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    command
}

#[test]
fn a_trunk_of_another_run_is_begun_with_and_its_faces_count_as_seen() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let first = place("first");
    run(&mut train("emotion", &csv.emotion, &first, &[]), 0);
    let trunk = ["--trunk", first.to_str().unwrap()];

    run(&mut train("keypoints", &csv.keypoints, &place("random"), &[]), 0);
    run(&mut train("keypoints", &csv.keypoints, &place("other"), &trunk), 0);
    let settings = |run: &str| std::fs::read_to_string(place(run).join("config.toml")).unwrap();
    assert!(!settings("random").contains("trunk ="));
    assert!(settings("other").contains("trunk ="), "{}", settings("other"));
    let losses = |run: &str| std::fs::read_to_string(place(run).join("history.csv")).unwrap();
    assert_ne!(losses("random"), losses("other"));

    // Another seed divides otherwise: the test part holds faces that the first run was trained on.
    let more = [&trunk[..], &["--seed", "7"]].concat();
    let refused = run(&mut train("emotion", &csv.emotion, &place("leak"), &more), 65);
    assert!(
        refused.errors.contains("were seen by the network"),
        "{}",
        refused.errors
    );
    let mut nowhere = train("keypoints", &csv.keypoints, &place("nowhere"), &[]);
    let refused = run(nowhere.arg("--trunk").arg(place("missing")), 65);
    assert!(
        refused.errors.contains("read the network of --trunk"),
        "{}",
        refused.errors
    );
}
