//! What the tests of several crates share: tiny networks written as real ONNX files, and a bundle of them.
#![forbid(unsafe_code)]
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test ends where anything goes wrong"
)]

pub mod bundle;
pub mod detector;
pub mod fuzz;
pub mod jpeg;
pub mod network;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use bolero;
use proptest::test_runner::Config;

/// A folder of the photographs and films that lie beside the workspace; says so where there are none.
pub fn shared_data(folder: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../../shared/data")).join(folder);
    if dir.is_dir() {
        return Some(dir);
    }
    skip_faces(&format!("there is no {}", dir.display()));
    None
}

/// Says what a test leaves out, and why. Where everything must be tested (`REQUIRE_ALL=1`) it fails instead.
pub fn skip(what: &str) {
    let required = std::env::var("REQUIRE_ALL").is_ok_and(|value| value == "1");
    assert!(!required, "REQUIRE_ALL=1, and this cannot be tested: {what}");
    eprintln!("SKIPPED: {what}");
}

/// Like [`skip`], for tests on real faces, which lie beside the project and are not public: `WITHOUT_FACES=1` says that nobody
/// expects them.
pub fn skip_faces(what: &str) {
    if std::env::var("WITHOUT_FACES").is_ok_and(|value| value == "1") {
        eprintln!("SKIPPED: {what}");
    } else {
        skip(what);
    }
}

/// Writes a shell script that can be started. Another process writes it: what another test starts at that moment would inherit
/// a file that this process has open, and a file that somebody has open for writing cannot be started (*text file busy*).
#[cfg(unix)]
pub fn write_script(path: &Path, body: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(path);
    let mut writer = shell.stdin(Stdio::piped()).spawn().unwrap();
    let text = format!("#!/bin/sh\n{body}\n");
    // Taken, so that it is closed, and the script is whole.
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success(), "{} cannot be written", path.display());
}

/// So many cases of a property, or as many as `PROPTEST_CASES` asks for.
pub fn cases(usual: u32) -> Config {
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => Config::default(),
        Err(_) => Config::with_cases(usual),
    }
}

/// How often something is tried: `SOAK_N`, or so many.
pub fn rounds(usual: u64) -> u64 {
    std::env::var("SOAK_N").map_or(usual, |n| n.parse().unwrap())
}

/// Makes a pipe, to which nobody writes: whoever opens it to read it waits for ever.
pub fn pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}
