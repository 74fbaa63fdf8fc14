//! Rows whose label a network contradicts are listed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, root, run};

/// A command with the default bundle's emotion network.
fn command(verb: &str) -> Command {
    let mut command = program("host-trainer");
    command.arg(verb).args(["--task", "emotion", "--precision", "f32"]);
    command.arg("--bundle").arg(root().join("edge-runtime/models/default"));
    command
}

/// The column of this name in a table without quoted cells.
fn column(table: &str, name: &str) -> Vec<String> {
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let at = lines.next().unwrap().iter().position(|cell| *cell == name).unwrap();
    lines.map(|cells| cells[at].to_owned()).collect()
}

/// The rows listed, and what the terminal says.
fn suspects(data: &Path, folder: &Path) -> (BTreeSet<String>, String) {
    let out = folder.join("suspects.csv");
    let mut evaluate = command("evaluate");
    evaluate.args(["--part", "all", "--suspects", "3", "--data"]).arg(data);
    let ran = run(evaluate.arg("--out").arg(&out), 0);
    let rows = column(&fs::read_to_string(&out).unwrap(), "row").into_iter();
    (rows.collect(), ran.errors)
}

#[test]
fn a_label_that_was_made_wrong_is_a_suspect() {
    if faces::shared().is_none() {
        // Next to labels that are invented, none is wrong.
        testing::skip_faces("wrong labels: there is no ../shared/data");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = faces::write(folder.path()).emotion;
    let (before, _) = suspects(&data, folder.path());
    let table = folder.path().join("table.csv");
    run(command("predict").arg(&data).arg("--out").arg(&table), 0);
    let table = fs::read_to_string(&table).unwrap();
    let [rows, scores] = ["row", "score"].map(|name| column(&table, name));
    // Of the faces that nothing is wrong with, the one of which the network is surest.
    let trusted = rows.iter().zip(&scores).filter(|(row, _)| !before.contains(*row));
    let (row, _) = trusted
        .max_by(|a, b| a.1.parse::<f32>().unwrap().total_cmp(&b.1.parse().unwrap()))
        .unwrap();
    let text = fs::read_to_string(&data).unwrap();
    let lines = text.lines().enumerate().map(|(at, line)| {
        let (label, pixels) = line.split_once(',').unwrap();
        let wrong = if label == "3" { "0" } else { "3" };
        format!("{},{pixels}\n", if at.to_string() == *row { wrong } else { label })
    });
    fs::write(&data, lines.collect::<String>()).unwrap();
    let (after, told) = suspects(&data, folder.path());
    assert!(after.contains(row), "row {row}: {after:?}\n{told}");
    assert!(told.contains("contradicts the labels of"), "{told}");
}

#[test]
fn suspects_are_refused_for_points() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces::write(folder.path()).keypoints;
    let mut evaluate = program("host-trainer");
    evaluate.args(["evaluate", "--task", "keypoints", "--part", "all", "--suspects", "3"]);
    evaluate.arg("--bundle").arg(root().join("edge-runtime/models/default"));
    let ran = run(evaluate.arg("--data").arg(&data), 65);
    assert!(ran.errors.contains("labels of emotions"), "{}", ran.errors);
}
