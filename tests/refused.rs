//! Input that cannot be used is refused by name, with the exit code that fits.

use std::fs;

use crate::support::faces;
use crate::support::programs::{program, root, run};

#[test]
fn bad_training_data_is_named_by_file_row_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let good = fs::read_to_string(&csv.emotion).unwrap();
    let bad = folder.path().join("bad.csv");
    let cases = [
        (good.replacen("emotion,pixels", "mood,pixels", 1), "emotion"),
        (good.replacen(' ', " 300 ", 1), "pixels"),
        (good.replacen(' ', " x", 1), "pixels"),
        (String::from("emotion,pixels\n"), "row"),
    ];
    for (text, named) in cases {
        fs::write(&bad, text).unwrap();
        let mut command = program("host-trainer");
        command
            .args(["train", "emotion", "--out"])
            .arg(folder.path().join("run"))
            .arg("--data")
            .arg(&bad);
        let ran = run(&mut command, 65);
        assert!(
            ran.errors.contains("bad.csv") && ran.errors.contains(named),
            "{}",
            ran.errors
        );
    }
    let mut command = program("host-trainer");
    command
        .args(["train", "emotion", "--data", "nowhere.csv", "--out"])
        .arg(folder.path().join("run"));
    run(&mut command, 66);
}

#[test]
fn machines_that_the_trainer_cannot_use_are_refused() {
    let mut command = program("host-trainer");
    command.args(["train", "emotion", "--data", "a.csv", "--out", "run", "--remote"]);
    let cause = if cfg!(feature = "remote") {
        "ws://192.168.0.5:3000"
    } else {
        "--features remote"
    };
    let refused = run(command.arg("http://192.168.0.5:3000"), 64);
    assert!(refused.errors.contains(cause), "{}", refused.errors);
}

#[test]
fn unknown_arguments_end_with_64() {
    run(program("host-trainer").arg("fly"), 64);
    run(program("edge-runtime").arg("fly"), 64);
    run(program("host-trainer").arg("--version"), 0);
    run(program("edge-runtime").arg("--help"), 0);
}

#[test]
fn files_too_slow_for_the_watchdog_are_refused_where_their_times_count() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    let film = b"YUV4MPEG2 W1 H1 F1:3 Cmono\nFRAME\nxFRAME\ny";
    fs::write(folder.path().join("slow.y4m"), film).unwrap();
    let bundle = root().join("edge-runtime/models/default");
    let write = |source: &str| {
        let text = format!("schema = 1\nbundle = '{}'\n[source]\n{source}\n", bundle.display());
        fs::write(&config, text).unwrap();
    };
    let check = |code: i32| run(program("edge-runtime").arg("check-config").arg(&config), code).errors;
    let start = |code: i32| run(program("edge-runtime").args(["run", "--config"]).arg(&config), code).errors;

    write("uri = \"slides\"\nrealtime = true\nfps = 0.3");
    for said in [check(78), start(78)] {
        assert!(
            said.contains("config.toml:3:") && said.contains("`fps`") && said.contains("watchdog"),
            "{said}"
        );
    }
    // Its rate stands in the film, which nobody reads before the start.
    write("uri = \"slow.y4m\"\nrealtime = true");
    check(0);
    let said = start(65);
    assert!(said.contains("slow.y4m: a frame every 3 s"), "{said}");
    write("uri = \"slow.y4m\"");
    start(0);
}
