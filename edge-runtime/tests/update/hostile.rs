//! Root brings in an update where the service has put links in place of whatever root is going to touch.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use super::kiosk::{Kiosk, edit_manifest};
use update::{Event, Store};

/// Whom the state belongs to.
const SERVICE: u32 = 61_234;

/// Every name in the state that an update reads, writes, makes or removes.
const NAMES: [&str; 12] = [
    "record.json",
    ".new-record.json",
    "record.json.damaged",
    "lock",
    "record.lock",
    "bundles",
    "bundles/.incoming",
    "bundles/.incoming/manifest.json",
    "bundles/.incoming/update.json",
    "bundles/.incoming/update.json.minisig",
    ".",
    "bundles/stale",
];

/// What root owns: a directory with a file.
fn treasure(kiosk: &Kiosk) {
    let dir = kiosk.path("treasure");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("file"), "precious").unwrap();
}

fn is_untouched(kiosk: &Kiosk) -> bool {
    let dir = kiosk.path("treasure");
    let names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    let file = dir.join("file");
    let owner = fs::metadata(&file).unwrap().uid();
    names == ["file"] && fs::read_to_string(&file).unwrap() == "precious" && owner == 0
}

fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(SERVICE), Some(SERVICE)).unwrap();
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).unwrap() {
            give(&entry.unwrap().path());
        }
    }
}

/// A state of the service's with a link of this name to something of root's.
fn hostile(kiosk: &Kiosk, name: &str, target: &str) {
    let state = kiosk.path("state");
    clear(kiosk, "state");
    let link = if name == "." { state.clone() } else { state.join(name) };
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(kiosk.path(target), &link).unwrap();
    give(&state);
}

/// Removes a directory, or a link in its place.
fn clear(kiosk: &Kiosk, name: &str) {
    let path = kiosk.path(name);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
}

/// The directory of the slot that an archive goes into, below the state.
fn slot(kiosk: &Kiosk, archive: &Path) -> String {
    assert!(kiosk.update(archive).status.success());
    let state = kiosk.path("state");
    let slot = Store::slot(&state, &kiosk.state().trial.unwrap().slot.id);
    slot.strip_prefix(&state).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn root_touches_nothing_that_links_of_the_service_lead_to() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    treasure(&kiosk);
    let slot = slot(&kiosk, &archive);
    let in_slot = ["manifest.json", "update.json", "update.json.minisig"].map(|file| format!("{slot}/{file}"));
    let names = NAMES.map(str::to_owned).into_iter().chain([slot]).chain(in_slot);
    for name in names {
        for target in ["treasure", "treasure/file", "treasure/new", "treasure/new/dir"] {
            hostile(&kiosk, &name, target);
            let output = kiosk.update(&archive);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(is_untouched(&kiosk), "{name} -> {target}: {said}");
            assert!(!kiosk.path("treasure/new").exists(), "{name} -> {target}: {said}");
        }
    }
}

/// Keeps bundles in another directory.
fn keep_in(kiosk: &Kiosk, state: &str) {
    let text = fs::read_to_string(kiosk.path("config.toml")).unwrap();
    let text = text.replace("state = \"state\"", &format!("state = \"{state}\""));
    fs::write(kiosk.path("config.toml"), text).unwrap();
}

#[test]
fn root_goes_no_way_to_the_state_that_a_link_of_the_service_leads() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    treasure(&kiosk);
    for (state, link, said) in [
        // In a directory of root's, such as /tmp, where others have put a link.
        ("way", "way", "a link of user"),
        ("way/state", "way", "a link of user"),
        ("way/a/state", "way", "a link of user"),
        // In a directory of the service's, where it may put what it likes.
        ("home/way", "home/way", "./way"),
        ("home/way/a/state", "home/way", "./way"),
    ] {
        keep_in(&kiosk, state);
        for target in ["treasure", "treasure/new"] {
            clear(&kiosk, "way");
            clear(&kiosk, "home");
            fs::create_dir(kiosk.path("home")).unwrap();
            symlink(kiosk.path(target), kiosk.path(link)).unwrap();
            give(&kiosk.path(link));
            give(&kiosk.path("home"));
            let output = kiosk.update(&archive);
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success(), "{state}: {told}");
            assert!(told.contains(said), "{state} -> {target}: {told}");
            assert!(is_untouched(&kiosk), "{state} -> {target}: {told}");
        }
        kiosk.configure("");
    }
    // A link of root's own is a way like any other: systemd makes one.
    clear(&kiosk, "way");
    fs::create_dir(kiosk.path("private")).unwrap();
    give(&kiosk.path("private"));
    symlink("private", kiosk.path("way")).unwrap();
    keep_in(&kiosk, "way/state");
    let output = kiosk.update(&archive);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = fs::metadata(kiosk.path("private/state/record.json")).unwrap();
    assert_eq!(made.uid(), SERVICE);
}

#[test]
fn the_status_tells_nothing_that_only_root_may_read() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let kiosk = Kiosk::new();
    let status = || kiosk.program("update").arg("--status").output().unwrap();
    // Nothing is made for a look.
    assert!(status().status.success() && !kiosk.path("state").exists());
    assert!(kiosk.update(&kiosk.archive(7, |_| ())).status.success());
    let own = status();
    assert!(String::from_utf8_lossy(&own.stdout).contains('7'), "{own:?}");
    let secret = kiosk.path("secret");
    fs::rename(kiosk.path("state"), &secret).unwrap();
    for file in [&secret.join("record.json"), &secret] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o700)).unwrap();
    }
    for (name, target) in [("record.json", "secret/record.json"), (".", "secret")] {
        hostile(&kiosk, name, target);
        let output = status();
        let (said, why) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(!output.status.success() && !said.contains('7'), "{name}: {said}{why}");
    }
    // What the service may read is told.
    clear(&kiosk, "state");
    fs::rename(&secret, kiosk.path("state")).unwrap();
    give(&kiosk.path("state"));
    assert_eq!(status().stdout, own.stdout);
}

#[test]
fn a_run_of_roots_follows_no_link_in_place_of_the_record() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let kiosk = Kiosk::new();
    kiosk.configure("");
    fs::write(kiosk.path("secret"), "\"the word that only root may read\"").unwrap();
    hostile(&kiosk, "record.json", "secret");
    let mut run = kiosk.program("run").stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    for line in BufReader::new(run.stderr.take().unwrap()).lines().map_while(Result::ok) {
        told.push_str(&line);
        told.push('\n');
        if line.contains("put aside") {
            break;
        }
    }
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(told.contains("it is a link") && !told.contains("the word"), "{told}");
}

/// What `doctor` says of updates and classes, and `check-config --deep` of everything.
fn looks(kiosk: &Kiosk) -> String {
    let mut deep = Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
    deep.args(["check-config", "--deep"]).arg(kiosk.path("config.toml"));
    let (doctor, deep) = (kiosk.program("doctor").output().unwrap(), deep.output().unwrap());
    let findings = String::from_utf8(doctor.stdout).unwrap();
    let of = |line: &&str| ["\"update\"", "\"classes\""].iter().any(|check| line.contains(check));
    let findings: Vec<&str> = findings.lines().filter(of).collect();
    format!("{}\n{}", findings.join("\n"), String::from_utf8_lossy(&deep.stderr))
}

#[test]
fn the_doctor_and_the_deep_check_tell_nothing_that_only_root_may_read() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can be fooled");
    }
    let kiosk = Kiosk::new();
    // The names of the bundle's classes are told, since this is none of them.
    kiosk.configure("[sink.gpio]\nbackend = \"log\"\nlines = [{ pin = 17, emotion = \"Bored\" }]\n");
    kiosk.install_blindly(&kiosk.archive(7, |dir| {
        edit_manifest(dir, |manifest| manifest["classes"][0] = "Furious".into());
    }));
    let mut store = Store::system(&kiosk.path("state")).unwrap();
    store.apply(Event::Started).unwrap();
    store.apply(Event::Confirmed).unwrap();
    let current = kiosk.state().current.unwrap();
    let slot = Store::slot(Path::new(""), &current.id).display().to_string();
    let own = looks(&kiosk);
    assert!(
        own.contains("version 7 is installed") && own.matches("Furious").count() == 2,
        "{own}"
    );
    let secret = kiosk.path("secret");
    fs::rename(kiosk.path("state"), &secret).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
    for name in [".", "record.json", "bundles", &slot, &format!("{slot}/manifest.json")] {
        hostile(&kiosk, name, &format!("secret/{name}"));
        let record = kiosk.path("state/record.json");
        let reads_record = ![".", "record.json"].contains(&name);
        if reads_record {
            fs::copy(secret.join("record.json"), &record).unwrap();
            give(&record);
        }
        let said = looks(&kiosk);
        assert!(said.contains("Bored") && !said.contains("Furious"), "{name}: {said}");
        assert_eq!(said.contains("version 7"), reads_record, "{name}: {said}");
        // Names are those of the configuration, however root came there.
        assert!(!said.contains("/proc/"), "{name}: {said}");
    }
    // A pipe is not waited for.
    for name in ["record.json", &format!("{slot}/manifest.json")] {
        clear(&kiosk, "state");
        let pipe = kiosk.path("state").join(name);
        fs::create_dir_all(pipe.parent().unwrap()).unwrap();
        testing::pipe(&pipe);
        if name != "record.json" {
            fs::copy(secret.join("record.json"), kiosk.path("state/record.json")).unwrap();
        }
        give(&kiosk.path("state"));
        let said = looks(&kiosk);
        assert!(said.contains("Bored") && !said.contains("Furious"), "{name}: {said}");
    }
    // What the service may read is told.
    clear(&kiosk, "state");
    fs::rename(&secret, kiosk.path("state")).unwrap();
    give(&kiosk.path("state"));
    assert_eq!(looks(&kiosk), own);
}

#[test]
fn what_root_brings_in_belongs_to_the_service() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("only root can give itself up");
    }
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    fs::create_dir(kiosk.path("state")).unwrap();
    chown(kiosk.path("state"), Some(SERVICE), Some(SERVICE)).unwrap();
    let output = kiosk.update(&archive);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(kiosk.state().trial.unwrap().slot.version, 2);
    let mut waiting = vec![kiosk.path("state")];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (SERVICE, SERVICE),
            "{}",
            path.display()
        );
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn a_pipe_in_place_of_an_archive_is_refused_and_not_waited_for() {
    let kiosk = Kiosk::new();
    let pipe = kiosk.path("update.tar");
    testing::pipe(&pipe);
    let output = kiosk.update(&pipe);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no regular file"), "{said}");
}

#[test]
fn a_damaged_record_is_put_aside_and_told_and_the_update_goes_on() {
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    for damaged in ["", "{", "{\"schema\": 99}", "\0\0\0"] {
        let _ = fs::remove_dir_all(kiosk.path("state"));
        fs::create_dir(kiosk.path("state")).unwrap();
        fs::write(kiosk.path("state/record.json"), damaged).unwrap();
        let output = kiosk.update(&archive);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("put aside as"), "{said}");
        assert_eq!(
            fs::read_to_string(kiosk.path("state/record.json.damaged")).unwrap(),
            damaged
        );
        assert_eq!(kiosk.state().trial.unwrap().slot.version, 2);
    }
}
