mod attacks;

use std::fs;

use durable::outbox::Limits;

use super::*;

const LIMITS: Limits = Limits {
    events: 100,
    bytes: 1 << 20,
};

/// A configuration whose state and outboxes lie in `dir`.
fn config(dir: &Path, outbox: &str) -> Config {
    let place = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "schema = 1\nstate = '{}'\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\ndevice = \"a\"\n\
         outbox = {{ dir = '{}' }}\n",
        place("state"),
        place(outbox)
    );
    Config::parse(&text).unwrap()
}

fn keep(dir: &Path, events: u64) {
    let mut outbox = Outbox::open(dir, LIMITS).unwrap();
    for event in 0..events {
        outbox.push(event.to_string().into_bytes()).unwrap();
    }
    outbox.sync();
}

#[test]
fn what_waits_in_a_directory_of_before_is_found_until_it_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("state")).unwrap();
    let (old, new) = (config(dir.path(), "old"), config(dir.path(), "new"));
    assert_eq!(note(&old), []);
    keep(&dir.path().join("old"), 3);
    assert_eq!(note(&old), []);
    let left = [LeftBehind {
        dir: dir.path().join("old"),
        events: 3,
    }];
    for _ in 0..2 {
        assert_eq!(look(&new), left);
        assert_eq!(note(&new), left);
    }
    // Who has it sends them.
    let taken = Outbox::open(&dir.path().join("old"), LIMITS).unwrap();
    assert_eq!((look(&new), note(&new)), (vec![], vec![]));
    drop(taken);
    assert_eq!(note(&new), left);
    // Another name of the same directory is no other directory.
    std::os::unix::fs::symlink("old", dir.path().join("link")).unwrap();
    assert_eq!(look(&config(dir.path(), "link")), []);
    assert_eq!(note(&old), []);
    fs::remove_dir_all(dir.path().join("old")).unwrap();
    assert_eq!(note(&new), []);
    assert_eq!(read(&dir.path().join("state")), [dir.path().join("new")]);
}

#[test]
fn a_list_that_is_damaged_or_foreign_names_nothing_and_ends_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), "new");
    // Without a directory of state nothing is noted.
    assert_eq!(note(&config), []);
    assert!(!dir.path().join("state").exists());
    fs::create_dir(dir.path().join("state")).unwrap();
    let list = dir.path().join("state").join(FILE);
    let secret = dir.path().join("secret");
    fs::write(&secret, format!("{}\n", dir.path().join("old").display())).unwrap();
    keep(&dir.path().join("old"), 1);
    for text in [
        &b"\xff\xfe"[..],
        b"old\n../old\n",
        b"/dev/zero\n/proc\n/\n",
        b"\0\n\n\n",
    ] {
        fs::write(&list, text).unwrap();
        assert_eq!(look(&config), [], "{text:?}");
    }
    fs::write(&list, "/no\n".repeat(1 << 20)).unwrap();
    assert_eq!(look(&config), []);
    fs::remove_file(&list).unwrap();
    std::os::unix::fs::symlink(&secret, &list).unwrap();
    assert_eq!(look(&config), []);
    fs::remove_file(&list).unwrap();
    testing::pipe(&list);
    assert_eq!((look(&config), note(&config)), (vec![], vec![]));
}
