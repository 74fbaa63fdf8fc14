//! Under which names the device has left messages at the broker that are kept there.
//!
//! A device that gets another name would leave a ghost: the broker keeps what it said under the old one. So the names are
//! noted beside the outbox before anything is said under them, and forgotten when the broker has confirmed that nothing is
//! left.

use std::path::{Path, PathBuf};

use durable::outbox::{Holder, Outbox};
use durable::{Disk, SystemDisk, is_same};

use super::topics::Topics;
use crate::owner::is_own_way;
use crate::sink::settings::{MAX_ID, NAMES, is_device_id};

/// Most bytes of the file.
const MAX_BYTES: u64 = 16 * 1024;

/// Most former names: the oldest are forgotten.
const MAX_NAMES: usize = 16;

/// The name of a device, and the first level of Home Assistant's topics.
type Name = (String, String);

/// The names of one device.
pub(super) struct Identity<D = SystemDisk> {
    disk: D,
    file: PathBuf,
    /// Files of former directories whose names are in this one, with what they held.
    elsewhere: Vec<(PathBuf, Vec<Name>)>,
    own: Name,
    former: Vec<Name>,
    /// Whether the file says all this.
    noted: bool,
}

impl Identity {
    /// Reads the names of earlier starts from a directory, and from those in whose place it comes, and notes the present one.
    ///
    /// What is noted elsewhere is left there until nothing is left at the broker, so that a start that fails forgets nothing.
    /// Names that another user has noted are none: whoever owns the directory could choose whose messages are removed.
    pub(super) fn note(dir: &Path, before: &[PathBuf], device: &str, prefix: &str) -> Self {
        let others = before
            .iter()
            .filter(|before| is_own_way(before) && !is_same(before, dir));
        let others: Vec<&Path> = others.map(PathBuf::as_path).collect();
        Self::on(SystemDisk::default(), dir, &others, device, prefix)
    }
}

impl<D: Disk> Identity<D> {
    fn on(mut disk: D, dir: &Path, before: &[&Path], device: &str, prefix: &str) -> Self {
        let file = dir.join(NAMES);
        let known = names(&mut disk, &file);
        let files = before.iter().map(|before| before.join(NAMES));
        let mut elsewhere: Vec<_> = files.map(|file| (names(&mut disk, &file), file)).collect();
        elsewhere.retain(|(names, _)| !names.is_empty());
        let own = (device.to_owned(), prefix.to_owned());
        let others = elsewhere.iter().flat_map(|(names, _)| names);
        let mut all: Vec<_> = others.filter(|name| !known.contains(name)).cloned().collect();
        let noted = known.last() == Some(&own) && all.is_empty();
        all.extend(known);
        let mut former = Vec::new();
        for name in all {
            if name != own && !former.contains(&name) {
                former.push(name);
            }
        }
        former.drain(..former.len().saturating_sub(MAX_NAMES));
        let mut identity = Self {
            disk,
            file,
            elsewhere: elsewhere.into_iter().map(|(names, file)| (file, names)).collect(),
            own,
            former,
            noted,
        };
        identity.keep();
        identity
    }

    /// The topics of former names.
    pub(super) fn former(&self) -> Vec<Topics> {
        let topics = |(device, prefix): &Name| Topics::new(device, prefix);
        self.former.iter().map(topics).collect()
    }

    /// Nothing is left under former names.
    pub(super) fn cleaned(&mut self) {
        self.former.clear();
        self.noted = false;
        self.keep();
    }

    /// Notes what is not noted, where a full disk left no room for it before, and forgets elsewhere what is not needed there.
    pub(super) fn keep(&mut self) {
        self.noted = self.noted || self.write();
        if self.noted && self.former.is_empty() {
            self.forget_elsewhere();
        }
    }

    /// Another device may have one of the names some day. One that has the directory meanwhile has noted its own there.
    fn forget_elsewhere(&mut self) {
        for (file, known) in self.elsewhere.drain(..) {
            let holder = file.parent().and_then(Outbox::holder);
            let is_free = matches!(holder, None | Some(Holder::Own));
            if is_free && names(&mut self.disk, &file) == known {
                // Dealt with once more at the next start, otherwise.
                let _ = self.disk.remove(&file);
            }
        }
    }

    /// False where that failed: such a name is only left behind. What another user has noted stays theirs.
    fn write(&mut self) -> bool {
        let is_theirs = self
            .disk
            .read_own(&self.file, MAX_BYTES)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
        let names = self.former.iter().chain([&self.own]);
        let lines: Vec<String> = names.map(|(device, prefix)| format!("{device} {prefix}\n")).collect();
        !is_theirs && durable::replace(&mut self.disk, &self.file, lines.concat().as_bytes()).is_ok()
    }
}

/// Those of a file; none where it cannot be read, or another user has written it.
fn names(disk: &mut impl Disk, file: &Path) -> Vec<Name> {
    let text = disk.read_own(file, MAX_BYTES).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter_map(parse).collect()
}

/// A line that a configuration could have led to.
fn parse(line: &str) -> Option<Name> {
    let (device, prefix) = line.split_once(' ')?;
    let plain = is_device_id(device) && prefix.len() <= MAX_ID && prefix.split('/').all(is_device_id);
    plain.then(|| (device.to_owned(), prefix.to_owned()))
}

#[cfg(test)]
mod tests;
