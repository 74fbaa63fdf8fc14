//! What inputs at random have in common; `bolero` makes them.
//!
//! A *target* is a test with `bolero::check!(name = "TARGET")`. Its inputs lie beside it, in `__fuzz__/TARGET/corpus`. Under
//! `cargo test` it replays them, and tries some that bolero draws. `scripts/fuzz` breeds new ones, led by the code that they
//! reach.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

/// Inputs that bolero draws for a target under `cargo test`, beside those of the corpus.
pub const DRAWN: usize = 200;

/// How many inputs were read, and how many refused.
#[derive(Debug, Default)]
pub struct Answers {
    read: AtomicU64,
    refused: AtomicU64,
}

impl Answers {
    /// Counters at zero, before any input.
    pub const fn new() -> Self {
        Self {
            read: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts an answer; the message of an error is written, for that may fail, too.
    pub fn count<T>(&self, answer: &Result<T, impl Display>) {
        let counter = match answer {
            Ok(_) => &self.read,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "an error says what is wrong");
                &self.refused
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Fails unless a corpus had inputs of both kinds: a target that refuses everything shows nothing.
    pub fn were_of_both_kinds(&self) {
        let (read, refused) = (self.read.load(Ordering::Relaxed), self.refused.load(Ordering::Relaxed));
        assert!(read > 0 && refused > 0, "{read} were read, {refused} refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "0 were read, 1 refused")]
    fn a_target_that_refuses_everything_fails() {
        let answers = Answers::default();
        answers.count(&Err::<(), _>("no"));
        answers.were_of_both_kinds();
    }

    #[test]
    fn a_target_that_reads_and_refuses_passes() {
        let answers = Answers::default();
        answers.count(&Ok::<_, &str>(()));
        answers.count(&Err::<(), _>("no"));
        answers.were_of_both_kinds();
    }
}
