use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::*;
use testing::bundle::write_bundle;

/// A directory with a bundle and a picture.
fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("bundle")).unwrap();
    write_bundle(&dir.path().join("bundle"));
    fs::write(dir.path().join("a.pgm"), "P5 1 1 255\n\x07").unwrap();
    dir
}

fn findings(dir: &Path, uri: &str, more: &str) -> Vec<Finding> {
    let text = format!("schema = 1\nbundle = \"bundle\"\nsource.uri = \"{uri}\"\n{more}");
    fs::write(dir.join("c.toml"), text).unwrap();
    check(&Config::load(&dir.join("c.toml")).unwrap(), Scope::All)
}

/// What is found wrong by this check.
fn wrong(findings: &[Finding], check: &str) -> String {
    let finding = findings.iter().find(|finding| finding.check == check && !finding.ok);
    let finding = finding.unwrap_or_else(|| panic!("nothing wrong with {check}: {findings:?}"));
    format!("{}; {}", finding.found, finding.cure.as_ref().unwrap())
}

#[test]
fn nothing_is_wrong_with_what_runs() {
    let dir = dir();
    let findings = findings(
        dir.path(),
        "a.pgm",
        "[sink.gpio]\nbackend = \"log\"\nlines = [{ pin = 5, emotion = \"happy\" }]\n[update]\nstate = \"state\"\n",
    );
    assert_eq!(problems(&findings), None, "{findings:?}");
}

#[test]
fn everything_that_is_wrong_is_named_not_only_the_first() {
    let dir = dir();
    fs::write(dir.path().join("outbox"), "a file").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let findings = findings(
        dir.path(),
        "missing.y4m",
        &format!(
            "[sink.gpio]\nbackend = \"log\"\nlines = [{{ pin = 5, emotion = \"Bored\" }}]\n[sink.mqtt]\nhost = \"broker\"\n\
             device = \"a\"\ncredentials_file = \"login\"\noutbox = {{ dir = \"outbox\" }}\n[metrics]\nlisten = \"{}\"\n",
            taken.local_addr().unwrap()
        ),
    );
    for (check, expected) in [
        ("source", "missing.y4m: no such file"),
        ("classes", "no emotion `Bored`"),
        ("outbox", "is no directory"),
        ("metrics", "another port"),
        #[cfg(feature = "mqtt")]
        ("mqtt", "login"),
    ] {
        let wrong = wrong(&findings, check);
        assert!(wrong.contains(expected), "{wrong} does not speak of {expected}");
    }
    let lines = problems(&findings).unwrap();
    assert!(lines.lines().count() >= 4, "{lines}");
}

#[test]
fn a_source_is_read_up_to_its_first_frame() {
    let dir = dir();
    fs::write(dir.path().join("bad.png"), "no picture").unwrap();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for (uri, expected) in [
        ("bad.png", "neither PNG"),
        ("empty", "holds no picture"),
        ("nowhere", "no such file"),
        ("rpicam:/nowhere/rpicam-vid", "no such program"),
        ("v4l2:/nowhere/video0", "/nowhere/video0"),
    ] {
        let wrong = wrong(&findings(dir.path(), uri, ""), "source");
        assert!(wrong.contains(expected), "{wrong} does not speak of {expected}");
        assert!(!wrong.contains("Path("), "{wrong}");
    }
    for uri in ["a.pgm", ".", "-", "rpicam:/bin/sh"] {
        let findings = findings(dir.path(), uri, "");
        assert!(findings.iter().all(|finding| finding.ok), "{uri}: {findings:?}");
    }
}

#[test]
fn what_others_can_change_is_not_trusted() {
    use std::os::unix::fs::PermissionsExt;

    let dir = dir();
    let manifest = dir.path().join("bundle/manifest.json");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o666)).unwrap();
    let found = wrong(&findings(dir.path(), "a.pgm", ""), "bundle");
    assert!(
        found.contains("can be changed by other users") && found.contains("chmod"),
        "{found}"
    );
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(problems(&findings(dir.path(), "a.pgm", "")), None);
}

#[test]
fn a_directory_that_only_root_seems_to_be_able_to_write_to_is_found() {
    let dir = dir();
    for outbox in ["/proc/outbox", "/sys/a/b"] {
        let mqtt = format!("[sink.mqtt]\nhost = \"broker\"\ndevice = \"a\"\noutbox = {{ dir = \"{outbox}\" }}\n");
        let found = wrong(&findings(dir.path(), "a.pgm", &mqtt), "outbox");
        assert!(
            found.contains("keeps no files") || found.contains("may not write"),
            "{found}"
        );
    }
}

#[test]
fn nothing_is_made() {
    let dir = dir();
    findings(
        dir.path(),
        "a.pgm",
        "[sink.mqtt]\nhost = \"broker\"\ndevice = \"a\"\noutbox = { dir = \"a/b/outbox\" }\n[update]\nstate = \"state\"\n",
    );
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["a.pgm", "bundle", "c.toml"]);
}
