//! One program, and in it one outbox, has a directory at a time.

use std::fmt;
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process;

use rustix::fs::{Mode, OFlags, major, minor};

use super::OutboxError;
use crate::lock::{Lock, is_locked};

/// Where the kernel lists locks.
const LOCKS: &str = "/proc/locks";

/// Keeps others out of a directory until it goes. The directory itself is locked, so that a full disk is no obstacle.
#[derive(Debug)]
pub(super) enum DirLock {
    Locked(Lock),
    /// A file system that knows no locks keeps nobody out.
    Open(File),
}

impl DirLock {
    /// Keeps others out of a directory that is there.
    pub(super) fn take(path: &Path) -> Result<Self, OutboxError> {
        match Lock::take(open(path).map_err(OutboxError::open(path))?) {
            Ok(lock) => Ok(Self::Locked(lock)),
            Err((dir, TryLockError::Error(_))) => Ok(Self::Open(dir)),
            Err((dir, TryLockError::WouldBlock)) => Err(OutboxError::Taken {
                path: path.to_path_buf(),
                holder: Holder::of(&dir.metadata().map_err(OutboxError::open(path))?),
            }),
        }
    }

    fn dir(&self) -> &File {
        match self {
            Self::Locked(lock) => lock.file(),
            Self::Open(dir) => dir,
        }
    }

    /// Whether a path leads to the directory, whatever it is called.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let own = self.dir().metadata().map(id);
        fs::metadata(path).is_ok_and(|other| own.is_ok_and(|own| own == id(other)))
    }
}

/// Who has a directory; `None` where nobody does, or it is not there.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    let dir = open(path).ok()?;
    if !is_locked(&dir) {
        return None;
    }
    Some(Holder::of(&dir.metadata().ok()?))
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Who writes to the directory of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// This very program.
    Own,
    /// The process of this number.
    Process(u32),
    /// A process that the system does not name here.
    Hidden,
}

impl Holder {
    fn of(dir: &Metadata) -> Self {
        let locks = fs::read_to_string(LOCKS).unwrap_or_default();
        let id = format!("{:02x}:{:02x}:{}", major(dir.dev()), minor(dir.dev()), dir.ino());
        match locks.lines().find_map(|line| held(line, &id)) {
            Some(pid) if pid == process::id() => Self::Own,
            Some(pid) => Self::Process(pid),
            None => Self::Hidden,
        }
    }
}

/// The process that holds the file of this identity by a lock, if the line of the kernel's list is about one.
fn held(line: &str, id: &str) -> Option<u32> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let mut words = words.skip(2);
    let pid = words.next()?;
    (words.next()? == id).then(|| pid.parse().ok()).flatten()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("another sink of this program has it; give each its own"),
            Self::Process(pid) => write!(
                f,
                "process {pid} has it; end that one (`systemctl status {pid}` names its service), or give each its own"
            ),
            Self::Hidden => f.write_str("another program has it; end that one, or give each its own"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_found_in_the_kernels_list() {
        let line = "3: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF";
        assert_eq!(held(line, "fd:01:1234"), Some(4711));
        for (line, id) in [
            (line, "fd:01:123"),
            ("3: -> FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF", "fd:01:1234"),
            ("3: POSIX  ADVISORY  WRITE 4711 fd:01:1234 0 EOF", "fd:01:1234"),
            ("3: FLOCK  ADVISORY  WRITE -1 fd:01:1234 0 EOF", "fd:01:1234"),
            ("", ""),
        ] {
            assert_eq!(held(line, id), None, "{line}");
        }
    }

    #[test]
    fn a_directory_has_one_holder_under_all_its_names() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert_eq!(holder(dir.path()), None);
        let lock = DirLock::take(dir.path()).unwrap();
        assert!(lock.is_of(&link) && !lock.is_of(Path::new("/")) && !lock.is_of(&dir.path().join("nothing")));
        assert!(holder(&link).is_some());
        let error = DirLock::take(&link).unwrap_err().to_string();
        assert!(error.contains("link: another") && error.contains("has it"), "{error}");
        drop(lock);
        assert_eq!(holder(&link), None);
        DirLock::take(&link).unwrap();
    }
}
