//! What was counted and is not in the book yet.

use std::sync::{Mutex, PoisonError, TryLockError};

use super::dating::Quarter;
use super::tally::Tally;

/// Most quarters that wait: a day of a disk that takes nothing.
const MAX_WAITING: usize = 96;

/// What is added to a quarter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The quarter of an hour that was counted in.
    pub quarter: Quarter,
    /// Whether it may be another one in truth.
    pub doubtful: bool,
    /// What to add; may be empty where only the doubt is new.
    pub tally: Tally,
}

/// Deltas in the order in which they came, one for each quarter in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pending(Vec<Delta>);

impl Pending {
    /// The tally of this quarter, to add to. Where too many wait, it is the last one's, with a doubt.
    pub fn at(&mut self, quarter: Quarter, doubtful: bool) -> &mut Tally {
        let full = self.0.len() >= MAX_WAITING;
        let fits = |last: &Delta| last.quarter == quarter || full;
        if !self.0.last().is_some_and(fits) {
            self.0.push(Delta {
                quarter,
                doubtful,
                tally: Tally::default(),
            });
        }
        let last = self.0.len() - 1;
        let delta = &mut self.0[last];
        delta.doubtful |= doubtful || delta.quarter != quarter;
        &mut delta.tally
    }

    /// Adds all of another one, and empties it.
    pub fn append(&mut self, other: &mut Self) {
        for delta in other.0.drain(..) {
            self.at(delta.quarter, delta.doubtful).add(&delta.tally);
        }
    }

    /// Whether no delta waits for the thread.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What waits, the oldest first.
    pub(super) fn deltas(&self) -> &[Delta] {
        &self.0
    }

    /// Forgets the oldest so many.
    pub(super) fn done(&mut self, count: usize) {
        self.0.drain(..count);
    }
}

/// Where the sink leaves deltas and the thread takes them; neither holds it for longer than that takes.
#[derive(Debug, Default)]
pub(super) struct Inbox(Mutex<Pending>);

impl Inbox {
    /// Leaves deltas, unless the other side is just taking some; they stay in `pending` then.
    pub(super) fn try_leave(&self, pending: &mut Pending) {
        match self.0.try_lock() {
            Ok(mut inbox) => inbox.append(pending),
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().append(pending),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Leaves deltas for the thread that writes.
    pub(super) fn leave(&self, pending: &mut Pending) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(pending);
    }

    /// Takes all deltas that were left so far.
    pub(super) fn take(&self) -> Pending {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarter(number: i64) -> Quarter {
        Quarter::of(900 * number)
    }

    #[test]
    fn what_waits_is_bounded_and_nothing_of_it_is_lost() {
        let mut pending = Pending::default();
        for number in 0..300 {
            pending.at(quarter(number), false).visitors += 1;
        }
        assert_eq!(pending.deltas().len(), MAX_WAITING);
        let visitors: u64 = pending.deltas().iter().map(|delta| delta.tally.visitors).sum();
        assert_eq!(visitors, 300);
        let last = pending.deltas().last().unwrap();
        assert!(last.doubtful && !pending.deltas()[0].doubtful);
    }

    #[test]
    fn quarters_that_come_again_after_a_jump_keep_their_order() {
        let mut pending = Pending::default();
        for (number, doubtful) in [(5, false), (5, true), (3, true), (5, false)] {
            pending.at(quarter(number), doubtful).visitors += 1;
        }
        let told: Vec<_> = pending
            .deltas()
            .iter()
            .map(|delta| (delta.quarter, delta.doubtful, delta.tally.visitors))
            .collect();
        assert_eq!(
            told,
            [(quarter(5), true, 2), (quarter(3), true, 1), (quarter(5), false, 1)]
        );
        let inbox = Inbox::default();
        inbox.try_leave(&mut pending);
        assert!(pending.is_empty());
        assert_eq!(inbox.take().deltas().len(), 3);
        assert!(inbox.take().is_empty());
    }
}
