//! How far a run has come, for those who watch from another thread.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that only grow. A run is alive while all three do.
#[derive(Debug, Default)]
pub struct Progress {
    captured: AtomicU64,
    inferred: AtomicU64,
    output: AtomicU64,
}

impl Progress {
    /// Frames that came from the source.
    pub fn captured(&self) -> u64 {
        self.captured.load(Ordering::Relaxed)
    }

    /// Frames that were judged, with a face or without.
    pub fn inferred(&self) -> u64 {
        self.inferred.load(Ordering::Relaxed)
    }

    /// Frames of which every sink was told.
    pub fn output(&self) -> u64 {
        self.output.load(Ordering::Relaxed)
    }

    pub(super) fn capture(&self) {
        self.captured.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn infer(&self) {
        self.inferred.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn put_out(&self) {
        self.output.fetch_add(1, Ordering::Relaxed);
    }
}
