//! The thread that writes. A disk that is slow, full or gone holds up nothing but what is shown of the counts.

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
use super::lock::Writing;
use super::settings::CountsSettings;

/// Shortest time from one write to the next; a power cut loses no more, and nothing that was shown.
const SAVE_EVERY: Duration = Duration::from_secs(5);

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
    pub(super) fn work(mut self, between: &Between, ended: &Sender<()>, writing: Writing) {
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
        drop(writing);
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
