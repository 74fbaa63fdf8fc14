//! Whether a service runs: a lock on the directory of its bundle, which the kernel lets go with the program.
//!
//! The camera itself is no place for it: whoever holds a device open keeps its name from it when it is plugged in again.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use durable::Lock;

/// A bundle that this program runs, until it is dropped.
#[derive(Debug)]
pub(super) struct Owned {
    /// Of the directory; nothing is written.
    _lock: Lock,
}

impl Owned {
    /// Takes a bundle's directory; `None` if another program has it.
    pub(super) fn take(bundle: &Path) -> io::Result<Option<Self>> {
        // A pipe would be waited for.
        if !bundle.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        match Lock::take(File::open(bundle)?) {
            Ok(lock) => Ok(Some(Self { _lock: lock })),
            Err((_, TryLockError::WouldBlock)) => Ok(None),
            Err((_, TryLockError::Error(error))) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_one_owner_at_a_time() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Owned::take(one.path()).unwrap();
        assert!(first.is_some());
        assert!(Owned::take(one.path()).unwrap().is_none());
        assert!(Owned::take(other.path()).unwrap().is_some());
        drop(first);
        assert!(Owned::take(one.path()).unwrap().is_some());
    }
}
