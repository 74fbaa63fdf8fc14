//! Under which names the device has left messages at the broker that are kept there.
//!
//! A device that gets another name would leave a ghost: the broker keeps what it said under the old one. So the names are
//! noted beside the outbox before anything is said under them, and forgotten when the broker has confirmed that nothing is
//! left.

use std::io;
use std::path::{Path, PathBuf};

use durable::{Disk, SystemDisk};

use super::topics::Topics;
use crate::sink::settings::is_device_id;

/// Name of the file, in the directory of the outbox.
const FILE: &str = "names";

/// Most bytes of the file.
const MAX_BYTES: u64 = 16 * 1024;

/// Most former names: the oldest are forgotten.
const MAX_NAMES: usize = 16;

/// The names of one device, each with the first level of Home Assistant's topics.
pub(super) struct Identity {
    file: PathBuf,
    own: (String, String),
    former: Vec<(String, String)>,
}

impl Identity {
    /// Reads the names of earlier starts from a directory, and from the one in whose place it comes, and notes the present one.
    pub(super) fn note(dir: &Path, before: Option<&Path>, device: &str, prefix: &str) -> Self {
        let mut identity = Self {
            file: dir.join(FILE),
            own: (device.to_owned(), prefix.to_owned()),
            former: Vec::new(),
        };
        let known = names(&identity.file);
        let elsewhere = before.map(|before| names(&before.join(FILE))).unwrap_or_default();
        let unknown: Vec<_> = elsewhere.into_iter().filter(|name| !known.contains(name)).collect();
        let noted = known.last() == Some(&identity.own) && unknown.is_empty();
        let all = unknown.into_iter().chain(known);
        identity.former = all.filter(|name| *name != identity.own).collect();
        let surplus = identity.former.len().saturating_sub(MAX_NAMES);
        identity.former.drain(..surplus);
        if !noted {
            // A name that cannot be noted is only left behind.
            let _ = identity.write();
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

    fn former(identity: &Identity) -> Vec<&str> {
        identity.former.iter().map(|(device, _)| device.as_str()).collect()
    }

    #[test]
    fn former_names_are_known_until_they_are_cleaned() {
        let dir = tempfile::tempdir().unwrap();
        let note = |device| Identity::note(dir.path(), None, device, "homeassistant");
        assert!(former(&note("a")).is_empty());
        assert!(former(&note("a")).is_empty());
        assert_eq!(former(&note("b")), ["a"]);
        let mut identity = note("c");
        assert_eq!(former(&identity), ["a", "b"]);
        identity.cleaned();
        assert!(former(&note("c")).is_empty());
        assert_eq!(former(&note("a")), ["c"]);
        // The same name under another prefix leaves its discovery behind.
        assert_eq!(former(&Identity::note(dir.path(), None, "a", "ha")), ["c", "a"]);
    }

    #[test]
    fn names_follow_the_outbox_to_another_directory() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Identity::note(old.path(), None, "a", "ha");
        let mut identity = Identity::note(new.path(), Some(old.path()), "b", "ha");
        assert_eq!(former(&identity), ["a"]);
        assert_eq!(former(&Identity::note(new.path(), None, "b", "ha")), ["a"]);
        identity.cleaned();
        assert!(former(&Identity::note(new.path(), Some(new.path()), "b", "ha")).is_empty());
    }

    #[test]
    fn a_damaged_file_names_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "#/+ x\n", "a/b homeassistant\n", "a\n", "\u{0}\n", "../../x y\n"] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(
                former(&Identity::note(dir.path(), None, "a", "x")).is_empty(),
                "{text:?}"
            );
        }
    }
}
