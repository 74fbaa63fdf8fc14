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

#[test]
fn a_teacher_has_its_share_of_the_targets_and_must_know_the_same_faces_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let recipe = place("taught.toml");
    std::fs::write(&recipe, "[teacher]\nshare = 0.5\n").unwrap();
    let recipe = ["--recipe", recipe.to_str().unwrap()];
    let first = place("first");
    run(&mut train("emotion", &csv.emotion, &first, &[]), 0);
    let teacher = ["--teacher", first.to_str().unwrap()];
    let taught = [&recipe[..], &teacher[..]].concat();

    let told = run(&mut train("emotion", &csv.emotion, &place("taught"), &taught), 0);
    assert!(told.errors.contains("the teacher looks at"), "{}", told.errors);
    let history = |run: &str| std::fs::read_to_string(place(run).join("history.csv")).unwrap();
    let loss = |run: &str| {
        history(run)
            .lines()
            .nth(1)
            .unwrap()
            .split(',')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_ne!(loss("first"), loss("taught"), "other targets, another loss");
    let settings = std::fs::read_to_string(place("taught/config.toml")).unwrap();
    assert!(settings.contains("[teacher]\nshare = 0.5\nnetwork = "), "{settings}");

    let refused = |name: &str, more: &[&str], why: &str| {
        let told = run(&mut train("emotion", &csv.emotion, &place(name), more), 65);
        assert!(told.errors.contains(why), "{}", told.errors);
        assert!(!place(name).exists(), "what is refused leaves no directory");
    };
    refused("unnamed", &recipe, "name its network with --teacher");
    refused("no-share", &teacher, "gives it no share of the target");
    // Another seed divides otherwise.
    refused("leak", &[&taught[..], &["--seed", "7"]].concat(), "another split");
    let four = place("four.toml");
    let classes = "classes = [\"Angry\", \"Sad\", \"Happy\", \"Surprise\"]\n[teacher]\nshare = 0.5\n";
    std::fs::write(&four, classes).unwrap();
    let four = ["--recipe", four.to_str().unwrap()];
    refused("classes", &[&four[..], &teacher[..]].concat(), "it knows the classes");
}
