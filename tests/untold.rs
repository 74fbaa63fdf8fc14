//! A training whose messages cannot be written trains all the same.

use std::fs::OpenOptions;
use std::process::Stdio;

use crate::support::training::{Training, newest};

#[test]
fn a_training_ends_well_though_its_standard_error_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", "1"]);
    let place = folder.path().join("run");
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = training.command(&place);
    let ended = command.stdout(Stdio::null()).stderr(full).status().unwrap();
    assert!(ended.success(), "{ended}");
    assert!(newest(&place).is_some(), "it left no checkpoint");
}
