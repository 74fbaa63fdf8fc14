use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::CWD;

use super::*;
use crate::power::{PowerDisk, every_cut, every_full_disk};

const FILE: &str = "/state/record";

#[test]
fn what_is_no_regular_file_is_an_error_and_never_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    for path in [pipe.as_path(), dir.path()] {
        let mut disk = SystemDisk::default();
        for error in [
            disk.read(path, 10).unwrap_err(),
            read_text(path).unwrap_err(),
            open_regular(path).unwrap_err(),
            disk.create(path).unwrap_err(),
            disk.append(path, b"x").unwrap_err(),
            disk.sync(path).unwrap_err(),
        ] {
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }
    // It can be replaced and removed like any other.
    replace(&mut SystemDisk::default(), &pipe, b"state").unwrap();
    assert_eq!(fs::read(&pipe).unwrap(), b"state");
}

/// Whoever owns the directory can exchange a file between the look at it and its opening.
#[test]
fn a_pipe_that_takes_the_place_of_a_file_meanwhile_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (file, other) = (dir.path().join("file"), dir.path().join("other"));
    fs::write(&file, "text").unwrap();
    let made = std::process::Command::new("mkfifo").arg(&other).status().unwrap();
    assert!(made.success());
    let over = Arc::new(AtomicBool::new(false));
    let exchange = {
        let (file, other, over) = (file.clone(), other, Arc::clone(&over));
        move || {
            while !over.load(Ordering::Relaxed) {
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(CWD, &file, CWD, &other, flags).unwrap();
            }
        }
    };
    let exchange = thread::spawn(exchange);
    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut found = [0, 0];
        for _ in 0..20_000 {
            let mut disk = SystemDisk::default();
            for read in [disk.read(&file, 10), disk.read_own(&file, 10), read_whole(&file, 10)] {
                match read {
                    Ok(text) => {
                        assert_eq!(text, b"text");
                        found[0] += 1;
                    }
                    Err(_) => found[1] += 1,
                }
            }
            drop(open_lock(&file));
        }
        done.send(found).unwrap();
    });
    let found = ended.recv_timeout(Duration::from_mins(2));
    over.store(true, Ordering::Relaxed);
    exchange.join().unwrap();
    let found = found.unwrap();
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
}

#[test]
fn what_another_user_has_put_there_is_no_file_of_ones_own() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else's file can be made; that of root's lies in every system.
        let passwd = Path::new("/etc/passwd");
        assert!(SystemDisk::default().read_own(passwd, 1 << 20).is_ok());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "text").unwrap();
    let mut disk = SystemDisk::default();
    assert_eq!(disk.read_own(&file, 4).unwrap(), b"text");
    assert_eq!(disk.read_own(&file, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    std::os::unix::fs::chown(&file, Some(61_234), None).unwrap();
    let error = disk.read_own(&file, 4).unwrap_err();
    assert!(
        error.kind() == io::ErrorKind::PermissionDenied && error.to_string().contains("user 61234"),
        "{error}"
    );
    assert_eq!(disk.read(&file, 4).unwrap(), b"text");
}

#[test]
fn no_link_is_followed_to_what_it_leads_to() {
    let dir = tempfile::tempdir().unwrap();
    let (treasure, link) = (dir.path().join("treasure"), dir.path().join("link"));
    fs::write(&treasure, "precious").unwrap();
    let lead = |link: &Path| std::os::unix::fs::symlink(&treasure, link).unwrap();
    let mut disk = SystemDisk::default();
    lead(&link);
    assert!(disk.append(&link, b"x").is_err() && open_lock(&link).is_err());
    let error = disk.read(&link, 100).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    disk.create(&link).unwrap();
    disk.append(&link, b"own").unwrap();
    assert_eq!(fs::read(&link).unwrap(), b"own");
    lead(&dir.path().join(".new-state"));
    replace(&mut disk, &dir.path().join("state"), b"new").unwrap();
    assert_eq!(fs::read(&treasure).unwrap(), b"precious");
    // What a lock holds stays.
    drop(open_lock(&treasure).unwrap());
    assert_eq!(fs::read(&treasure).unwrap(), b"precious");
}

fn holding(content: &[u8]) -> PowerDisk {
    let mut disk = PowerDisk::default();
    disk.make_dir(Path::new("/state")).unwrap();
    replace(&mut disk, Path::new(FILE), content).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn content(disk: &mut PowerDisk) -> Vec<u8> {
    disk.read(Path::new(FILE), 1000).unwrap()
}

#[test]
fn a_replaced_file_is_old_or_new_wherever_the_power_fails() {
    let (mut old, mut new) = (0, 0);
    every_cut(
        &holding(b"old"),
        20,
        |disk| drop(replace(disk, Path::new(FILE), b"newer")),
        |disk| match content(disk).as_slice() {
            b"old" => old += 1,
            b"newer" => new += 1,
            other => panic!("neither old nor new: {other:?}"),
        },
    );
    assert!(old > 0 && new > 0, "{old} {new}");
}

#[test]
fn without_syncs_the_same_cuts_do_break_files() {
    let careless = |disk: &mut PowerDisk| {
        let path = Path::new("/state/.new");
        let _ = (disk.create(path))
            .and_then(|()| disk.append(path, b"newer"))
            .and_then(|()| disk.rename(path, Path::new(FILE)));
    };
    let mut broken = 0;
    every_cut(&holding(b"old"), 20, careless, |disk| {
        let content = content(disk);
        broken += u32::from(content != b"old" && content != b"newer");
    });
    assert!(broken > 0);
}

#[test]
fn a_full_disk_leaves_the_old_content_and_says_so() {
    let (mut failures, mut done) = (0, 0);
    let work = |disk: &mut PowerDisk| replace(disk, Path::new(FILE), b"newer");
    every_full_disk(&holding(b"old"), work, |result, disk| {
        match result {
            Ok(()) => done += 1,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::StorageFull);
                failures += 1;
            }
        }
        let found = content(disk);
        assert!(found == b"newer" || found == b"old");
        replace(disk, Path::new(FILE), b"third").unwrap();
        assert_eq!(disk.list(Path::new("/state")).unwrap(), ["record"]);
    });
    assert_eq!((failures, done), (5, 1));
}

#[test]
fn the_machines_own_disk_does_each_operation() {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = SystemDisk::default();
    let (sub, file) = (dir.path().join("sub"), dir.path().join("sub/file"));
    disk.make_dir(&sub).unwrap();
    replace(&mut disk, &file, b"one").unwrap();
    disk.append(&file, b" two").unwrap();
    disk.sync(&file).unwrap();
    assert_eq!(disk.read(&file, 7).unwrap(), b"one two");
    assert!(disk.read(&file, 6).is_err());
    replace_file(&file, b"three").unwrap();
    assert_eq!(disk.read(&file, 7).unwrap(), b"three");
    disk.create(&file).unwrap();
    assert_eq!(disk.read(&file, 0).unwrap(), b"");
    assert_eq!(disk.list(&sub).unwrap(), ["file"]);
    assert!(disk.remove_dir(&sub).is_err());
    disk.remove(&file).unwrap();
    disk.remove_dir(&sub).unwrap();
    assert!(disk.list(&sub).is_err());
}
