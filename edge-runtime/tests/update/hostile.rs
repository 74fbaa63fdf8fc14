//! Root brings in an update where the service has put links in place of whatever root is going to touch.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use super::kiosk::Kiosk;

/// Whom the state belongs to.
const SERVICE: u32 = 61_234;

/// Every name in the state that an update reads, writes, makes or removes.
const NAMES: [&str; 9] = [
    "record.json",
    ".new-record.json",
    "record.json.damaged",
    "lock",
    "record.lock",
    "bundles",
    "bundles/.incoming",
    "bundles/.incoming/manifest.json",
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
    let _ = fs::remove_dir_all(&state);
    let link = state.join(name);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(kiosk.path(target), &link).unwrap();
    give(&state);
}

#[test]
fn root_touches_nothing_that_links_of_the_service_lead_to() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can be fooled");
        return;
    }
    let kiosk = Kiosk::new();
    let archive = kiosk.archive(2, |_| ());
    treasure(&kiosk);
    for name in NAMES {
        for target in ["treasure", "treasure/file", "treasure/new", "treasure/new/dir"] {
            hostile(&kiosk, name, target);
            let output = kiosk.update(&archive);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(is_untouched(&kiosk), "{name} -> {target}: {said}");
            assert!(!kiosk.path("treasure/new").exists(), "{name} -> {target}: {said}");
        }
    }
}

#[test]
fn what_root_brings_in_belongs_to_the_service() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give itself up");
        return;
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
