//! How far a run has come, for those who watch from another thread.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vision::stats::Latencies;

/// Counters that only grow. A run is alive while frames are captured, inferred and put out.
#[derive(Debug, Default)]
pub struct Progress {
    captured: AtomicU64,
    inferred: AtomicU64,
    /// Time spent on judging, in nanoseconds.
    inference_ns: AtomicU64,
    searches: AtomicU64,
    /// Time spent on searches, in nanoseconds.
    find_ns: AtomicU64,
    failed: AtomicU64,
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

    /// Time spent on judging them.
    pub fn inference(&self) -> Duration {
        Duration::from_nanos(self.inference_ns.load(Ordering::Relaxed))
    }

    /// Searches for faces, whatever they found.
    pub fn searches(&self) -> u64 {
        self.searches.load(Ordering::Relaxed)
    }

    /// Time spent on these searches, all together.
    pub fn find(&self) -> Duration {
        Duration::from_nanos(self.find_ns.load(Ordering::Relaxed))
    }

    /// Frames that the networks failed on.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Frames of which every sink was told.
    pub fn output(&self) -> u64 {
        self.output.load(Ordering::Relaxed)
    }

    pub(super) fn capture(&self) {
        self.captured.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn infer(&self, took: Duration) {
        self.inference_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
        self.inferred.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes up how many searches there were in a run so far since `before`, and how long they took.
    pub(super) fn found(&self, before: (u64, Duration), find: &Latencies) {
        let (searches, took) = (find.recorded(), find.total());
        self.searches
            .fetch_add(searches.saturating_sub(before.0), Ordering::Relaxed);
        let took = took.saturating_sub(before.1);
        self.find_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn put_out(&self) {
        self.output.fetch_add(1, Ordering::Relaxed);
    }
}
