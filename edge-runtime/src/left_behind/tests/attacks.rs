//! Lists that somebody has damaged, exchanged or chosen.

use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::time::{Duration, Instant};

use super::*;

/// Puts something in the place of the list; the second is a directory in which three events wait, with a name of the device.
type Place = fn(&Path, &Path);

/// Somebody who is neither root nor anybody else here.
const SERVICE: Option<u32> = Some(61_234);

/// A directory with state, and one with events and names, `old`.
fn world() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["state", "new"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    keep(&dir.path().join("old"), 3);
    fs::write(dir.path().join("old").join(NAMES), "old ha\n").unwrap();
    let config = config(dir.path(), "new");
    (dir, config)
}

#[test]
fn whatever_takes_the_place_of_the_list_leads_nowhere_and_is_not_waited_for() {
    let places: [(&str, Place); 19] = [
        ("a device without an end", |list, _| symlink("/dev/zero", list).unwrap()),
        ("a link in a circle", |list, _| symlink(list, list).unwrap()),
        ("a directory", |list, _| fs::create_dir(list).unwrap()),
        ("a pipe", |list, _| testing::pipe(list)),
        ("a link to a list", |list, old| {
            let other = list.with_file_name("other");
            fs::write(&other, format!("{}\n", old.display())).unwrap();
            symlink(other, list).unwrap();
        }),
        ("its own memory", |list, _| symlink("/proc/self/mem", list).unwrap()),
        ("a hole of a terabyte", |list, _| {
            fs::File::create(list).unwrap().set_len(1 << 40).unwrap();
        }),
        ("zeros", |list, old| {
            fs::write(list, format!("\0{}\0\n", old.display())).unwrap();
        }),
        ("no text", |list, old| {
            fs::write(list, [old.as_os_str().as_encoded_bytes(), b"\n/\xff\xfe\n"].concat()).unwrap();
        }),
        ("more than it may hold", |list, old| {
            fs::write(list, format!("{}\n", old.display()).repeat(10_000)).unwrap();
        }),
        ("a line of 60 KiB", |list, _| {
            fs::write(list, format!("/{}\n", "a".repeat(60_000))).unwrap();
        }),
        ("ways that do not begin at the root", |list, _| {
            fs::write(list, "old\n./old\n../old\n~/old\n").unwrap();
        }),
        ("itself", |list, _| {
            fs::write(list, format!("{}\n", list.display())).unwrap();
        }),
        ("its own directory", |list, _| {
            fs::write(list, format!("{}\n", list.parent().unwrap().display())).unwrap();
        }),
        ("the system", |list, _| {
            fs::write(
                list,
                "/\n/etc\n/proc\n/proc/self\n/proc/self/fd\n/proc/1/root\n/dev\n/sys\n",
            )
            .unwrap();
        }),
        ("devices and pipes", |list, old| {
            testing::pipe(&old.with_file_name("pipe"));
            let pipe = old.with_file_name("pipe");
            fs::write(list, format!("/dev/zero\n/dev/full\n{0}\n{0}/x\n", pipe.display())).unwrap();
        }),
        ("directories that are links in a circle", |list, old| {
            let circle = old.with_file_name("circle");
            symlink(&circle, &circle).unwrap();
            fs::write(list, format!("{0}\n{0}/x\n", circle.display())).unwrap();
        }),
        ("another user's home", |list, _| {
            fs::write(list, "/root\n/home\n/var/lib/private\n").unwrap();
        }),
        ("the own outbox by other names", |list, old| {
            let (new, link) = (old.with_file_name("new"), old.with_file_name("link"));
            keep(&new, 2);
            fs::write(new.join(NAMES), "own ha\n").unwrap();
            symlink(&new, &link).unwrap();
            let (new, link) = (new.display(), link.display());
            fs::write(list, format!("{new}\n{link}\n{new}/../new\n/proc/self/root{new}\n")).unwrap();
        }),
    ];
    for (what, put) in places {
        let (dir, config) = world();
        put(&dir.path().join("state").join(FILE), &dir.path().join("old"));
        let start = Instant::now();
        for _ in 0..2 {
            assert_eq!(look(&config), [], "{what}");
            let names = former(&config).into_iter().filter(|dir| dir.join(NAMES).exists());
            assert_eq!(names.collect::<Vec<_>>(), [""; 0].map(PathBuf::from), "{what}");
            assert_eq!(note(&config), [], "{what}");
        }
        assert!(start.elapsed() < Duration::from_secs(5), "{what}");
        assert!(dir.path().join("old").join(NAMES).exists());
        // A list of its own is there again, unless a directory is in its place.
        let list = fs::read_to_string(dir.path().join("state").join(FILE));
        assert!(
            list.is_ok_and(|list| list.ends_with("/new\n")) || what == "a directory",
            "{what}"
        );
    }
}

#[test]
fn a_directory_that_is_named_again_and_again_is_told_and_taken_once() {
    let (dir, config) = world();
    let (old, link) = (dir.path().join("old"), dir.path().join("link"));
    symlink("old", &link).unwrap();
    let (old_name, link_name) = (old.display(), link.display());
    let lines = [
        format!("{old_name}\n").repeat(40),
        format!("{link_name}\n{old_name}/../old\n"),
    ]
    .concat();
    fs::write(dir.path().join("state").join(FILE), lines).unwrap();
    let events = 3;
    let expected = [LeftBehind {
        dir: old.clone(),
        events,
    }];
    assert_eq!(look(&config), expected);
    // The others are found behind it.
    assert_eq!(former(&config), [old, link, dir.path().join("old/../old")]);
    assert_eq!(note(&config), expected);
}

#[test]
fn thousands_of_directories_that_are_no_outboxes_cost_a_moment_and_are_forgotten() {
    let (dir, config) = world();
    let lines: Vec<String> = (0..4000).map(|number| format!("/no/{number}\n")).collect();
    let list = dir.path().join("state").join(FILE);
    fs::write(&list, lines.concat()).unwrap();
    let start = Instant::now();
    assert!(former(&config).len() <= 2 * MAX_FORMER);
    assert_eq!((look(&config), note(&config)), (vec![], vec![]));
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 1);
}

#[test]
fn directories_that_go_or_are_closed_meanwhile_end_nothing() {
    let (dir, config) = world();
    let (old, list) = (dir.path().join("old"), dir.path().join("state").join(FILE));
    fs::write(&list, format!("{}\n", old.display())).unwrap();
    assert_eq!(former(&config), std::slice::from_ref(&old));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o000)).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(look(&config).len(), usize::from(is_root));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_dir_all(&old).unwrap();
    assert_eq!(
        (look(&config), note(&config), former(&config)),
        (vec![], vec![], vec![])
    );
    // The directory of state itself, and a list that cannot be written.
    fs::remove_file(&list).unwrap();
    fs::create_dir(&list).unwrap();
    assert_eq!(note(&config), []);
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    assert_eq!((note(&config), former(&config)), (vec![], vec![]));
    assert!(!dir.path().join("state").exists());
}

#[test]
fn root_reads_no_list_that_others_could_have_put_there_and_goes_no_way_that_they_lead() {
    if !rustix::process::geteuid().is_root() {
        return testing::skip("files of another user: only root can make them");
    }
    let (dir, config) = world();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = |name: &str| dir.path().join(name);
    let (state, list, old) = (path("state"), path("state/outboxes"), path("old"));
    let write = |lines: &str| fs::write(&list, lines).unwrap();
    write(&format!("{}\n", old.display()));
    assert_eq!(former(&config), std::slice::from_ref(&old));
    // A list of the service's user.
    chown(&list, SERVICE, None).unwrap();
    assert_eq!(former(&config), [""; 0].map(PathBuf::from));
    note(&config);
    assert_eq!(former(&config), [""; 0].map(PathBuf::from), "root makes it its own");
    // A list of root's that the service's user has moved to its own directory.
    write(&format!("{}\n", old.display()));
    chown(&list, Some(0), None).unwrap();
    chown(&state, SERVICE, None).unwrap();
    assert_eq!(former(&config), [""; 0].map(PathBuf::from));
    chown(&state, Some(0), None).unwrap();
    assert_eq!(former(&config), std::slice::from_ref(&old));
    // A link of the service's user in place of the directory of state.
    fs::rename(&state, path("other")).unwrap();
    symlink("other", &state).unwrap();
    assert_eq!(
        former(&config),
        std::slice::from_ref(&old),
        "root's own link is followed"
    );
    lchown(&state, SERVICE, None).unwrap();
    assert_eq!(former(&config), [""; 0].map(PathBuf::from));
    fs::remove_file(&state).unwrap();
    fs::rename(path("other"), &state).unwrap();
    // Ways to a former directory that the service's user leads, or could.
    fs::create_dir(path("service")).unwrap();
    symlink(&old, path("service/link")).unwrap();
    chown(path("service"), SERVICE, None).unwrap();
    symlink(&old, path("link")).unwrap();
    lchown(path("link"), SERVICE, None).unwrap();
    // Only root sees what waits in there.
    fs::set_permissions(&old, fs::Permissions::from_mode(0o700)).unwrap();
    let ways = ["link", "service/link", "service", "service/../old"].map(path);
    write(&ways.map(|way| format!("{}\n", way.display())).concat());
    assert_eq!(former(&config), [""; 0].map(PathBuf::from));
    assert_eq!(look(&config), [], "what others lead to is not told");
    assert!(old.join(NAMES).exists());
}

#[test]
fn a_directory_is_noted_before_it_is_used_whatever_else_the_list_holds() {
    let (dir, config) = world();
    let (old, new) = (dir.path().join("old"), dir.path().join("new"));
    let list = dir.path().join("state").join(FILE);
    add(&config);
    assert_eq!(read(&dir.path().join("state")), std::slice::from_ref(&new));
    let lines: Vec<String> = (0..100).map(|number| format!("/no/{number}\n")).collect();
    for before in [format!("{}\n", old.display()), lines.concat()] {
        fs::write(&list, &before).unwrap();
        let known = read(&dir.path().join("state"));
        add(&config);
        let noted = read(&dir.path().join("state"));
        assert_eq!(noted.last(), Some(&new));
        let kept = known.iter().filter(|dir| noted.contains(dir)).count();
        assert!(kept == known.len() || (kept == 31 && known.len() == 32), "{noted:?}");
    }
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    add(&config);
    assert!(!dir.path().join("state").exists());
}
