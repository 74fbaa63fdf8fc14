//! A training whose messages cannot be written trains all the same.

use std::process::{Command, Stdio};

use crate::support::training::{Training, newest};

#[test]
fn a_training_ends_well_though_its_standard_error_is_full_or_closed() {
    let folder = tempfile::tempdir().unwrap();
    let training = Training::new(folder.path(), &["--epochs", "1"]);
    for redirection in ["2>/dev/full", "2>&-"] {
        let place = folder
            .path()
            .join(redirection.trim_start_matches("2>").replace('/', "-"));
        let command = training.command(&place);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]);
        shell.arg(command.get_program()).args(command.get_args());
        let ended = shell.stdout(Stdio::null()).status().unwrap();
        assert!(ended.success(), "{redirection}: {ended}");
        assert!(newest(&place).is_some(), "{redirection}: it left no checkpoint");
    }
}
