//! Numbers over time: which parts move on, and how many frames come a second.

use std::collections::BTreeMap;
use std::time::Duration;

use super::board::Stage;
use super::facts::Frames;
use super::message::{Latency, Part, Rates};

/// Longest silence of a part that works; the watchdog ends the program after the same time.
const SILENT: Duration = crate::service::WATCHDOG;

/// Shortest time over which rates are taken.
const WINDOW: Duration = Duration::from_secs(2);

/// Since when each part has not moved on.
#[derive(Debug, Default)]
pub(super) struct Parts(BTreeMap<&'static str, (u64, Duration)>, Vec<&'static str>);

impl Parts {
    /// Takes in how far each part has come.
    pub(super) fn update(&mut self, now: Duration, parts: &[(&'static str, u64)]) {
        for (name, count) in parts {
            let (last, moved) = self.0.entry(name).or_insert((*count, now));
            if *last != *count {
                (*last, *moved) = (*count, now);
            }
        }
        self.1.clear();
        self.1.extend(parts.iter().map(|(name, _)| name));
    }

    /// How each part is doing, in the order in which they were given.
    pub(super) fn list(&self, now: Duration) -> Vec<Part> {
        let part = |name: &&'static str| {
            let moved = self.0.get(*name).map_or(now, |(_, moved)| *moved);
            let silent = now.saturating_sub(moved);
            Part {
                name,
                ok: silent <= SILENT,
                silent_s: silent.as_secs(),
            }
        };
        self.1.iter().map(part).collect()
    }
}

/// Frames a second, over the last seconds.
#[derive(Debug, Default)]
pub(super) struct FrameRates {
    since: Duration,
    frames: Frames,
    captured: f64,
    judged: f64,
}

impl FrameRates {
    /// Takes in what was counted.
    pub(super) fn update(&mut self, now: Duration, frames: Frames) {
        let passed = now.saturating_sub(self.since);
        if passed < WINDOW {
            return;
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / passed.as_secs_f64();
        self.captured = rate(frames.captured, self.frames.captured);
        self.judged = rate(frames.judged, self.frames.judged);
        (self.since, self.frames) = (now, frames);
    }

    /// The rates, with what was counted of frames that were not judged.
    pub(super) fn rates(&self, skipped: u64, bad: u64) -> Rates {
        let rounded = |rate: f64| (rate * 100.0).round() / 100.0;
        Rates {
            captured: rounded(self.captured),
            judged: rounded(self.judged),
            skipped,
            bad,
        }
    }
}

/// Half, 95 and 99 of 100 are no slower (nearest rank); nothing for a stage without latencies.
pub(super) fn latencies(stages: &[Stage]) -> Vec<Latency> {
    let stages = stages.iter().filter(|stage| !stage.kept.is_empty());
    let told = |stage: &Stage| {
        let mut sorted: Vec<Duration> = stage.kept.iter().copied().collect();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            let latency = sorted.get(rank - 1).copied().unwrap_or_default();
            (latency.as_secs_f64() * 100_000.0).round() / 100.0
        };
        Latency {
            stage: stage.name,
            p50: at(50),
            p95: at(95),
            p99: at(99),
        }
    };
    stages.map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_stands_still_is_not_well_and_its_silence_is_told() {
        let mut parts = Parts::default();
        let at = Duration::from_secs;
        parts.update(at(0), &[("capture", 1), ("mqtt", 7)]);
        parts.update(at(10), &[("capture", 2), ("mqtt", 7)]);
        let list = parts.list(at(11));
        assert_eq!((list[0].name, list[0].ok, list[0].silent_s), ("capture", true, 1));
        assert_eq!((list[1].name, list[1].ok, list[1].silent_s), ("mqtt", false, 11));
        parts.update(at(12), &[("mqtt", 8)]);
        assert_eq!(parts.list(at(12)).len(), 1);
        assert!(parts.list(at(12))[0].ok);
    }

    #[test]
    fn rates_are_those_of_the_last_window() {
        let mut rates = FrameRates::default();
        let frames = |captured, judged| Frames { captured, judged };
        rates.update(Duration::from_secs(10), frames(100, 50));
        rates.update(Duration::from_secs(11), frames(500, 500));
        rates.update(Duration::from_secs(14), frames(140, 60));
        let rates = rates.rates(3, 1);
        assert_eq!((rates.captured, rates.judged), (10.0, 2.5));
        assert_eq!((rates.skipped, rates.bad), (3, 1));
    }

    #[test]
    fn latencies_are_nearest_ranks_in_milliseconds() {
        let stage = Stage {
            name: "total",
            kept: (1..=200).map(Duration::from_millis).collect(),
        };
        let empty = Stage::new("capture");
        let told = latencies(&[stage, empty]);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].p50, told[0].p95, told[0].p99), (100.0, 190.0, 198.0));
    }
}
