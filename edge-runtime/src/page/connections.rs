//! How many connections there are, and which goes when there are too many.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

/// Most connections at a time.
pub(super) const CONNECTIONS: usize = 128;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<BTreeMap<u64, Open>>,
}

#[derive(Debug)]
struct Open {
    task: AbortHandle,
    /// Whether it carries a stream.
    follows: Arc<AtomicBool>,
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one more: the oldest that carries no stream goes. Viewers stay; they are counted elsewhere.
    pub(super) fn make_room(&self) {
        let mut open = self.open();
        while open.len() >= CONNECTIONS {
            let oldest = open.iter().find(|(_, it)| !it.follows.load(Ordering::Relaxed));
            let Some(number) = oldest.map(|(number, _)| *number) else {
                return;
            };
            if let Some(closed) = open.remove(&number) {
                closed.task.abort();
            }
        }
    }

    pub(super) fn add(&self, number: u64, task: AbortHandle, follows: Arc<AtomicBool>) {
        if !task.is_finished() {
            self.open().insert(number, Open { task, follows });
        }
    }

    pub(super) fn remove(&self, number: u64) {
        self.open().remove(&number);
    }
}
