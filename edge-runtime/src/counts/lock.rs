//! One program counts into a directory at a time, and in it one thread.

use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use durable::{Lock, is_locked};

use super::error::CountsError;

/// Name of the file that keeps a second program out.
const LOCK: &str = "lock";

/// Keeps other programs out of a directory of counts until the last clone goes.
#[derive(Debug, Clone)]
pub struct CountsLock(Arc<LockedDir>);

#[derive(Debug)]
struct LockedDir {
    dir: PathBuf,
    _lock: Lock,
    /// Whether a thread of this program writes there.
    writes: AtomicBool,
}

impl CountsLock {
    /// Makes the directory, and keeps other programs out of it.
    ///
    /// # Errors
    /// A directory that cannot be made, or that another program has.
    pub fn take(dir: &Path) -> Result<Self, CountsError> {
        let file = make(dir).and_then(|()| durable::open_lock(&dir.join(LOCK)));
        let file = file.map_err(failed(dir))?;
        match Lock::take(file) {
            Ok(lock) => Ok(Self(Arc::new(LockedDir {
                dir: dir.to_path_buf(),
                _lock: lock,
                writes: AtomicBool::new(false),
            }))),
            Err((_, TryLockError::WouldBlock)) => Err(busy(dir)),
            Err((_, TryLockError::Error(source))) => Err(failed(dir)(source)),
        }
    }

    /// Whether it is the lock of this directory, by the name that it was taken under.
    pub fn is_of(&self, dir: &Path) -> bool {
        self.0.dir == dir
    }

    /// Whether another program counts into a directory. Nothing is made.
    pub fn is_taken(dir: &Path) -> bool {
        let file = durable::open_regular(&dir.join(LOCK));
        file.is_ok_and(|file| is_locked(&file))
    }

    /// Lets one thread write; its directory is made again where somebody has removed it.
    pub(super) fn write(&self) -> Result<Writing, CountsError> {
        let dir = &self.0.dir;
        make(dir).map_err(failed(dir))?;
        // The last thread still waits for its disk.
        if self.0.writes.swap(true, Ordering::AcqRel) {
            return Err(busy(dir));
        }
        Ok(Writing(self.clone()))
    }
}

/// A thread writes, until this goes.
#[derive(Debug)]
pub(super) struct Writing(CountsLock);

impl Drop for Writing {
    fn drop(&mut self) {
        self.0.0.writes.store(false, Ordering::Release);
    }
}

fn make(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

fn failed(dir: &Path) -> impl Fn(io::Error) -> CountsError + use<> {
    let path = dir.to_path_buf();
    move |source| CountsError::Dir {
        path: path.clone(),
        source,
    }
}

fn busy(dir: &Path) -> CountsError {
    CountsError::Busy {
        path: dir.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_program_has_the_directory_and_one_thread_of_it_writes() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!CountsLock::is_taken(dir.path()));
        let first = CountsLock::take(dir.path()).unwrap();
        assert!(CountsLock::is_taken(dir.path()) && first.is_of(dir.path()));
        assert!(matches!(CountsLock::take(dir.path()), Err(CountsError::Busy { .. })));
        let writing = first.write().unwrap();
        assert!(matches!(first.clone().write(), Err(CountsError::Busy { .. })));
        drop(writing);
        fs::remove_dir_all(dir.path()).unwrap();
        drop(first.write().unwrap());
        assert!(dir.path().is_dir());
        drop(first);
        assert!(!CountsLock::is_taken(dir.path()));
    }
}
