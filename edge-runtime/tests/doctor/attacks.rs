//! Configurations and bundles of somebody who means harm: each is read or refused, at once, and nothing is touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::program::command;
use crate::update::kiosk::{copy_bundle, factory};

/// What the deep check says of a configuration, and its exit code: 0 or 78.
fn deep(dir: &Path, more: &str) -> (i32, String) {
    let bundle = concat!(env!("CARGO_MANIFEST_DIR"), "/models/default");
    let source = if more.contains("source.uri") {
        ""
    } else {
        "source.uri = \"-\"\n"
    };
    let bundle = if more.contains("bundle = ") {
        String::new()
    } else {
        format!("bundle = '{bundle}'\n")
    };
    fs::write(dir.join("c.toml"), format!("schema = 1\n{bundle}{source}{more}\n")).unwrap();
    let checked = command(&["check-config", "--deep", "c.toml"])
        .current_dir(dir)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    let code = checked.status.code().unwrap_or_else(|| panic!("{more}: {told}"));
    assert!(code == 0 || code == 78, "{more}: {code} {told}");
    assert!(
        !told.contains("panicked") && !told.contains('\u{1b}') && !told.contains('\u{202e}'),
        "{more}: {told}"
    );
    (code, told)
}

/// A directory with things that are no files of a configuration.
fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("plain"), "a file").unwrap();
    fs::write(path("secret"), "a secret of twenty-four bytes or more").unwrap();
    fs::write(path("huge"), "x".repeat(8 << 20)).unwrap();
    fs::create_dir(path("folder")).unwrap();
    testing::pipe(&path("pipe"));
    symlink("/dev/zero", path("endless")).unwrap();
    symlink("circle", path("circle")).unwrap();
    dir
}

#[test]
fn what_is_no_serial_port_is_refused_and_never_waited_for() {
    let dir = dir();
    for device in [
        "plain",
        "folder",
        "pipe",
        "endless",
        "circle",
        "nothing",
        "/dev/null",
        "/dev/full",
        "/proc/self/mem",
    ] {
        let (code, told) = deep(dir.path(), &format!("[sink.serial]\ndevice = \"{device}\""));
        assert_eq!(code, 78, "{device}: {told}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("plain")).unwrap(), "a file");
}

#[test]
fn targets_that_no_datagram_should_go_to_are_refused_or_harmless() {
    let dir = dir();
    for (target, refused) in [
        ("127.0.0.1:0", true),
        ("0.0.0.0:0", true),
        ("127.0.0.1:65536", true),
        ("localhost:8338", true),
        ("[::1]:8338%lo", true),
        ("127.0.0.1:8338/../x", true),
        ("127.0.0.1:8338\\n", true),
        ("", true),
        ("255.255.255.255:9", false),
        ("224.0.0.1:9", false),
    ] {
        for sink in ["osc", "udp"] {
            let (code, told) = deep(dir.path(), &format!("[sink.{sink}]\ntarget = \"{target}\""));
            assert!(code == 78 || !refused, "{sink} {target}: {told}");
        }
    }
}

#[test]
fn secrets_and_certificates_that_are_no_files_are_refused_whatever_they_are_for() {
    let dir = dir();
    let hook = "[sink.webhook]\nurl = \"https://a/\"\ndir = \"hooks\"\n";
    for name in ["folder", "pipe", "endless", "circle", "huge", "nothing"] {
        for more in [
            format!("{hook}secret_file = \"{name}\""),
            format!("{hook}secret_file = \"secret\"\nca_file = \"{name}\""),
            format!("[sink.mqtt]\nhost = \"a\"\ndevice = \"a\"\ncredentials_file = \"{name}\""),
            format!("[sink.mqtt]\nhost = \"a\"\ndevice = \"a\"\ntls = {{ ca_file = \"{name}\" }}"),
            format!("[page]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"{name}\""),
        ] {
            // The pages make a token where there is none.
            if more.starts_with("[page]") && name == "nothing" {
                continue;
            }
            let (code, told) = deep(dir.path(), &more);
            assert_eq!(code, 78, "{more}: {told}");
        }
    }
}

#[test]
fn addresses_that_would_be_more_than_an_address_are_refused() {
    let dir = dir();
    let mut passed = Vec::new();
    for uri in [
        "rtsp://camera/live\\nX: y",
        "rtsp://camera/\\u0000live",
        "rtsp://camera/live -f lavfi",
        "rtsp://",
        "rtsp://:554/",
        "rtsp://[::1/",
        "rtsp://camera:0x22a/",
        "file:///etc/passwd",
        "concat:/etc/passwd|/etc/shadow",
        "pipe:0",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "-i",
        "rpicam:--output=/etc/passwd",
        "v4l2:/dev/../etc/passwd",
        "v4l2:pipe",
        "",
    ] {
        let (code, told) = deep(dir.path(), &format!("source.uri = \"{uri}\""));
        passed.extend((code == 0).then(|| format!("{uri}: {told}")));
    }
    for url in [
        "javascript:alert(1)",
        "http://",
        "http://a b/",
        "http://[::1/",
        "https://a:99999/",
        "http://a/\\r\\nX: y",
        "ftp://a/",
        "//a/",
    ] {
        let (code, told) = deep(
            dir.path(),
            &format!("[sink.webhook]\nurl = \"{url}\"\nsecret_file = \"secret\"\ndir = \"hooks\""),
        );
        passed.extend((code == 0).then(|| format!("{url}: {told}")));
    }
    assert!(passed.is_empty(), "{passed:?}");
}

#[test]
fn triggers_and_counts_with_impossible_numbers_are_refused() {
    let dir = dir();
    let when = |more: &str| {
        format!("[sink.udp]\ntarget = \"127.0.0.1:9\"\n[[when]]\nname = \"a\"\nemotion = \"Happy\"\n{more}")
    };
    for more in [
        when("for_s = nan"),
        when("for_s = inf"),
        when("for_s = -0.1"),
        when("for_s = 1e308"),
        when("cooldown_s = 18446744073709551616"),
        when("confidence = 1.5"),
        when("between = \"24:00-25:00\""),
        when("unknown_key = 1"),
        "[counts]\ndir = \"counts\"\nkeep_days = -1".to_owned(),
        "[counts]\ndir = \"counts\"\nkeep_days = 9223372036854775807".to_owned(),
        "[counts]\ndir = \"counts\"\nkeep_days = 1e3".to_owned(),
        "[counts]\ndir = \"/proc/self/fd\"".to_owned(),
        "[counts]\ndir = \"plain/counts\"".to_owned(),
    ] {
        let (code, told) = deep(dir.path(), &more);
        assert_eq!(code, 78, "{more}: {told}");
    }
    // Ten thousand triggers are too many, or cost nothing but a moment.
    deep(
        dir.path(),
        &"[[when]]\nname = \"a\"\nemotion = \"Happy\"\n".repeat(10_000),
    );
}

#[test]
fn networks_that_are_no_files_or_only_a_part_of_one_are_refused_and_never_waited_for() {
    let place = tempfile::tempdir().unwrap();
    let mut passed = Vec::new();
    for name in [
        "emotion.onnx",
        "detector.onnx",
        "keypoints.onnx",
        "golden.json",
        "manifest.json",
    ] {
        for what in ["pipe", "folder", "endless", "empty", "half", "another"] {
            let bundle = place.path().join("bundle");
            let _ = fs::remove_dir_all(&bundle);
            copy_bundle(&factory(), &bundle);
            let path = bundle.join(name);
            let whole = fs::read(&path).unwrap();
            fs::remove_file(&path).unwrap();
            match what {
                "pipe" => testing::pipe(&path),
                "folder" => fs::create_dir(&path).unwrap(),
                "endless" => symlink("/dev/zero", &path).unwrap(),
                "empty" => fs::write(&path, "").unwrap(),
                "half" => fs::write(&path, &whole[..whole.len() / 2]).unwrap(),
                _ => fs::write(&path, [&whole[..], b"\n\0"].concat()).unwrap(),
            }
            let (code, told) = deep(place.path(), "bundle = \"bundle\"");
            passed.extend((code == 0).then(|| format!("{name} {what}: {told}")));
        }
    }
    assert!(passed.is_empty(), "{passed:?}");
}
