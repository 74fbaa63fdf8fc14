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
fn a_pipe_in_place_of_a_file_is_named_and_never_waited_for() {
    let dir = dir();
    let pipe = dir.path().join("pipe");
    testing::pipe(&pipe);
    fs::create_dir(dir.path().join("keys")).unwrap();
    fs::copy(dir.path().join("a.pgm"), dir.path().join("keys/a.pgm")).unwrap();
    let mqtt = "[sink.mqtt]\nhost = \"broker\"\ndevice = \"a\"\noutbox = { dir = \"outbox\" }\n";
    let page = "[page]\nlisten = \"127.0.0.1:0\"\n";
    let update = "[update]\nstate = \"state\"\n";
    let hook = "[sink.webhook]\nurl = \"https://example.org\"\ndir = \"hook\"\nsecret_file = ";
    for (check, text) in [
        #[cfg(feature = "mqtt")]
        ("mqtt", format!("{mqtt}credentials_file = \"pipe\"")),
        #[cfg(feature = "mqtt")]
        ("mqtt", format!("{mqtt}tls = {{ ca_file = \"pipe\" }}")),
        #[cfg(feature = "mqtt")]
        (
            "mqtt",
            format!("{mqtt}tls = {{ cert_file = \"pipe\", key_file = \"pipe\" }}"),
        ),
        #[cfg(feature = "page")]
        ("page", format!("{page}language = \"pipe.json\"")),
        #[cfg(feature = "page")]
        ("page", format!("{page}token_file = \"pipe\"")),
        #[cfg(feature = "page")]
        (
            "page",
            format!("{page}tls = {{ cert_file = \"pipe\", key_file = \"pipe\" }}"),
        ),
        #[cfg(feature = "webhook")]
        ("webhook", format!("{hook}\"pipe\"")),
    ] {
        let _ = fs::hard_link(&pipe, dir.path().join("pipe.json"));
        let found = wrong(&findings(dir.path(), "a.pgm", &text), check);
        assert!(found.contains("no regular file"), "{text}: {found}");
    }
    fs::hard_link(&pipe, dir.path().join("keys/root.pub")).unwrap();
    let text = format!("schema = 1\nbundle = \"bundle\"\nsource.uri = \"keys\"\n{update}keys = \"keys\"\n");
    fs::write(dir.path().join("c.toml"), text).unwrap();
    let config = Config::load(&dir.path().join("c.toml")).unwrap();
    assert!(keys(config.update.as_ref().unwrap()).found.contains("no regular file"));
    // A pipe among pictures is left out.
    fs::hard_link(&pipe, dir.path().join("keys/0.png")).unwrap();
    assert_eq!(problems(&check(&config, Scope::All)), None);
}

#[test]
fn a_finding_is_one_line_whatever_a_file_is_called() {
    let dir = dir();
    let findings = findings(dir.path(), "a\\u001b[2J\\nerror: all is well", "");
    let found = wrong(&findings, "source");
    assert!(found.contains("a\\u{1b}[2J\\nerror: all is well"), "{found}");
    assert!(!found.contains(char::is_control), "{found}");
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
fn no_file_with_secrets_that_others_can_change_is_trusted_whatever_it_is_for() {
    use std::os::unix::fs::PermissionsExt;

    let dir = dir();
    fs::create_dir(dir.path().join("keys")).unwrap();
    let mqtt = "[sink.mqtt]\nhost = \"broker\"\ndevice = \"a\"\noutbox = { dir = \"outbox\" }\n";
    let stream = "rtsp://camera.local/live";
    let hook = "[sink.webhook]\nurl = \"https://example.org\"\ndir = \"hook\"\nsecret_file = ";
    let page = "[page]\nlisten = \"127.0.0.1:0\"\n";
    for (check, uri, more, file) in [
        (
            "source",
            stream,
            "source.credentials_file = \"login\"\n".to_owned(),
            "login",
        ),
        (
            "mqtt",
            "a.pgm",
            format!("{mqtt}credentials_file = \"login\"\n"),
            "login",
        ),
        ("mqtt", "a.pgm", format!("{mqtt}tls = {{ ca_file = \"ca\" }}\n"), "ca"),
        (
            "mqtt",
            "a.pgm",
            format!("{mqtt}tls = {{ cert_file = \"cert\", key_file = \"key\" }}\n"),
            "key",
        ),
        ("webhook", "a.pgm", format!("{hook}\"secret\"\n"), "secret"),
        (
            "webhook",
            "a.pgm",
            format!("{hook}\"secret\"\nca_file = \"ca\"\n"),
            "ca",
        ),
        ("page", "a.pgm", format!("{page}token_file = \"token\"\n"), "token"),
        (
            "page",
            "a.pgm",
            format!("{page}tls = {{ cert_file = \"cert\", key_file = \"key\" }}\n"),
            "key",
        ),
        (
            "keys",
            "a.pgm",
            "[update]\nstate = \"state\"\nkeys = \"keys\"\n".to_owned(),
            "keys/root.pub",
        ),
        (
            "update",
            "a.pgm",
            "[update]\nstate = \"state\"\nca_file = \"ca\"\n".to_owned(),
            "ca",
        ),
    ] {
        for mode in [0o666, 0o600] {
            let path = dir.path().join(file);
            fs::write(&path, "user\npassword of twenty-four bytes\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let found = findings(dir.path(), uri, &more);
            let said = |found: &Finding| found.check == check && found.found.contains("can be changed by other users");
            let config = Config::load(&dir.path().join("c.toml")).unwrap();
            let root = rustix::process::geteuid().is_root();
            let expected = (mode == 0o666 && root).then(|| path.clone());
            assert_eq!(found.iter().any(said), mode == 0o666, "{more}: {found:?}");
            assert_eq!(untrusted_as_root(&config), expected, "{more}");
        }
        fs::remove_file(dir.path().join(file)).unwrap();
    }
}

#[test]
fn a_directory_of_state_that_others_can_change_is_found_and_root_refuses_it() {
    use std::os::unix::fs::PermissionsExt;

    let dir = dir();
    let hook = "[sink.webhook]\nurl = \"http://a/\"\nsecret_file = \"login\"\ndir = \"kept\"\n";
    let mqtt = "[sink.mqtt]\nhost = \"broker\"\ndevice = \"a\"\noutbox = { dir = \"kept\" }\n";
    fs::create_dir(dir.path().join("kept")).unwrap();
    fs::write(dir.path().join("kept/file"), "").unwrap();
    for (check, more) in [
        ("state", "state = \"kept\"\n"),
        ("outbox", mqtt),
        ("webhook outbox", hook),
        ("counts", "[counts]\ndir = \"kept\"\n"),
        ("update", "[update]\nstate = \"kept\"\n"),
    ] {
        for (name, open, closed) in [("kept", 0o777, 0o755), ("kept/file", 0o666, 0o644)] {
            for mode in [open, closed] {
                let path = dir.path().join(name);
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
                let found = findings(dir.path(), "a.pgm", more);
                let said = |found: &Finding| {
                    found.check == check && found.found.contains(&format!("{name} can be changed by other users"))
                };
                assert_eq!(found.iter().any(said), mode == open, "{more}: {found:?}");
                let config = Config::load(&dir.path().join("c.toml")).unwrap();
                let root = rustix::process::geteuid().is_root();
                assert_eq!(
                    untrusted_as_root(&config),
                    (mode == open && root).then_some(path),
                    "{more}"
                );
            }
        }
    }
}

#[test]
fn a_state_of_updates_that_cannot_be_used_is_found() {
    let dir = dir();
    let update = "[update]\nstate = \"state\"\n";
    fs::write(dir.path().join("state"), "a file").unwrap();
    let found = wrong(&findings(dir.path(), "a.pgm", update), "update");
    assert!(
        found.contains("is no directory") && found.contains("`update.state`"),
        "{found}"
    );
    fs::remove_file(dir.path().join("state")).unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    for damaged in ["", "{", "{\"schema\": 99}"] {
        fs::write(dir.path().join("state/record.json"), damaged).unwrap();
        let found = wrong(&findings(dir.path(), "a.pgm", update), "update");
        assert!(
            found.contains("record.json") && found.contains("sets it aside"),
            "{found}"
        );
    }
}

#[test]
fn root_writes_to_no_directory_that_a_link_of_another_user_leads_to() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("links of another user: only root can make them");
    }
    let dir = dir();
    fs::create_dir(dir.path().join("treasure")).unwrap();
    let link = dir.path().join("service");
    std::os::unix::fs::symlink("treasure", &link).unwrap();
    let text = "schema = 1\nbundle = \"bundle\"\nsource.uri = \"a.pgm\"\ncounts.dir = \"service/counts\"\n";
    fs::write(dir.path().join("c.toml"), text).unwrap();
    let config = Config::load(&dir.path().join("c.toml")).unwrap();
    assert_eq!(untrusted_as_root(&config), None, "links of root's are followed");
    std::os::unix::fs::lchown(&link, Some(61_234), None).unwrap();
    assert_eq!(untrusted_as_root(&config), Some(link));
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

#[test]
fn every_check_that_can_be_told_is_in_the_table_of_the_documents() {
    let chapter = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/troubleshooting.md");
    let text = std::fs::read_to_string(chapter).unwrap();
    let table = text.split("| check |").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = table.lines().filter_map(|row| row.split('|').nth(1));
    let listed: Vec<&str> = names.flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    let missing: Vec<_> = CHECKS.iter().filter(|check| !listed.contains(check)).collect();
    let unknown: Vec<_> = listed.iter().filter(|name| !CHECKS.contains(name)).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{missing:?} are missing, {unknown:?} unknown"
    );
}
