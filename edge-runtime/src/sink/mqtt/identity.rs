//! Under which names the device has left messages at the broker that are kept there.
//!
//! A device that gets another name would leave a ghost: the broker keeps what it said under the old one. So the names are
//! noted beside the outbox before anything is said under them, and forgotten when the broker has confirmed that nothing is
//! left.

use std::io;
use std::path::{Path, PathBuf};

use durable::{Disk, SystemDisk};

use super::topics::Topics;
use crate::sink::settings::{NAMES, is_device_id};

/// Most bytes of the file.
const MAX_BYTES: u64 = 16 * 1024;

/// Most former names: the oldest are forgotten.
const MAX_NAMES: usize = 16;

/// The names of one device, each with the first level of Home Assistant's topics.
pub(super) struct Identity {
    file: PathBuf,
    /// Files of former directories whose names are in this one.
    elsewhere: Vec<PathBuf>,
    own: (String, String),
    former: Vec<(String, String)>,
}

impl Identity {
    /// Reads the names of earlier starts from a directory, and from those in whose place it comes, and notes the present one.
    ///
    /// What is noted elsewhere is left there until nothing is left at the broker, so that a start that fails forgets nothing.
    pub(super) fn note(dir: &Path, before: &[PathBuf], device: &str, prefix: &str) -> Self {
        let file = dir.join(NAMES);
        let elsewhere = before.iter().map(|before| before.join(NAMES)).filter(|it| *it != file);
        let mut identity = Self {
            elsewhere: elsewhere.collect(),
            file,
            own: (device.to_owned(), prefix.to_owned()),
            former: Vec::new(),
        };
        let known = names(&identity.file);
        let others = identity.elsewhere.iter().flat_map(|file| names(file));
        let mut all: Vec<_> = others.filter(|name| !known.contains(name)).collect();
        let noted = known.last() == Some(&identity.own) && all.is_empty();
        all.extend(known);
        for name in all {
            if name != identity.own && !identity.former.contains(&name) {
                identity.former.push(name);
            }
        }
        let surplus = identity.former.len().saturating_sub(MAX_NAMES);
        identity.former.drain(..surplus);
        // A name that cannot be noted is only left behind.
        let noted = noted || identity.write().is_ok();
        if noted && identity.former.is_empty() {
            identity.forget_elsewhere();
        }
        identity
    }

    /// The topics of former names.
    pub(super) fn former(&self) -> Vec<Topics> {
        let topics = |(device, prefix): &(String, String)| Topics::new(device, prefix);
        self.former.iter().map(topics).collect()
    }

    /// Nothing is left under former names.
    pub(super) fn cleaned(&mut self) {
        self.former.clear();
        // Removed once more at the next start, otherwise.
        let _ = self.write();
        self.forget_elsewhere();
    }

    /// Another device may have one of the names some day.
    fn forget_elsewhere(&mut self) {
        for file in self.elsewhere.drain(..) {
            if !names(&file).is_empty() {
                let _ = SystemDisk::default().remove(&file);
            }
        }
    }

    fn write(&self) -> io::Result<()> {
        let names = self.former.iter().chain([&self.own]);
        let lines: Vec<String> = names.map(|(device, prefix)| format!("{device} {prefix}")).collect();
        durable::replace_file(&self.file, (lines.join("\n") + "\n").as_bytes())
    }
}

/// Those of a file; none where it cannot be read.
fn names(file: &Path) -> Vec<(String, String)> {
    let text = SystemDisk::default().read(file, MAX_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<(String, String)> {
    let (device, prefix) = line.split_once(' ')?;
    let plain = is_device_id(device) && prefix.split('/').all(is_device_id);
    plain.then(|| (device.to_owned(), prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_names(dir: &Path) -> bool {
        dir.join(NAMES).exists()
    }

    fn former(identity: &Identity) -> Vec<&str> {
        identity.former.iter().map(|(device, _)| device.as_str()).collect()
    }

    #[test]
    fn former_names_are_known_until_they_are_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        let note = |device| Identity::note(dir.path(), &[], device, "homeassistant");
        assert!(former(&note("a")).is_empty());
        assert!(former(&note("a")).is_empty());
        assert_eq!(former(&note("b")), ["a"]);
        let mut identity = note("c");
        assert_eq!(former(&identity), ["a", "b"]);
        identity.cleaned();
        assert!(former(&note("c")).is_empty());
        assert_eq!(former(&note("a")), ["c"]);
        // The same name under another prefix leaves its discovery behind.
        assert_eq!(former(&Identity::note(dir.path(), &[], "a", "ha")), ["c", "a"]);
    }

    #[test]
    fn names_follow_the_outbox_to_another_directory() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = [old.path().to_path_buf(), new.path().to_path_buf()];
        Identity::note(old.path(), &[], "a", "ha");
        let mut identity = Identity::note(new.path(), &before, "b", "ha");
        assert_eq!(former(&identity), ["a"]);
        // Until the broker has confirmed, both directories know it.
        assert!(has_names(old.path()));
        assert_eq!(former(&Identity::note(new.path(), &before, "b", "ha")), ["a"]);
        assert_eq!(former(&Identity::note(new.path(), &[], "b", "ha")), ["a"]);
        identity.cleaned();
        assert!(!has_names(old.path()));
        assert!(former(&Identity::note(new.path(), &before, "b", "ha")).is_empty());
    }

    #[test]
    fn a_name_that_stays_is_forgotten_elsewhere_at_once() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Identity::note(old.path(), &[], "a", "ha");
        let identity = Identity::note(new.path(), &[old.path().to_path_buf()], "a", "ha");
        assert!(former(&identity).is_empty());
        assert_eq!((has_names(old.path()), has_names(new.path())), (false, true));
    }

    #[test]
    fn a_damaged_file_names_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "#/+ x\n", "a/b homeassistant\n", "a\n", "\u{0}\n", "../../x y\n"] {
            std::fs::write(dir.path().join(NAMES), text).unwrap();
            assert!(
                former(&Identity::note(dir.path(), &[], "a", "x")).is_empty(),
                "{text:?}"
            );
        }
    }
}
