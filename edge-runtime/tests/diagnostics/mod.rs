//! What the program tells on standard error, and that telling never ends it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use testing::jpeg;

use crate::support::program::command;

/// A picture that no decoder takes: a start and an end with nothing between.
const BROKEN: [u8; 4] = [0xff, 0xd8, 0xff, 0xd9];

/// Runs a kiosk to its end on 300 broken pictures, good ones among them.
fn run(arguments: &[&str], stderr: impl Into<Stdio>) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.toml");
    let bundle = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default");
    let text = format!(
        "schema = 1\nbundle = '{}'\n[source]\nuri = \"stdin:mjpeg\"\n[face]\nmode = \"whole\"\n[decide]\ndwell_ms = 0\n",
        bundle.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut child = command(&["run", "--config"])
        .arg(&config)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..30 {
        stdin.write_all(&BROKEN.repeat(10)).unwrap();
        stdin.write_all(&jpeg::gradient()).unwrap();
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn hundreds_of_bad_frames_are_told_once_and_then_counted() {
    let output = run(&[], Stdio::piped());
    let lines = lines(&output);
    let skipped: Vec<_> = lines.iter().filter(|line| line.contains("frame skipped")).collect();
    assert_eq!(skipped.len(), 2, "{lines:?}");
    assert!(skipped.iter().all(|line| line.starts_with("warning: ")), "{skipped:?}");
    assert!(skipped[1].ends_with("more like it)"), "{skipped:?}");
    assert!(output.status.success());
}

#[test]
fn a_filter_chooses_what_is_told() {
    let output = run(&["--log", "error"], Stdio::piped());
    assert_eq!(lines(&output), Vec::<String>::new());
    let output = run(&["--log", "off,edge_runtime::source=warn"], Stdio::piped());
    let told = lines(&output);
    assert!(
        !told.is_empty() && told.iter().all(|line| line.contains("frame skipped")),
        "{told:?}"
    );
    let output = command(&["run", "--log", "loud"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(
        lines(&output)[0].contains("`loud` is no filter of diagnostics"),
        "{output:?}"
    );
}

#[test]
fn a_standard_error_that_is_full_or_closed_ends_no_kiosk() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (reader, closed) = std::io::pipe().unwrap();
    drop(reader);
    for stderr in [
        Stdio::from(full),
        Stdio::from(closed),
        Stdio::from(File::open("/dev/null").unwrap()),
    ] {
        let output = run(&[], stderr);
        assert!(output.status.success(), "{:?}", output.status);
        assert!(String::from_utf8(output.stdout).unwrap().contains("\"face\":true"));
    }
}
