//! Nobody measures a network by mistake on faces that it was trained on.

use std::fs;

use crate::support::faces;
use crate::support::programs::{program, run};

#[test]
fn rows_that_were_trained_on_are_measured_only_when_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let data = faces::write(folder.path()).emotion;
    let place = folder.path().join("run");
    let mut train = program("host-trainer");
    train.args([
        "train",
        "emotion",
        "--epochs",
        "1",
        "--batch",
        "8",
        "--replicas",
        "2",
        "--data",
    ]);
    run(train.arg(&data).arg("--out").arg(&place), 0);

    let text = fs::read_to_string(&data).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // Half of the faces, in another order: another file, but faces that the run has seen.
    let part = folder.path().join("part.csv");
    let half: Vec<&str> = lines[1..].iter().rev().step_by(2).copied().collect();
    fs::write(&part, format!("{}\n{}\n", lines[0], half.join("\n"))).unwrap();
    // Faces that nobody has seen.
    let other = folder.path().join("other.csv");
    let rows = (0..40).map(|shade| format!("3,{}\n", vec![shade.to_string(); 48 * 48].join(" ")));
    fs::write(&other, format!("emotion,pixels\n{}", rows.collect::<String>())).unwrap();

    let cases: [(_, &[&str], _, _); 8] = [
        (&data, &[], 0, " faces"),
        (&data, &["--part", "train"], 0, " faces"),
        (&data, &["--part", "other"], 65, "--part other is for another file"),
        (&data, &["--part", "all"], 0, "48 faces"),
        (&part, &[], 65, "not the data that was trained on"),
        (
            &part,
            &["--part", "other"],
            65,
            "were trained on or chosen by, the first in row",
        ),
        (&part, &["--part", "all"], 0, "24 faces"),
        (&other, &["--part", "other"], 0, "40 faces"),
    ];
    for (file, options, code, told) in cases {
        let mut command = program("host-trainer");
        command
            .arg("evaluate")
            .arg("--run")
            .arg(&place)
            .arg("--data")
            .arg(file)
            .args(options);
        let ran = run(&mut command, code);
        assert!(ran.errors.contains(told), "{options:?}: {}", ran.errors);
    }
}
