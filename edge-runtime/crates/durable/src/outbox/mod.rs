//! Events that must not be lost while nobody takes them.
//!
//! An event stays in the outbox until its delivery is confirmed, over restarts and power cuts. The outbox
//! is bounded: when it is full, the oldest events make room and are counted. Everything waits in memory as
//! well, so a full disk costs durability, not the events: that is counted, and what the disk lacks is
//! written as soon as it can be.
//!
//! Writes reach the operating system at once and the disk with [`Outbox::sync`]: a crash of the program
//! loses nothing, a power cut what came since the last sync.

mod dir_lock;
mod log;
mod queue;
mod record;
mod shelf;
#[cfg(test)]
mod shelf_tests;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Disk, SystemDisk};

use dir_lock::DirLock;
use log::Log;
use queue::Queue;
use record::Mark;

pub use dir_lock::Holder;
pub use record::MAX_PAYLOAD as MAX_EVENT;
pub use shelf::Shelf;

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
pub enum OutboxError {
    /// Its directory cannot be made or read.
    #[error("open outbox {path}: {source}; it must be a directory that this program can write to")]
    Open {
        /// Directory of the outbox that failed.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// Somebody else writes there.
    #[error("open outbox {path}: {holder} directory")]
    Taken {
        /// Directory of the outbox, as configured.
        path: PathBuf,
        /// Who that is.
        holder: Holder,
    },
}

impl OutboxError {
    fn open(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Open {
            path: path.clone(),
            source,
        }
    }
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
    /// Others that this one has taken in, emptied as soon as everything is safe here.
    former: Vec<Self>,
    /// Keeps others out of the directory of the machine, if it is one.
    lock: Option<DirLock>,
}

impl Outbox {
    /// Opens the outbox of a directory, which is made if it is not there, and keeps others out of it.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, OutboxError> {
        fs::create_dir_all(path).map_err(OutboxError::open(path))?;
        let lock = DirLock::take(path)?;
        let mut outbox = Self::on(SystemDisk::default(), path, limits).map_err(OutboxError::open(path))?;
        outbox.lock = Some(lock);
        Ok(outbox)
    }

    /// Events that wait in a directory, whoever has it, as far as they are found in a bounded time; nothing is changed.
    ///
    /// # Errors
    /// A directory that cannot be read.
    pub fn waiting(path: &Path) -> io::Result<u64> {
        log::count(&mut SystemDisk::default(), path)
    }

    /// Who writes to the outbox of a directory now; nothing is made.
    pub fn holder(path: &Path) -> Option<Holder> {
        dir_lock::holder(path)
    }
}

fn segment_bytes(limits: Limits) -> usize {
    (limits.bytes / SEGMENTS).max(MIN_SEGMENT)
}

impl<D: Disk> Outbox<D> {
    /// Opens the outbox of a directory of this disk.
    pub fn on(disk: D, dir: &Path, limits: Limits) -> io::Result<Self> {
        let (log, recovered) = Log::open(disk, dir, segment_bytes(limits))?;
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
            former: Vec::new(),
            lock: None,
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
            self.former.retain_mut(|former| former.clear().is_err());
        } else {
            self.failed();
        }
    }

    /// Holds so much from now on; the oldest make room.
    fn resize(&mut self, limits: Limits) {
        self.queue.resize(limits);
        self.log.resize(segment_bytes(limits));
    }

    /// Takes in what waits in another outbox, after its own, and empties the other once all of it outlasts a power cut here.
    fn take_over(&mut self, former: Self) {
        // A move that was cut short, or a directory in the place of another, leaves an event in both.
        let theirs: HashSet<&[u8]> = former.queue.waiting().map(|(_, payload)| payload).collect();
        let both = self.queue.waiting().filter(|(_, payload)| theirs.contains(payload));
        for id in both.map(|(id, _)| id).collect::<Vec<_>>() {
            self.queue.delivered(id);
        }
        for (_, payload) in former.queue.waiting() {
            self.queue.push(payload.to_vec());
        }
        self.queue.add_dropped(former.queue.dropped());
        self.lost += former.lost;
        self.former.push(former);
        self.sync();
    }

    /// Lets everything go that waits.
    fn empty(&mut self) {
        let ids: Vec<u64> = self.queue.waiting().map(|(id, _)| id).collect();
        for id in ids {
            self.queue.delivered(id);
        }
    }

    /// Removes everything from the disk; what waits here is safe elsewhere.
    fn clear(&mut self) -> io::Result<()> {
        for former in &mut self.former {
            former.clear()?;
        }
        // Where its path leads to another directory now, its own has gone with all that was in it.
        match &self.lock {
            Some(lock) if !lock.is_of(self.log.dir()) => Ok(()),
            _ => {
                self.empty();
                // Noted first, so that nothing seems to be missing where only a part is removed; a full disk notes nothing.
                let _ = self.log.sync(self.mark());
                self.log.clear()
            }
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
