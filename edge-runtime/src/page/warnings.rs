//! The last things that went wrong, each once, with what helps.

use std::collections::VecDeque;
use std::time::Duration;

use super::message::Warning;

/// Most warnings that are kept; the oldest make room.
const KEPT: usize = 20;

/// Most bytes of a text.
const LONGEST: usize = 400;

#[derive(Debug)]
struct Kept {
    text: String,
    cure: Option<String>,
    times: u64,
    last: Duration,
}

/// The warnings since the start.
#[derive(Debug, Default)]
pub(super) struct Warnings(VecDeque<Kept>);

impl Warnings {
    /// Takes one in; the same again only counts.
    pub(super) fn add(&mut self, now: Duration, text: &str, cure: Option<&str>) {
        let text: String = text.chars().take(LONGEST).collect();
        let known = self.0.iter().position(|kept| kept.text == text);
        let times = known.and_then(|at| self.0.remove(at)).map_or(0, |kept| kept.times);
        if self.0.len() == KEPT {
            self.0.pop_back();
        }
        self.0.push_front(Kept {
            text,
            cure: cure.map(str::to_owned),
            times: times + 1,
            last: now,
        });
    }

    /// All that are remembered, the newest first.
    pub(super) fn list(&self, now: Duration) -> Vec<Warning> {
        let told = |kept: &Kept| Warning {
            text: kept.text.clone(),
            cure: kept.cure.clone(),
            times: kept.times,
            age_s: now.saturating_sub(kept.last).as_secs(),
        };
        self.0.iter().map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_warning_is_counted_and_comes_first_again() {
        let mut warnings = Warnings::default();
        let at = Duration::from_secs;
        warnings.add(at(1), "a", Some("turn it on"));
        warnings.add(at(2), "b", None);
        warnings.add(at(5), "a", Some("turn it on"));
        let list = warnings.list(at(9));
        assert_eq!(list.len(), 2);
        assert_eq!((list[0].text.as_str(), list[0].times, list[0].age_s), ("a", 2, 4));
        assert_eq!(list[0].cure.as_deref(), Some("turn it on"));
        assert_eq!((list[1].text.as_str(), list[1].age_s), ("b", 7));
    }

    #[test]
    fn old_warnings_make_room_and_long_ones_are_cut() {
        let mut warnings = Warnings::default();
        for number in 0..100 {
            warnings.add(Duration::ZERO, &format!("{number}{}", "ü".repeat(1000)), None);
        }
        let list = warnings.list(Duration::ZERO);
        assert_eq!(list.len(), KEPT);
        assert!(list[0].text.starts_with("99") && list[0].text.chars().count() == LONGEST);
    }
}
