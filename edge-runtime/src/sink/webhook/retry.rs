//! When an event is posted again: pure, from what the server answered.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Wait after the first failure; doubled after each further one.
const FIRST: Duration = Duration::from_secs(1);

/// Longest wait of this kind.
const LONGEST: Duration = Duration::from_mins(5);

/// Wait after the server has said that nothing is there any more.
const GONE: Duration = Duration::from_hours(1);

/// Longest wait that a server may ask for.
const PATIENCE: Duration = Duration::from_hours(24);

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The event is taken.
    Taken,
    /// This event will never be taken; the next one may.
    Refused,
    /// It may be taken later, after this time where the server says so.
    Later(Option<Duration>),
    /// Nobody is there any more.
    Gone,
}

impl Answer {
    /// Of a status, and the header `Retry-After`; `now_s` is the time in seconds since 1970.
    pub(super) fn of(status: u16, retry_after: Option<&str>, now_s: i64) -> Self {
        match status {
            200..=299 => Self::Taken,
            // Bad request, too large, of an unknown type, not to be processed.
            400 | 413 | 415 | 422 => Self::Refused,
            410 => Self::Gone,
            // A redirection is not followed: what is signed for one server is not for another.
            _ => Self::Later(retry_after.and_then(|text| after(text, now_s))),
        }
    }
}

/// Seconds, or a date of HTTP.
fn after(text: &str, now_s: i64) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(PATIENCE));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    let left = date.timestamp().as_second() - now_s;
    Some(Duration::from_secs(left.max(0) as u64).min(PATIENCE))
}

/// Counts failures in a row.
pub(super) struct Retry {
    failures: u32,
    /// Spreads the attempts of many devices, 0.75 to 1.25.
    spread: f64,
}

impl Retry {
    pub(super) fn new() -> Self {
        // 0 to 1, different on each start.
        let chance = RandomState::new().hash_one("webhook") as f64 / u64::MAX as f64;
        Self {
            failures: 0,
            spread: 0.75 + chance / 2.0,
        }
    }

    /// The wait before the next attempt; none after success.
    pub(super) fn wait(&mut self, answer: Answer) -> Duration {
        let doubled = FIRST * (1 << self.failures.min(16));
        let own = doubled.min(LONGEST).mul_f64(self.spread);
        match answer {
            Answer::Taken | Answer::Refused => {
                self.failures = 0;
                Duration::ZERO
            }
            Answer::Later(asked) => {
                self.failures += 1;
                asked.unwrap_or_default().max(own)
            }
            Answer::Gone => GONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_the_specification_says() {
        // Wed, 21 Oct 2015 07:28:00 GMT
        let now = 1_445_412_480;
        let seconds = |s| Answer::Later(Some(Duration::from_secs(s)));
        for (status, header, expected) in [
            (200, None, Answer::Taken),
            (204, Some("5"), Answer::Taken),
            (301, None, Answer::Later(None)),
            (400, None, Answer::Refused),
            (401, None, Answer::Later(None)),
            (404, None, Answer::Later(None)),
            (410, None, Answer::Gone),
            (413, None, Answer::Refused),
            (429, Some("120"), seconds(120)),
            (429, Some(" 7 "), seconds(7)),
            (503, Some("Wed, 21 Oct 2015 07:28:30 GMT"), seconds(30)),
            (503, Some("Wed, 21 Oct 2015 07:00:00 GMT"), seconds(0)),
            (503, Some("soon"), Answer::Later(None)),
            (503, Some("99999999999"), seconds(86_400)),
        ] {
            assert_eq!(Answer::of(status, header, now), expected, "{status} {header:?}");
        }
    }

    #[test]
    fn waits_grow_to_five_minutes_and_begin_anew_after_success() {
        let mut retry = Retry {
            failures: 0,
            spread: 1.0,
        };
        let waits: Vec<u64> = (0..11).map(|_| retry.wait(Answer::Later(None)).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(retry.wait(Answer::Taken), Duration::ZERO);
        assert_eq!(retry.wait(Answer::Later(None)), FIRST);
        // What the server asks for counts where it is longer.
        assert_eq!(retry.wait(Answer::Later(Some(Duration::from_mins(1)))).as_secs(), 60);
        assert_eq!(retry.wait(Answer::Later(Some(Duration::from_secs(1)))).as_secs(), 4);
        assert_eq!(retry.wait(Answer::Gone), GONE);
    }

    #[test]
    fn devices_do_not_come_all_at_once() {
        assert!((0.75..=1.25).contains(&Retry::new().spread));
    }
}
