//! A training that cannot go on says at which step and why, and its last good checkpoint is intact.

use std::process::Command;

use crate::support::programs::run;
use crate::support::training::{Training, exported, names, newest, wait};

/// The command with files limited to `blocks` of 512 or 1024 bytes, as the shell has it; writing more is an
/// error, as on a full disk, not a signal.
fn limited(command: &Command, blocks: u32) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c");
    shell.arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""));
    shell.arg("sh").arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn a_checkpoint_that_cannot_be_written_stops_the_training_and_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", "4"]);
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    run(&mut training.command(&whole), 0);

    let mut child = training.start(&parts);
    wait(&mut child, || newest(&parts).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    let good = names(&parts, "step-");

    // Room for the settings, not for weights.
    let stopped = run(&mut limited(&training.command(&parts), 64), 74);
    let told = ["save after step", "step-0000", "File too large", "intact"];
    assert!(
        told.iter().all(|part| stopped.errors.contains(part)),
        "{}",
        stopped.errors
    );
    assert_eq!(
        names(&parts, ""),
        good,
        "the good ones are there, and nothing half written"
    );

    run(&mut training.command(&parts), 0);
    assert!(exported(&whole) == exported(&parts), "the weights differ");
}

#[test]
fn a_loss_that_is_no_number_names_step_and_rows_and_harms_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    // The first step leaves weights that are huge, but numbers: the second has no loss.
    let training = Training::new(folder.path(), &["--epochs", "1", "--learning-rate", "1e30"]);
    let place = folder.path().join("run");
    let stopped = run(&mut training.command(&place), 65);
    let told = [
        "step 2 of epoch 1",
        "is not a number",
        "rows [",
        "of the data file",
        "intact",
    ];
    assert!(
        told.iter().all(|part| stopped.errors.contains(part)),
        "{}",
        stopped.errors
    );
    assert_eq!(names(&place, ""), ["step-00000001"]);
    exported(&place);
}

#[test]
fn weights_that_are_no_numbers_are_never_saved() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", "1", "--learning-rate", "1e39"]);
    let place = folder.path().join("run");
    let stopped = run(&mut training.command(&place), 65);
    let told = ["step 1 of epoch 1", "weights are no longer numbers"];
    assert!(
        told.iter().all(|part| stopped.errors.contains(part)),
        "{}",
        stopped.errors
    );
    assert_eq!(names(&place, ""), [""; 0]);
}
