//! Which events are told, and which only counted.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tracing::callsite::Identifier;

use crate::form::Line;

/// What makes two events alike: their place in the code, and what they are about.
pub(crate) type Kind = (Identifier, String);

/// How long events like one that was told are only counted.
pub(crate) const WINDOW: Duration = Duration::from_mins(1);

/// Kinds of events that are kept apart. More come only where `about` holds what always differs, and those are told.
const MAX_KINDS: usize = 256;

/// Counts events by their kind.
pub(crate) struct Repeats<K> {
    told: HashMap<K, Told>,
}

struct Told {
    since: Duration,
    /// Events since then, and the last of them.
    more: u64,
    last: Option<Line>,
}

impl<K: Eq + Hash> Repeats<K> {
    pub(crate) fn new() -> Self {
        Self { told: HashMap::new() }
    }

    /// The line of an event, if it is to be told at once.
    pub(crate) fn take(&mut self, kind: K, line: Line, now: Duration) -> Option<Line> {
        if let Some(told) = self.told.get_mut(&kind) {
            told.more += 1;
            told.last = Some(line);
            return None;
        }
        if self.told.len() < MAX_KINDS {
            let told = Told {
                since: now,
                more: 0,
                last: None,
            };
            self.told.insert(kind, told);
        }
        Some(line)
    }

    /// The counts whose minute is over. A kind of which no more came is told at once the next time.
    pub(crate) fn due(&mut self, now: Duration) -> Vec<Line> {
        let mut lines = Vec::new();
        self.told.retain(|_, told| {
            if now < told.since + WINDOW {
                return true;
            }
            let more = std::mem::take(&mut told.more);
            told.since = now;
            lines.extend(told.last.take().map(|line| counted(line, more)));
            more > 0
        });
        lines.sort_by(|a, b| a.text.cmp(&b.text));
        lines
    }

    /// Everything that is still counted, at the end.
    pub(crate) fn rest(&mut self) -> Vec<Line> {
        let counts = self
            .told
            .drain()
            .filter_map(|(_, told)| Some(counted(told.last?, told.more)));
        let mut lines: Vec<Line> = counts.collect();
        lines.sort_by(|a, b| a.text.cmp(&b.text));
        lines
    }

    /// When the next count is due.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.told.values().map(|told| told.since + WINDOW).min()
    }
}

fn counted(mut line: Line, more: u64) -> Line {
    line.text = format!("{} (the last of {more} more like it)", line.text);
    line
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    fn line(text: &str) -> Line {
        let (level, target, text) = (Level::WARN, "t", text.to_owned());
        Line { level, target, text }
    }

    fn texts(lines: Vec<Line>) -> Vec<String> {
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn three_hundred_bad_frames_are_two_lines() {
        let mut repeats = Repeats::new();
        let at = |n: u64| Duration::from_millis(33 * n);
        let told: Vec<_> = (0..300)
            .filter_map(|n| repeats.take("frame", line(&format!("frame {n} skipped")), at(n)))
            .collect();
        assert_eq!(texts(told), ["frame 0 skipped"]);
        assert_eq!(repeats.due(Duration::from_millis(59_999)), []);
        let due = repeats.due(WINDOW);
        assert_eq!(texts(due), ["frame 299 skipped (the last of 299 more like it)"]);
    }

    #[test]
    fn kinds_are_counted_apart_and_forgotten_after_a_quiet_minute() {
        let mut repeats = Repeats::new();
        assert!(repeats.take("frame", line("a"), Duration::ZERO).is_some());
        assert!(repeats.take("sink", line("b"), Duration::ZERO).is_some());
        assert!(repeats.take("sink", line("c"), Duration::ZERO).is_none());
        assert_eq!(repeats.next(), Some(WINDOW));
        assert_eq!(texts(repeats.due(WINDOW)), ["c (the last of 1 more like it)"]);
        // Quiet for a minute: told at once. In its second minute: counted.
        assert!(repeats.take("frame", line("d"), WINDOW).is_some());
        assert!(repeats.take("sink", line("e"), WINDOW).is_none());
        assert_eq!(texts(repeats.rest()), ["e (the last of 1 more like it)"]);
        assert_eq!(repeats.rest(), []);
    }

    #[test]
    fn kinds_without_end_take_no_memory_without_end() {
        let mut repeats = Repeats::new();
        let told = (0..10_000).filter(|n| repeats.take(*n, line("x"), Duration::ZERO).is_some());
        assert_eq!(told.count(), 10_000);
        assert!(repeats.told.len() <= MAX_KINDS);
    }
}
