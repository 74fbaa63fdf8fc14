//! Files of names that somebody has damaged, exchanged or chosen, and disks that take none.

use std::fs;
use std::os::unix::fs::{chown, lchown, symlink};
use std::process::Command;

use durable::power::{PowerDisk, every_cut, every_full_disk};

use super::*;

/// Somebody who is neither root nor anybody else here.
const SERVICE: Option<u32> = Some(61_234);

/// Puts something in the place of a file of names.
type Place = fn(&Path);

fn ours(dir: &Path, before: &[PathBuf]) -> Vec<String> {
    let identity = Identity::note(dir, before, "own", "ha");
    former(&identity).into_iter().map(str::to_owned).collect()
}

#[test]
fn whatever_takes_the_place_of_names_nobody_elses_are_read_and_nothing_is_waited_for() {
    let places: [(&str, Place); 21] = [
        ("a pipe", |file| testing::pipe(file)),
        ("a device without an end", |file| symlink("/dev/zero", file).unwrap()),
        ("a link in a circle", |file| symlink(file, file).unwrap()),
        ("a link to names of others", |file| {
            let theirs = file.with_file_name("theirs");
            fs::write(&theirs, "theirs ha\n").unwrap();
            symlink(theirs, file).unwrap();
        }),
        ("a directory", |file| fs::create_dir(file).unwrap()),
        ("its own memory", |file| symlink("/proc/self/mem", file).unwrap()),
        ("zeros", |file| fs::write(file, [0; 4096]).unwrap()),
        ("no text", |file| fs::write(file, b"\xff\xfe ha\n\xc3( ha\n").unwrap()),
        ("a hole of a terabyte", |file| {
            fs::File::create(file).unwrap().set_len(1 << 40).unwrap();
        }),
        ("a million names", |file| {
            fs::write(file, "a ha\n".repeat(1 << 20)).unwrap();
        }),
        ("a name of 64 KiB", |file| {
            fs::write(file, "a".repeat(1 << 16) + " ha\n").unwrap();
        }),
        ("a name of 65 letters", |file| {
            fs::write(file, "a".repeat(65) + " ha\n").unwrap();
        }),
        ("a topic of 300 levels", |file| {
            fs::write(file, format!("a {}\n", ["a"; 300].join("/"))).unwrap();
        }),
        ("a topic of 15 KiB", |file| {
            fs::write(file, format!("a {}\n", vec!["a".repeat(64); 230].join("/"))).unwrap();
        }),
        ("wildcards", |file| {
            fs::write(file, "# ha\n+ ha\na #\na +/x\na ha/#\n").unwrap();
        }),
        ("the broker's own topics", |file| {
            fs::write(file, "a $SYS\n$SYS ha\na $share/x\n").unwrap();
        }),
        ("levels that are empty", |file| {
            fs::write(file, "a \n ha\na /\na ha/\na /ha\na a//b\n").unwrap();
        }),
        ("levels that lead away", |file| {
            fs::write(file, "../b ha\na ../ha\n/etc ha\na /etc\n").unwrap();
        }),
        ("ends of lines", |file| {
            fs::write(file, "a\r ha\na\0 ha\na h\ra\n\r\n\n").unwrap();
        }),
        ("blanks and letters of others", |file| {
            fs::write(file, "a  ha\na\tha\n\u{430} ha\na\u{202e} ha\n").unwrap();
        }),
        ("itself a hundred times", |file| {
            fs::write(file, "own ha\n".repeat(100)).unwrap();
        }),
    ];
    let (place, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (what, put) in places {
        for (at, dir) in [("own", place.path().join(what)), ("former", other.path().join(what))] {
            fs::create_dir(&dir).unwrap();
            put(&dir.join(NAMES));
            let found = if at == "own" {
                ours(&dir, &[])
            } else {
                let own = dir.join("own");
                fs::create_dir(&own).unwrap();
                let found = ours(&own, std::slice::from_ref(&dir));
                assert_eq!(fs::read_to_string(own.join(NAMES)).unwrap(), "own ha\n", "{what}");
                found
            };
            assert_eq!(found, [""; 0], "{what}, in its {at} directory");
        }
    }
    assert_eq!(
        fs::read_to_string(place.path().join("a link to names of others/theirs")).unwrap(),
        "theirs ha\n"
    );
    // What could be read goes on being read beside what could not.
    let dir = place.path().join("mixed");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(NAMES), b"\xff ha\nold ha\n#/+ x\nold ha\nold ha\n").unwrap();
    assert_eq!(ours(&dir, &[]), ["old"]);
}

#[test]
fn of_a_thousand_names_the_newest_are_dealt_with_and_the_file_stays_short() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..1000).map(|number| format!("n{number} ha\n")).collect();
    fs::write(dir.path().join(NAMES), names.concat()).unwrap();
    let found = ours(dir.path(), &[]);
    let newest: Vec<String> = (984..1000).map(|number| format!("n{number}")).collect();
    assert_eq!(found, newest);
    let text = fs::read_to_string(dir.path().join(NAMES)).unwrap();
    assert_eq!(text.lines().count(), MAX_NAMES + 1);
}

#[test]
fn a_name_in_ten_former_directories_is_dealt_with_once_and_forgotten_in_all() {
    let place = tempfile::tempdir().unwrap();
    let dirs: Vec<PathBuf> = (0..10).map(|number| place.path().join(number.to_string())).collect();
    for (number, dir) in dirs.iter().enumerate() {
        fs::create_dir(dir).unwrap();
        Identity::note(dir, &[], "old", "ha");
        if number % 2 == 1 {
            Identity::note(dir, &[], &format!("n{number}"), "ha");
        }
    }
    let own = place.path().join("own");
    fs::create_dir(&own).unwrap();
    // The list names each twice, and itself.
    let before = [&dirs[..], &dirs[..], std::slice::from_ref(&own)].concat();
    let expected = ["old", "n1", "n3", "n5", "n7", "n9"];
    // One that is killed before the broker has confirmed knows them all at the next start.
    for _ in 0..2 {
        assert_eq!(ours(&own, &before), expected);
    }
    let mut identity = Identity::note(&own, &before, "own", "ha");
    // Meanwhile one of them vanishes, and another device notes its name in one.
    fs::remove_dir_all(&dirs[3]).unwrap();
    Identity::note(&dirs[5], &[], "other", "ha");
    identity.cleaned();
    let left: Vec<&PathBuf> = dirs.iter().filter(|dir| has_names(dir)).collect();
    assert_eq!(left, [&dirs[5]]);
    assert_eq!(ours(&own, &[]), [""; 0]);
}

#[test]
fn a_directory_that_another_kiosk_has_taken_keeps_its_names() {
    let (theirs, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    Identity::note(theirs.path(), &[], "theirs", "ha");
    let before = [theirs.path().to_path_buf()];
    let mut identity = Identity::note(own.path(), &before, "own", "ha");
    assert_eq!(former(&identity), ["theirs"]);
    let mut holder = Command::new("flock")
        .args(["--no-fork", "--exclusive"])
        .arg(theirs.path())
        .args(["sleep", "600"])
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while Outbox::holder(theirs.path()).is_none() {
        assert!(start.elapsed().as_secs() < 60, "nobody holds it");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    identity.cleaned();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert!(has_names(theirs.path()), "its next name would leave a ghost");
}

#[test]
fn another_name_of_the_own_directory_is_no_former_one() {
    let place = tempfile::tempdir().unwrap();
    let (own, link) = (place.path().join("own"), place.path().join("link"));
    fs::create_dir(&own).unwrap();
    symlink("own", &link).unwrap();
    Identity::note(&own, &[], "own", "ha");
    for before in [
        link,
        place.path().join("own/../own"),
        PathBuf::from(format!("/proc/self/root{}", own.display())),
    ] {
        assert_eq!(ours(&own, std::slice::from_ref(&before)), [""; 0]);
        assert!(has_names(&own), "{before:?}");
    }
}

#[test]
fn root_reads_removes_and_overwrites_no_names_of_another_user() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("files of another user: only root can make them");
    }
    let place = tempfile::tempdir().unwrap();
    let dir = |name: &str| {
        let dir = place.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        dir
    };
    // In the directory of its own outbox, which may be the service's.
    let (own, new) = (dir("own"), dir("new"));
    fs::write(own.join(NAMES), "victim ha\n").unwrap();
    chown(own.join(NAMES), SERVICE, None).unwrap();
    chown(&own, SERVICE, None).unwrap();
    let mut identity = Identity::note(&own, &[], "own", "ha");
    assert!(former(&identity).is_empty());
    identity.cleaned();
    assert_eq!(fs::read_to_string(own.join(NAMES)).unwrap(), "victim ha\n");
    // In a former one that is the service's, or on the way to which a link of the service's lies: root's own names as well.
    let (treasure, service) = (dir("treasure"), dir("service"));
    Identity::note(&treasure, &[], "treasure", "ha");
    symlink(&treasure, service.join("link")).unwrap();
    lchown(service.join("link"), SERVICE, None).unwrap();
    fs::create_dir(service.join("plain")).unwrap();
    fs::rename(treasure.join(NAMES), service.join("plain/names")).unwrap();
    chown(service.join("plain"), SERVICE, None).unwrap();
    Identity::note(&treasure, &[], "treasure", "ha");
    for before in ["link", "plain", "link/../treasure"] {
        let before = [service.join(before)];
        let mut identity = Identity::note(&new, &before, "own", "ha");
        assert!(former(&identity).is_empty(), "{before:?}");
        identity.cleaned();
    }
    assert!(has_names(&treasure) && has_names(&service.join("plain")));
    // The service takes what root has noted.
    assert_eq!(former(&Identity::note(&new, &[treasure], "own", "ha")), ["treasure"]);
}

const NEW: &str = "/new";
const OLD: &str = "/old";

/// A disk with two directories, in one of which a name is noted.
fn disk() -> PowerDisk {
    let mut disk = PowerDisk::default();
    for dir in [NEW, OLD] {
        disk.make_dir(Path::new(dir)).unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
    Identity::on(disk, Path::new(OLD), &[], "a", "ha").disk
}

/// A start under the name `b` with another directory.
fn start(disk: PowerDisk) -> Identity<PowerDisk> {
    Identity::on(disk, Path::new(NEW), &[Path::new(OLD)], "b", "ha")
}

#[test]
fn a_name_that_a_full_disk_took_no_note_of_is_noted_once_there_is_room() {
    let work = |disk: &mut PowerDisk| {
        let mut identity = start(disk.clone());
        let known = former(&identity) == ["a"];
        identity.cleaned();
        *disk = identity.disk.clone();
        (known, identity)
    };
    let mut full = 0;
    every_full_disk(&disk(), work, |(known, mut identity), disk| {
        // However little room there is, what is left at the broker is known.
        assert!(known);
        full += u32::from(!identity.noted);
        identity.disk = disk.clone();
        identity.keep();
        let mut disk = identity.disk;
        assert_eq!(
            names(&mut disk, &Path::new(NEW).join(NAMES)),
            [("b".to_owned(), "ha".to_owned())]
        );
        assert_eq!(names(&mut disk, &Path::new(OLD).join(NAMES)), []);
        assert_eq!(disk.list(Path::new(NEW)).unwrap(), [NAMES]);
    });
    assert!(full > 3, "{full}");
}

#[test]
fn wherever_the_power_fails_the_next_start_knows_what_is_left_at_the_broker() {
    // Before the broker has confirmed, and while that is noted.
    let mut lost = 0;
    every_cut(
        &disk(),
        20,
        |disk| *disk = start(disk.clone()).disk,
        |disk| lost += u32::from(former(&start(disk.clone())) != ["a"]),
    );
    assert_eq!(lost, 0);
    let confirmed = |disk: &mut PowerDisk| {
        let mut identity = start(disk.clone());
        identity.cleaned();
        *disk = identity.disk;
    };
    every_cut(&disk(), 20, confirmed, |disk| {
        let mut identity = start(disk.clone());
        identity.cleaned();
        let again = start(identity.disk);
        assert!(again.noted && former(&again).is_empty());
    });
}
