//! Where an outbox lies between two configurations, when its old owner is gone and the next has not come.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Limits, Outbox, OutboxError};
use crate::Disk;

/// Keeps the outbox of one sink, with what is in memory alone, from one owner to the next. Clones share it.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Kept>);

#[derive(Default)]
struct Kept(Mutex<Option<Outbox>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Option<Outbox>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kept {
    /// Nobody has come: what the disk had no room for may find some now.
    fn drop(&mut self) {
        if let Some(outbox) = self.lock().as_mut() {
            outbox.sync();
        }
    }
}

impl Shelf {
    /// The outbox of a directory: the one that was left here, where it is the same, or a new one, to which what waits in the
    /// other is moved.
    ///
    /// # Errors
    /// A directory that cannot be used, or that somebody else has. What was left here stays.
    pub fn take(&self, dir: &Path, limits: Limits) -> Result<Outbox, OutboxError> {
        let is_it = |outbox: &Outbox| outbox.lock.as_ref().is_some_and(|lock| lock.is_of(dir));
        hand_over(&mut self.0.lock(), limits, is_it, || Outbox::open(dir, limits))
    }

    /// Directory of the outbox that lies here, if one does.
    pub fn dir(&self) -> Option<PathBuf> {
        self.0.lock().as_ref().map(|outbox| outbox.log.dir().to_path_buf())
    }

    /// Leaves an outbox for whoever comes next.
    pub fn put(&self, outbox: Outbox) {
        *self.0.lock() = Some(outbox);
    }
}

/// The outbox that was left, where it is the right one; else one that is opened, and takes in what was left.
pub(super) fn hand_over<D: Disk, E>(
    kept: &mut Option<Outbox<D>>,
    limits: Limits,
    is_it: impl Fn(&Outbox<D>) -> bool,
    open: impl FnOnce() -> Result<Outbox<D>, E>,
) -> Result<Outbox<D>, E> {
    let Some(mut left) = kept.take() else { return open() };
    if is_it(&left) {
        left.resize(limits);
        return Ok(left);
    }
    let again = left.former.iter().position(&is_it);
    let opened = match again {
        // All that waits in it was taken from it, and comes back.
        Some(at) => {
            let mut again = left.former.remove(at);
            again.resize(limits);
            again.empty();
            Ok(again)
        }
        None => open(),
    };
    match opened {
        Ok(mut opened) => {
            opened.take_over(left);
            Ok(opened)
        }
        Err(error) => {
            *kept = Some(left);
            Err(error)
        }
    }
}
