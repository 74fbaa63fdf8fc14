//! Hands frames from the thread of the source to the loop: a place for one, not a queue.
//!
//! Three frames go round, one that is read, one that lies here and one that is judged; they change places
//! and keep their memory.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::source::{Frame, SourceError};

/// What becomes of a frame that nobody has taken when the next one comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// It stays, and the source waits.
    All,
    /// It is dropped and counted.
    Newest,
}

/// What the loop took from the slot.
#[derive(Debug)]
pub(super) enum Taken {
    /// A frame, which is now in the loop's hands.
    Frame,
    /// A frame that could not be read.
    Error(SourceError),
    /// Nothing came within the wait.
    Nothing,
    /// The source has no more frames.
    End,
}

/// The reader has left: nothing more needs to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

/// The place for one frame between the two threads.
#[derive(Debug)]
pub(super) struct Slot {
    keep: Keep,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frame: Frame,
    /// Whether `frame` waits to be taken.
    full: bool,
    error: Option<SourceError>,
    dropped: u64,
    ended: bool,
    closed: bool,
}

impl Slot {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Lays a frame down and gives one to read into.
    pub(super) fn put(&self, frame: &mut Frame) -> Result<(), Closed> {
        let mut state = self.lock();
        while self.keep == Keep::All && (state.full || state.error.is_some()) && !state.closed {
            state = self.wait(state);
        }
        if state.closed {
            return Err(Closed);
        }
        state.dropped += u64::from(state.full);
        state.full = true;
        mem::swap(&mut state.frame, frame);
        self.changed.notify_all();
        Ok(())
    }

    /// Lays an error down; none is lost, so that a source that only fails is held up.
    pub(super) fn fail(&self, error: SourceError) -> Result<(), Closed> {
        let mut state = self.lock();
        while (state.error.is_some() || self.keep == Keep::All && state.full) && !state.closed {
            state = self.wait(state);
        }
        if state.closed {
            return Err(Closed);
        }
        state.error = Some(error);
        self.changed.notify_all();
        Ok(())
    }

    /// Whether the reader has left.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Notes that the source has ended.
    pub(super) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    /// Takes what lies here, waiting at most this long; a frame goes into `frame`.
    pub(super) fn take(&self, frame: &mut Frame, wait: Duration) -> Taken {
        let empty = |state: &mut State| !state.full && state.error.is_none() && !state.ended;
        let waited = self.changed.wait_timeout_while(self.lock(), wait, empty);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let taken = if let Some(error) = state.error.take() {
            Taken::Error(error)
        } else if state.full {
            state.full = false;
            mem::swap(&mut state.frame, frame);
            Taken::Frame
        } else if state.ended {
            Taken::End
        } else {
            return Taken::Nothing;
        };
        self.changed.notify_all();
        taken
    }

    /// Notes that nobody takes frames any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Frames that a newer one replaced.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    // A panic elsewhere leaves the place as it was: every change above is one assignment after another.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn frame(number: u64) -> Frame {
        Frame {
            number,
            ..Frame::default()
        }
    }

    fn error() -> SourceError {
        SourceError::Missing { path: "x".into() }
    }

    /// Everything that lies in the slot, in words.
    fn drain(slot: &Slot) -> Vec<String> {
        let (mut seen, mut taken) = (Vec::new(), Frame::default());
        loop {
            match slot.take(&mut taken, Duration::ZERO) {
                Taken::Frame => seen.push(taken.number.to_string()),
                Taken::Error(_) => seen.push("error".to_owned()),
                Taken::Nothing => return seen,
                Taken::End => {
                    seen.push("end".to_owned());
                    return seen;
                }
            }
        }
    }

    #[test]
    fn newest_frame_replaces_the_older_ones_and_they_are_counted() {
        let slot = Slot::new(Keep::Newest);
        for number in 0..5 {
            slot.put(&mut frame(number)).unwrap();
        }
        assert_eq!(drain(&slot), ["4"]);
        assert_eq!(slot.dropped(), 4);
        slot.put(&mut frame(5)).unwrap();
        slot.fail(error()).unwrap();
        slot.end();
        assert_eq!(drain(&slot), ["error", "5", "end"]);
        assert_eq!(slot.dropped(), 4);
    }

    #[test]
    fn frames_change_places_and_keep_their_memory() {
        let slot = Slot::new(Keep::Newest);
        let mut read = Frame::default();
        let mut judged = Frame::default();
        let mut addresses = std::collections::BTreeSet::new();
        for number in 0..9 {
            read.number = number;
            addresses.insert(read.picture.rewrite(64, 64).unwrap().as_ptr() as usize);
            slot.put(&mut read).unwrap();
            slot.take(&mut judged, Duration::ZERO);
            assert_eq!(judged.number, number);
        }
        assert_eq!(addresses.len(), 3);
    }

    #[test]
    fn every_frame_and_error_arrives_in_order_where_all_are_kept() {
        let slot = Slot::new(Keep::All);
        let seen = thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..200 {
                    slot.put(&mut frame(number)).unwrap();
                    if number % 50 == 0 {
                        slot.fail(error()).unwrap();
                    }
                }
                slot.end();
            });
            let mut seen = Vec::new();
            while seen.last().is_none_or(|last| last != "end") {
                seen.extend(drain(&slot));
            }
            seen
        });
        assert_eq!((seen.len(), slot.dropped()), (205, 0));
        assert_eq!(seen[..3], ["0", "error", "1"]);
        assert_eq!(seen[203..], ["199", "end"]);
    }

    #[test]
    fn a_source_that_waits_is_let_go_when_the_reader_leaves() {
        let slot = Slot::new(Keep::All);
        slot.put(&mut frame(0)).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| (slot.put(&mut frame(1)), slot.fail(error())));
            slot.close();
            assert_eq!(waiting.join().unwrap(), (Err(Closed), Err(Closed)));
        });
        assert!(slot.is_closed());
    }
}
