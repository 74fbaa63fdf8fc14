//! Events that wait where no sink takes them any more: a restart reads only the directories that are configured.
//!
//! So the directory of state has a list of the directories in which events were kept, or names of the device. It is written
//! by who runs, and read by who looks for what is wrong.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use durable::outbox::Outbox;
use durable::{Disk, SystemDisk};
use rustix::process::geteuid;

use crate::config::Config;
use crate::owner::as_owner;
use crate::sink::settings::NAMES;

/// Name of the list, one directory a line.
const FILE: &str = "outboxes";

/// Most bytes of the list.
const MAX_BYTES: u64 = 64 * 1024;

/// Most directories that are kept in mind besides those of the configuration: the oldest are forgotten.
const MAX_FORMER: usize = 16;

/// A directory that is configured no more, and what waits in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// The directory, from the root on.
    pub dir: PathBuf,
    /// Events that wait in it, at least one.
    pub events: u64,
}

impl LeftBehind {
    /// What is wrong, in words.
    pub fn found(&self) -> String {
        let (dir, events) = (self.dir.display(), self.events);
        format!("{dir}: events that nobody sends wait there, {events} in number")
    }
}

/// What to do with events that were left behind.
pub const CURE: &str =
    "name that directory again, start, then change it and reload, which takes events along; or remove it";

/// What waits in the directories of earlier configurations; nothing is changed. A directory that somebody holds is in use.
pub fn look(config: &Config) -> Vec<LeftBehind> {
    let own = own(config);
    let look = |state: &Path| waiting(&read(state), &own);
    as_owner(&config.state, look).unwrap_or_default()
}

/// The directories of earlier configurations that nobody holds, the oldest first, as far as this user has noted them itself.
///
/// A list of somebody else's leads root nowhere.
pub fn former(config: &Config) -> Vec<PathBuf> {
    let is_own = fs::symlink_metadata(config.state.join(FILE)).is_ok_and(|list| list.uid() == geteuid().as_raw());
    let mut former = if is_own { read(&config.state) } else { Vec::new() };
    let own = own(config);
    former.retain(|dir| !is_held(dir) && !own.iter().any(|own| is_same(own, dir)));
    former
}

/// As [`look`], and notes the directories of this configuration. Where there is no directory of state nothing is noted.
pub fn note(config: &Config) -> Vec<LeftBehind> {
    let own = own(config);
    let note = |state: &Path| {
        let known = read(state);
        let left = waiting(&known, &own);
        let is_left = |dir: &PathBuf| left.iter().any(|left| left.dir == *dir);
        let mut noted = known.clone();
        noted.retain(|dir| !own.contains(dir) && (is_held(dir) || is_left(dir) || dir.join(NAMES).is_file()));
        noted.drain(..noted.len().saturating_sub(MAX_FORMER));
        noted.extend(own.iter().cloned());
        if noted != known {
            // Events that cannot be noted are only not told of.
            let _ = write(state, &noted);
        }
        left
    };
    as_owner(&config.state, note).unwrap_or_default()
}

/// The directories of the configuration, from the root on; not those whose names are no line.
fn own(config: &Config) -> Vec<PathBuf> {
    let mqtt = config.sink.mqtt.as_ref().map(|mqtt| &mqtt.outbox.dir);
    let webhook = config.sink.webhook.as_ref().map(|webhook| &webhook.outbox.dir);
    let dirs = [mqtt, webhook].into_iter().flatten();
    dirs.filter_map(|dir| std::path::absolute(dir).ok())
        .filter(|dir| dir.to_str().is_some_and(|name| !name.contains('\n')))
        .collect()
}

fn waiting(known: &[PathBuf], own: &[PathBuf]) -> Vec<LeftBehind> {
    let others = known
        .iter()
        .filter(|dir| !is_held(dir) && !own.iter().any(|own| is_same(own, dir)));
    others
        .filter_map(|dir| {
            let events = Outbox::waiting(dir).ok().filter(|events| *events > 0)?;
            let dir = dir.clone();
            Some(LeftBehind { dir, events })
        })
        .collect()
}

fn is_held(dir: &Path) -> bool {
    Outbox::holder(dir).is_some()
}

/// Whether two paths lead to one directory.
fn is_same(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| {
        fs::metadata(path)
            .map(|metadata: Metadata| (metadata.dev(), metadata.ino()))
            .ok()
    };
    one == other || id(one).is_some_and(|one| id(other) == Some(one))
}

fn read(state: &Path) -> Vec<PathBuf> {
    let text = SystemDisk::default()
        .read(&state.join(FILE), MAX_BYTES)
        .unwrap_or_default();
    let text = String::from_utf8(text).unwrap_or_default();
    let dirs = text.lines().map(PathBuf::from).filter(|dir| dir.is_absolute());
    dirs.take(2 * MAX_FORMER).collect()
}

fn write(state: &Path, dirs: &[PathBuf]) -> std::io::Result<()> {
    let lines: Vec<String> = dirs.iter().map(|dir| format!("{}\n", dir.display())).collect();
    if lines.is_empty() {
        return SystemDisk::default().remove(&state.join(FILE));
    }
    durable::replace_file(&state.join(FILE), lines.concat().as_bytes())
}

#[cfg(test)]
mod tests {
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
}
