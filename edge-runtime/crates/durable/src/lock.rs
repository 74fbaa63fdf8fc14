//! Locks on files and directories, one program at a time.

use std::fs::{File, TryLockError};
use std::io;
use std::thread;
use std::time::Duration;

/// Tries before somebody else has a file: who only asks [`is_locked`] has it for a moment.
const TRIES: u32 = 20;

/// Time between two tries.
const BETWEEN: Duration = Duration::from_millis(20);

/// Keeps others out of a file or directory until it is dropped.
///
/// The kernel keeps a lock as long as anybody has the file open that it was taken by. A child that this program has just
/// started has all its files until it has become another program. So the lock is let go in so many words.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Keeps others out, if nobody else does within 0.4 seconds.
    ///
    /// # Errors
    ///
    /// The file again, with `WouldBlock` where somebody else has it, or with what the file system says, which may know no
    /// locks.
    pub fn take(file: File) -> Result<Self, (File, TryLockError)> {
        for _ in 1..TRIES {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN),
                Ok(()) => return Ok(Self(file)),
                Err(other) => return Err((file, other)),
            }
        }
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(error) => Err((file, error)),
        }
    }

    /// Waits until nobody else has it, and keeps others out.
    ///
    /// # Errors
    ///
    /// What the file system says, which may know no locks.
    pub fn wait(file: File) -> io::Result<Self> {
        file.lock()?;
        Ok(Self(file))
    }

    /// What others are kept out of.
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing the file lets go of it as well, only later.
        let _ = self.0.unlock();
    }
}

/// Whether somebody has this file or directory by a [`Lock`]; nobody, where the file system knows no locks.
pub fn is_locked(file: &File) -> bool {
    match file.try_lock_shared() {
        Ok(()) => {
            // As when a lock is dropped.
            let _ = file.unlock();
            false
        }
        Err(error) => matches!(error, TryLockError::WouldBlock),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(path: &std::path::Path) -> File {
        File::open(path).unwrap()
    }

    #[test]
    fn a_lock_that_is_dropped_is_gone_though_a_child_still_has_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(open(dir.path())).unwrap();
        // What a child has between its start and its own program.
        let inherited = lock.file().try_clone().unwrap();
        let other = open(dir.path());
        assert!(is_locked(&other));
        let (_, error) = Lock::take(open(dir.path())).unwrap_err();
        assert!(matches!(error, TryLockError::WouldBlock));
        drop(lock);
        assert!(!is_locked(&other));
        let waited = Lock::wait(other).unwrap();
        assert!(is_locked(&open(dir.path())));
        drop((waited, inherited));
    }

    #[test]
    fn who_only_asks_keeps_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        let asked = open(dir.path());
        assert!(!is_locked(&asked));
        let inherited = asked.try_clone().unwrap();
        drop(asked);
        assert!(Lock::take(open(dir.path())).is_ok());
        drop(inherited);
    }
}
