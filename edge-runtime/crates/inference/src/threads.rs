//! Whether the two networks of a bundle run one after the other, or side by side.
//!
//! Each network runs on one thread; nothing that it computes depends on what runs beside it.

use std::panic::resume_unwind;
use std::thread;

use serde::Deserialize;

use super::PredictError;

/// How many threads the networks run on; the results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "u8")]
pub enum Threads {
    /// One network after the other.
    One,
    /// Both at once, where the processor has more than one core.
    #[default]
    Two,
}

impl TryFrom<u8> for Threads {
    type Error = &'static str;

    fn try_from(count: u8) -> Result<Self, Self::Error> {
        match count {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            _ => Err("must be 1 or 2, since there are two networks"),
        }
    }
}

impl Threads {
    /// Runs both; the first one's error counts if both have one.
    pub(super) fn run(
        self,
        first: impl FnOnce() -> Result<(), PredictError>,
        second: impl FnOnce() -> Result<(), PredictError> + Send,
    ) -> Result<(), PredictError> {
        if self == Self::One {
            return first().and_then(|()| second());
        }
        thread::scope(|scope| {
            let other = thread::Builder::new().spawn_scoped(scope, second).map_err(|error| {
                PredictError::Run(format!(
                    "a second thread cannot be started ({error}); set `threads = 1`"
                ))
            })?;
            let result = first();
            result.and(other.join().unwrap_or_else(|panic| resume_unwind(panic)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(what: &str) -> Result<(), PredictError> {
        Err(PredictError::Run(what.to_owned()))
    }

    #[test]
    fn both_run_and_the_first_error_counts() {
        for threads in [Threads::One, Threads::Two] {
            let (mut first, mut second) = (0, 0);
            let run = threads.run(
                || {
                    first += 1;
                    Ok(())
                },
                || {
                    second += 1;
                    Ok(())
                },
            );
            assert!(run.is_ok());
            assert_eq!((first, second), (1, 1), "{threads:?}");
            let error = threads.run(|| failed("one"), || failed("two")).unwrap_err();
            assert!(error.to_string().contains("one"), "{error}");
            assert!(threads.run(|| Ok(()), || failed("two")).is_err());
        }
    }

    #[test]
    fn there_are_only_two_networks() {
        assert_eq!(Threads::try_from(1), Ok(Threads::One));
        assert_eq!(Threads::try_from(2), Ok(Threads::Two));
        assert!(Threads::try_from(0).is_err() && Threads::try_from(3).is_err());
    }
}
