//! Events that must not be lost while nobody takes them.
//!
//! An event stays in the outbox until its delivery is confirmed, over restarts and power cuts. The outbox
//! is bounded: when it is full, the oldest events make room and are counted. Everything waits in memory as
//! well, so a full disk costs durability, not the events: that is counted, and what the disk lacks is
//! written as soon as it can be.
//!
//! Writes reach the operating system at once and the disk with [`Outbox::sync`]: a crash of the program
//! loses nothing, a power cut what came since the last sync.

mod log;
mod queue;
mod record;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, SystemDisk};

use log::Log;
use queue::Queue;
use record::Mark;

pub use record::MAX_PAYLOAD as MAX_EVENT;

/// Segments for each outbox that is full: the disk holds this fraction more than the limit.
const SEGMENTS: usize = 8;

/// Smallest size of a segment, in bytes.
const MIN_SEGMENT: usize = 16 * 1024;

/// How much the outbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most events that may wait; the oldest make room.
    pub events: usize,
    /// Most bytes, 17 for each event included.
    pub bytes: usize,
}

/// What became of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Events that were not delivered yet.
    pub waiting: u64,
    /// Made room for newer ones, over all starts.
    pub dropped: u64,
    /// Found damaged when the outbox was opened.
    pub lost: u64,
    /// Writes and syncs that failed since the start.
    pub errors: u64,
}

/// Why the outbox cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("open outbox {path}: {source}; it must be a directory that this program can write to")]
pub struct OutboxError {
    /// Directory of the outbox that failed.
    pub path: PathBuf,
    /// The error that the operating system gave.
    pub source: io::Error,
}

/// Events that wait for delivery, oldest first.
pub struct Outbox<D = SystemDisk> {
    queue: Queue,
    log: Log<D>,
    /// Events below this number are in the log, or need not be any more.
    written: u64,
    /// Events below this number are safe from a power cut.
    synced: u64,
    lost: u64,
    errors: u64,
}

impl Outbox {
    /// Opens the outbox of a directory, which is made if it is not there.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OutboxError> {
        fs::create_dir_all(path)
            .and_then(|()| Self::on(SystemDisk::default(), path, limits))
            .map_err(|source| OutboxError {
                path: path.to_path_buf(),
                source,
            })
    }
}

impl<D: Disk> Outbox<D> {
    /// Opens the outbox of a directory of this disk.
    pub fn on(disk: D, dir: &Path, limits: Limits) -> io::Result<Self> {
        let segment_bytes = (limits.bytes / SEGMENTS).max(MIN_SEGMENT);
        let (log, recovered) = Log::open(disk, dir, segment_bytes)?;
        let lost = recovered.lost();
        let (next, errors) = (recovered.next, recovered.unreadable);
        let dropped = recovered.mark.dropped;
        let queue = Queue::new(limits, recovered.events.into_iter(), next, dropped);
        let synced = queue.floor();
        let mut outbox = Self {
            queue,
            log,
            written: next,
            synced,
            lost,
            errors,
        };
        if outbox.log.closed() > 2 * SEGMENTS {
            outbox.log.supersede();
            outbox.written = synced;
        }
        Ok(outbox)
    }

    /// Adds an event and gives its number; the oldest make room. `None` if it is longer than [`MAX_EVENT`].
    pub fn push(&mut self, payload: Vec<u8>) -> Option<u64> {
        if payload.len() > MAX_EVENT {
            return None;
        }
        let id = self.queue.push(payload);
        self.write();
        Some(id)
    }

    /// Takes an event out whose delivery is confirmed.
    pub fn delivered(&mut self, id: u64) {
        self.queue.delivered(id);
    }

    /// The oldest event from number `id` on that waits.
    pub fn from(&self, id: u64) -> Option<(u64, &[u8])> {
        self.queue.from(id)
    }

    /// Makes everything outlast a power cut.
    pub fn sync(&mut self) {
        if !self.write() {
            return;
        }
        let mark = self.mark();
        if self.log.sync(mark).is_ok() {
            self.synced = self.written;
        } else {
            self.failed();
        }
    }

    /// Whether everything that is in the outbox now outlasts a power cut.
    pub fn is_durable(&self) -> bool {
        self.synced >= self.queue.next()
    }

    /// What became of the events.
    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.queue.len() as u64,
            dropped: self.queue.dropped(),
            lost: self.lost,
            errors: self.errors,
        }
    }

    fn mark(&self) -> Mark {
        Mark {
            floor: self.queue.floor(),
            dropped: self.queue.dropped(),
        }
    }

    /// Writes what the log lacks; false if that failed.
    fn write(&mut self) -> bool {
        self.written = self.written.max(self.queue.floor());
        let mark = self.mark();
        while let Some((id, payload)) = self.queue.from(self.written) {
            if self.log.append(id, payload, mark).is_err() {
                self.failed();
                return false;
            }
            self.written = id + 1;
        }
        self.written = self.queue.next();
        true
    }

    /// What was not synced may be gone, and is written again.
    fn failed(&mut self) {
        self.errors += 1;
        self.written = self.synced;
    }
}
