//! Where the loop leaves what is newest, and never waits.
//!
//! The loop only *tries* to take the lock. While the server holds it, for the time of a copy, the faces of that frame are
//! left out, and states wait in the sink for the next chance.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use tokio::sync::Notify;

use super::message::{Told, Trigger};
use crate::sink::gathered::FrameFaces;

/// States that are remembered, for those who come later.
pub(super) const RECENT: usize = 16;

/// Latencies of a stage that are kept for percentiles: the newest ones.
const LATENCIES: usize = 256;

/// The newest latencies of one stage.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) name: &'static str,
    pub(super) kept: VecDeque<Duration>,
}

impl Stage {
    /// With all the memory that it will ever take.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            kept: VecDeque::with_capacity(LATENCIES),
        }
    }

    pub(super) fn record(&mut self, latency: Duration) {
        if self.kept.len() == LATENCIES {
            self.kept.pop_front();
        }
        self.kept.push_back(latency);
    }
}

/// The newest of everything that viewers are shown.
#[derive(Debug, Default)]
pub(super) struct Newest {
    /// The last states, the newest at the end.
    pub(super) recent: VecDeque<Told>,
    /// Number of states that were shown so far.
    pub(super) states: u64,
    /// The last trigger that shows something.
    pub(super) trigger: Option<Trigger>,
    /// Such triggers so far.
    pub(super) triggers: u64,
    /// The faces of the last frame that was handed over.
    pub(super) faces: FrameFaces,
    /// Frames that were handed over so far.
    pub(super) frames: u64,
    /// How long the stages of a frame take.
    pub(super) stages: Vec<Stage>,
    /// Frames that could not be read or judged.
    pub(super) bad: u64,
    /// Frames left out because a newer one was there, or because they came too late.
    pub(super) dropped: u64,
}

impl Newest {
    pub(super) fn push(&mut self, told: Told) {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(told);
        self.states += 1;
    }
}

/// Lies between the loop and the server.
#[derive(Debug, Default)]
pub(super) struct Board {
    newest: Mutex<Newest>,
    changed: Notify,
    viewers: AtomicUsize,
}

impl Board {
    /// Gives the loop the newest things to change; `None` while somebody reads them.
    pub(super) fn try_write(&self) -> Option<MutexGuard<'_, Newest>> {
        match self.newest.try_lock() {
            Ok(newest) => Some(newest),
            Err(TryLockError::Poisoned(newest)) => Some(newest.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Gives the server the newest things to copy.
    pub(super) fn read(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the server, if somebody is there to be told.
    pub(super) fn announce(&self) {
        if self.viewers.load(Ordering::Relaxed) > 0 {
            self.changed.notify_one();
        }
    }

    /// Waits until something has changed while somebody was there to be told.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many viewers there are.
    pub(super) fn viewers(&self) -> usize {
        self.viewers.load(Ordering::Relaxed)
    }

    pub(super) fn viewer_came(&self) {
        self.viewers.fetch_add(1, Ordering::Relaxed);
        // Whoever comes wants to know what happened while nobody looked.
        self.changed.notify_one();
    }

    pub(super) fn viewer_went(&self) {
        self.viewers.fetch_sub(1, Ordering::Relaxed);
    }
}
