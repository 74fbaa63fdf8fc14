//! Inputs of people whose kiosk or training failed, as they lie beside the project.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::programs::{Ran, program, root, run};

/// A copy of all inputs, whose configurations name the default bundle; says so where there are none.
fn faults() -> Option<tempfile::TempDir> {
    let from = root().join("../shared/faults");
    if !from.is_dir() {
        testing::skip_faces(&format!("there is no {}", from.display()));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    copy(&from, folder.path());
    Some(folder)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (from, to) = {
            let name = entry.unwrap().file_name();
            (from.join(&name), to.join(&name))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else if from.extension() == Some(OsStr::new("toml")) {
            let text = fs::read_to_string(&from).unwrap();
            fs::write(&to, text.replace("$BUNDLE", bundle().to_str().unwrap())).unwrap();
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn bundle() -> PathBuf {
    root().join("edge-runtime/models/default")
}

/// The table that the inputs' own script writes: of a kind, so many rows, in a variant.
fn rows(faults: &Path, kind: &str, count: usize, variant: &str) -> PathBuf {
    let script = faults.join("rows.py");
    let output = Command::new("python3")
        .arg(script)
        .args([kind, &count.to_string(), variant])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let table = faults.join(format!("{kind}-{variant}.csv"));
    fs::write(&table, output.stdout).unwrap();
    table
}

fn classify(input: impl AsRef<OsStr>) -> Ran {
    let mut command = program("edge-runtime");
    command.args(["classify", "--face", "whole", "--bundle"]).arg(bundle());
    run(command.arg(input), 0)
}

fn evaluate(task: &str, part: &str, data: &Path, code: i32) -> Ran {
    let mut command = program("host-trainer");
    command
        .arg("evaluate")
        .arg("--bundle")
        .arg(bundle())
        .args(["--task", task, "--part", part, "--data"]);
    run(command.arg(data), code)
}

fn train(task: &str, data: &Path, more: &[&str], code: i32) -> Ran {
    let mut command = program("host-trainer");
    command
        .args(["train", task, "--epochs", "1", "--out"])
        .arg(data.with_extension("run"));
    run(command.arg("--data").arg(data).args(more), code)
}

#[test]
fn pictures_and_films_of_every_reporter_are_read_or_named() {
    let Some(folder) = faults() else { return };
    let at = |name: &str| folder.path().join(name);
    let photos = classify(at("directory-skips/photos"));
    assert_eq!(photos.lines().len(), 5);
    for named in [
        "4 files left out",
        "._a.jpg (macOS",
        "a.heic (HEIC",
        "a.tif (TIFF",
        "sub/ (a directory",
    ] {
        assert!(photos.errors.contains(named), "{named}: {}", photos.errors);
    }
    assert_eq!(classify(at("mjpeg-file-one-frame/five-frames.mjpeg")).lines().len(), 5);
    let scores = ["with-dht.jpg", "nodht-avi1.jpg", "nodht-jfif.jpg"]
        .map(|name| classify(at("mjpeg-no-dht").join(name)).lines()[0]["scores"].clone());
    assert!(scores.iter().all(|own| *own == scores[0]), "{scores:?}");
    let odd = at("non-utf8-argument").join(OsStr::from_bytes(b"caf\xe9.jpg"));
    fs::copy(at("mjpeg-no-dht/with-dht.jpg"), &odd).unwrap();
    assert_eq!(classify(odd).lines().len(), 1);
}

#[test]
fn configurations_of_every_reporter_are_refused_with_the_cure_before_a_kiosk_starts() {
    let Some(folder) = faults() else { return };
    let at = |name: &str| folder.path().join(name);
    let check = |config: &Path, code| run(program("edge-runtime").arg("check-config").arg(config), code).errors;
    let errors = check(&at("broker-host-with-port/c.toml"), 78);
    assert!(
        errors.contains("write host = \"127.0.0.1\" and port = 1883"),
        "{errors}"
    );
    let rtsp = at("source-scheme/rtsp.toml");
    check(&rtsp, 0);
    for (uri, cure) in [
        ("libcamera:", "rpicam:"),
        ("/dev/video0", "v4l2:/dev/video0"),
        ("clip.mp4", "ffmpeg -i IN"),
    ] {
        let text = fs::read_to_string(&rtsp)
            .unwrap()
            .replace("rtsp://cam.example/stream", uri);
        fs::write(at("other.toml"), text).unwrap();
        let errors = check(&at("other.toml"), 78);
        assert!(errors.contains(cure), "{errors}");
    }
    let doctor = run(
        program("edge-runtime")
            .args(["doctor", "--config"])
            .arg(at("doctor-misses-start-errors/d.toml")),
        69,
    );
    let outbox = doctor
        .lines()
        .into_iter()
        .find(|line| line["check"] == "outbox")
        .unwrap();
    assert_eq!(outbox["ok"], false, "{outbox}");
    // A mark of Windows' editor before the user name is none of it.
    let login = at("login");
    fs::write(&login, "\u{feff}user\r\npass\r\n").unwrap();
    let text = format!(
        "schema = 1\nbundle = '{}'\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = 9\ndevice = \"k\"\n\
         credentials_file = '{}'\n",
        bundle().display(),
        login.display()
    );
    fs::write(at("other.toml"), text).unwrap();
    let doctor = run(
        program("edge-runtime")
            .args(["doctor", "--config"])
            .arg(at("other.toml")),
        69,
    );
    let mqtt = doctor.lines().into_iter().find(|line| line["check"] == "mqtt").unwrap();
    assert_eq!(mqtt["ok"], true, "{mqtt}");
}

#[test]
fn kiosks_of_every_reporter_go_on_and_keep_their_logs_short() {
    let Some(folder) = faults() else { return };
    let at = |name: &str| folder.path().join(name);
    // Frames without Huffman tables are no bad frames, whoever reads what is said of them.
    let one = fs::read(at("mjpeg-no-dht/nodht-jfif.jpg")).unwrap();
    fs::write(at("stream"), one.repeat(60)).unwrap();
    let ran = |config: &str, input: Stdio, errors: Stdio| {
        let mut command = program("edge-runtime");
        let command = command.args(["run", "--config"]).arg(at(config));
        command.stdin(input).stderr(errors).output().unwrap()
    };
    let stream = || fs::File::open(at("stream")).unwrap().into();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let told = ran("mjpeg-no-dht/stream.toml", stream(), Stdio::piped());
    let untold = ran("mjpeg-no-dht/stream.toml", stream(), full.into());
    for output in [&told, &untold] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let errors = String::from_utf8_lossy(&told.stderr);
    assert!(
        errors.contains("bad 0,") && !errors.contains("frame skipped"),
        "{errors}"
    );
    // Bad frames, three hundred in a row, make one line and their number.
    fs::write(at("bad"), [&one[..one.len() / 2], &[0xff, 0xd9]].concat().repeat(300)).unwrap();
    let bad = ran(
        "mjpeg-no-dht/stream.toml",
        fs::File::open(at("bad")).unwrap().into(),
        Stdio::piped(),
    );
    let errors = String::from_utf8_lossy(&bad.stderr);
    assert!(errors.matches("frame skipped").count() <= 2, "{errors}");
}

#[test]
fn tables_of_every_reporter_are_read_or_refused_with_the_cause() {
    let Some(folder) = faults() else { return };
    let at = |name: &str| folder.path().join(name);
    if Command::new("python3").arg("--version").output().is_err() {
        return testing::skip("python3 is missing: no table is written as the reporters' were");
    }
    for table in ["csv-cause-not-named/f.csv.gz", "csv-cause-not-named/semicolon.csv"] {
        evaluate("emotion", "all", &at(table), 0);
    }
    let plain = fs::read_to_string(rows(folder.path(), "emotion", 7, "")).unwrap();
    let words = plain.encode_utf16();
    let utf_16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(words.flat_map(u16::to_le_bytes))
        .collect();
    for (name, bytes) in [
        ("tabs.csv", plain.replace(',', "\t").into_bytes()),
        ("sep.csv", format!("sep=,\n{plain}").into_bytes()),
        ("utf-16.csv", utf_16),
    ] {
        fs::write(at(name), bytes).unwrap();
        evaluate("emotion", "all", &at(name), 0);
    }
    fs::write(at("other.csv"), plain.replacen("emotion", "mood", 1)).unwrap();
    let errors = evaluate("emotion", "all", &at("other.csv"), 65).errors;
    assert!(errors.contains("in the header (mood, pixels, Usage)"), "{errors}");
    for (table, part) in [("own.csv", "other"), ("own.csv", "all"), ("nousage.csv", "other")] {
        evaluate("emotion", part, &at("evaluate-own-test-set").join(table), 0);
    }
    evaluate("keypoints", "all", &at("evaluate-own-test-set/seven.csv"), 0);
    for (variant, code) in [
        ("NaN", 0),
        ("NA", 0),
        ("NULL", 0),
        ("minus1", 65),
        ("normalised", 65),
        ("centred", 65),
    ] {
        let ran = evaluate("keypoints", "all", &rows(folder.path(), "keypoints", 20, variant), code);
        assert!(
            code == 0 || ran.errors.contains("pixels") || ran.errors.contains("no place"),
            "{}",
            ran.errors
        );
    }
    for variant in ["name", "float"] {
        evaluate("emotion", "all", &rows(folder.path(), "emotion", 20, variant), 0);
    }
    for variant in ["onlyhappy", "nodisgust", "0to4"] {
        let errors = train("emotion", &rows(folder.path(), "emotion", 40, variant), &[], 65).errors;
        assert!(errors.contains("no training face is of class"), "{variant}: {errors}");
    }
    let table = rows(folder.path(), "emotion", 70, "train");
    train("emotion", &table, &["--batch", "16"], 0);
    let errors = train("emotion", &table, &["--batch", "8", "--resume"], 65).errors;
    assert!(errors.contains("`batch` is 16 in the run and 8 now"), "{errors}");
}
