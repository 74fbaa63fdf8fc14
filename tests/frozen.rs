//! A training that leaves the trunk as another network gives it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::faces;
use crate::support::programs::{program, run};

fn train(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = program("host-trainer");
    command.args(["train", "emotion", "--epochs", "1", "--batch", "8", "--replicas", "1"]);
    command.arg("--data").arg(data).arg("--out").arg(out).args(more);
    command
}

#[test]
fn a_trunk_is_frozen_until_the_end_and_whoever_asks_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let csv = faces::write(folder.path());
    let place = |name: &str| folder.path().join(name);
    let recipe = place("small.toml");
    fs::write(&recipe, "[architecture]\nstages = 1\n").unwrap();
    let (first, frozen) = (place("first"), place("frozen"));
    run(
        &mut train(&csv.emotion, &first, &["--recipe", recipe.to_str().unwrap()]),
        0,
    );
    // 256 channels of 2x2 places, five classes.
    let trained = 256 * 4 * 5 + 5;
    let told = |errors: &str| assert!(errors.contains(&format!("frozen: {trained} of ")), "{errors}");
    let freeze = ["--from", first.to_str().unwrap(), "--freeze", "trunk"];
    let planned = run(
        &mut train(&csv.emotion, &frozen, &[&freeze[..], &["--dry-run"]].concat()),
        0,
    );
    told(&planned.out);
    told(&run(&mut train(&csv.emotion, &frozen, &freeze), 0).errors);
    let settings = fs::read_to_string(frozen.join("config.toml")).unwrap();
    assert!(settings.contains("\nfreeze = \"trunk\"\n"), "{settings}");

    let mut resume = program("host-trainer");
    resume.args(["train", "emotion", "--resume", "--epochs", "2", "--out"]);
    told(&run(resume.arg(&frozen), 0).errors);
    let compared = run(program("host-trainer").arg("compare").arg(&first).arg(&frozen), 0);
    let compared = &compared.lines()[0];
    assert_eq!(compared["runs"][1]["trained_parameters"], trained);
    assert!(compared["runs"][0]["trained_parameters"].as_u64().unwrap() > 100_000);
    let differ = compared["settings"].as_array().unwrap();
    assert!(differ.iter().any(|own| own["key"] == "freeze"), "{differ:?}");

    let refused = run(&mut train(&csv.emotion, &place("random"), &["--freeze", "trunk"]), 78);
    assert!(
        refused.errors.contains("neither --from nor --trunk"),
        "{}",
        refused.errors
    );
    assert!(!place("random").exists());
}
