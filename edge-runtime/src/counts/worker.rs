//! The thread that writes. A disk that is slow, full or gone holds up nothing but what is shown of the counts.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use durable::Disk;

use super::board::Board;
use super::book::Book;
use super::error::CountsError;
use super::inbox::{Inbox, Pending};
use super::settings::CountsSettings;

/// Shortest time from one write to the next; a power cut loses no more, and nothing that was shown.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// Name of the file that keeps a second program out.
const LOCK: &str = "lock";

/// What the thread shares with the sink.
#[derive(Debug, Default)]
pub(super) struct Between {
    pub(super) inbox: Inbox,
    pub(super) stop: AtomicBool,
}

/// Takes deltas into the book, and shows what it holds.
pub(super) struct Worker<D> {
    disk: D,
    book: Book,
    board: Arc<Board>,
    /// What the book has not taken yet.
    pending: Pending,
    /// Whether the book holds something that is not on disk.
    unsaved: bool,
    /// The day that was counted in last, since 1970.
    today: i64,
    /// Whether the last attempt failed.
    failing: bool,
}

impl<D: Disk> Worker<D> {
    /// Opens the book; `today` is counted from 1970.
    pub(super) fn open(
        mut disk: D,
        settings: &CountsSettings,
        board: Arc<Board>,
        today: i64,
    ) -> Result<Self, CountsError> {
        let mut book = Book::open(&mut disk, &settings.dir, settings.keep_days)?;
        // The day of a place may begin the day before in UTC, and end the day after.
        for day in today - 1..=today + 1 {
            book.load(&mut disk, day)?;
        }
        board.show(&book);
        for damaged in book.take_damaged() {
            tracing::warn!(about = "damaged counts", "{damaged}");
        }
        Ok(Self {
            disk,
            book,
            board,
            pending: Pending::default(),
            unsaved: false,
            today,
            failing: false,
        })
    }

    /// Works until it is told to stop, and writes once more.
    pub(super) fn work(mut self, between: &Between, ended: &Sender<()>, lock: File) {
        let mut saved = Instant::now();
        loop {
            let stop = between.stop.load(Ordering::Acquire);
            if stop || saved.elapsed() >= SAVE_EVERY {
                self.pending.append(&mut between.inbox.take());
                self.save();
                saved = Instant::now();
            }
            if stop {
                break;
            }
            thread::park_timeout(SAVE_EVERY.saturating_sub(saved.elapsed()));
        }
        drop(lock);
        // Nobody may listen any more.
        let _ = ended.send(());
    }

    /// Takes in what waits and makes it last; what fails is tried again the next time.
    fn save(&mut self) {
        match self.try_save() {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::info!(about = "counts", "counts are kept again");
            }
            Ok(()) => {}
            Err(error) => {
                self.failing = true;
                tracing::warn!(about = "counts", "{error}; is the disk full, or read-only?");
            }
        }
        for damaged in self.book.take_damaged() {
            tracing::warn!(about = "damaged counts", "{damaged}");
        }
    }

    fn try_save(&mut self) -> Result<(), CountsError> {
        while let Some(delta) = self.pending.deltas().first() {
            self.book.add(&mut self.disk, delta)?;
            self.today = delta.quarter.day();
            self.unsaved = true;
            self.pending.done(1);
        }
        if !self.unsaved {
            return Ok(());
        }
        self.book.save(&mut self.disk)?;
        self.board.show(&self.book);
        self.book.prune(&mut self.disk, self.today)?;
        self.unsaved = false;
        Ok(())
    }
}

/// Tries before the directory counts as another program's: a child that this one has just started holds its files until it
/// has become another program.
const LOCK_TRIES: u32 = 20;

/// Makes the directory, and keeps other programs out of it as long as the file is open.
pub(super) fn lock(dir: &Path) -> Result<File, CountsError> {
    let path = || dir.to_path_buf();
    let failed = |source| CountsError::Dir { path: path(), source };
    std::fs::create_dir_all(dir).map_err(failed)?;
    let file = durable::open_lock(&dir.join(LOCK)).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(20)),
            Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
    }
    Err(CountsError::Busy { path: path() })
}
