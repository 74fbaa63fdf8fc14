//! What was measured, against its limits, as a table.

use std::fmt;
use std::time::Duration;

use crate::cli::times::{milliseconds, percentile};

/// Most of a frame's processor time that pages and counts take while nobody watches, and with one viewer.
const NOBODY: f64 = 0.02;
const VIEWER: f64 = 0.05;

/// Most that the time of a frame may grow with the crowd.
const SLOWER: f64 = 0.05;

/// Most that the memory may grow, in KiB: what an allocator keeps ready moves by less.
const GROWTH_KIB: u64 = 2048;

/// What pages and counts took of the processor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    pub(super) frames: u32,
    /// For the search and the networks.
    pub(super) judged: Duration,
    /// For telling, on the loop's thread.
    pub(super) told: Duration,
    /// On all other threads but the viewers'.
    pub(super) threads: Duration,
    /// That the viewers took.
    pub(super) messages: u64,
}

impl Cost {
    /// Of a frame's processor time.
    fn share(&self) -> f64 {
        (self.told + self.threads).as_secs_f64() / self.judged.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn row(&self, name: &str, limit: f64) -> String {
        let each = |time: Duration| milliseconds(time / self.frames.max(1));
        format!(
            "  {name:16} {:>8.4} {:>8.4} {:>7.2} %  at most {:.0} %  {}\n",
            each(self.told),
            each(self.threads),
            100.0 * self.share(),
            100.0 * limit,
            verdict(self.share() <= limit)
        )
    }
}

/// The time of frames without the crowd and with it.
#[derive(Debug, Default)]
pub(super) struct Load {
    without: Vec<Duration>,
    with: Vec<Duration>,
    /// By how much the 99th of 100 frames is slower with the crowd, in each round.
    slower: Vec<f64>,
    /// By how much one half without the crowd is slower than the other: what chance alone does.
    chance: Vec<f64>,
    pub(super) late_without: u64,
    pub(super) late_with: u64,
    pub(super) messages: u64,
}

impl Load {
    /// Takes in a round: the first block without the crowd, those with it, and the last one without.
    pub(super) fn add(&mut self, [first, with, last]: [Vec<Duration>; 3]) {
        let p99 = |times: &[Duration]| percentile(times, 0.99).as_secs_f64().max(f64::MIN_POSITIVE);
        let without = [first.as_slice(), &last].concat();
        self.slower.push(p99(&with) / p99(&without) - 1.0);
        self.chance.push(p99(&last) / p99(&first) - 1.0);
        self.without.extend(without);
        self.with.extend(with);
    }

    /// By how much the 99th of 100 frames is slower: the median of the rounds, in which whatever else the machine does in
    /// one of them has no say.
    fn slower(&self) -> f64 {
        median(&self.slower)
    }

    fn is_good(&self) -> bool {
        self.slower() <= SLOWER && self.late_with <= self.late_without
    }
}

/// The memory of the program, early and at the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    pub(super) frames: u64,
    pub(super) early_kib: u64,
    pub(super) late_kib: u64,
}

impl Memory {
    fn is_good(&self) -> bool {
        self.late_kib <= self.early_kib + GROWTH_KIB
    }
}

/// Everything that was measured.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) nobody: Cost,
    pub(super) viewer: Cost,
    pub(super) load: Load,
    pub(super) memory: Memory,
}

impl Report {
    /// Whether every limit holds.
    pub(super) fn is_good(&self) -> bool {
        let costs = self.nobody.share() <= NOBODY && self.viewer.share() <= VIEWER;
        costs && self.load.is_good() && self.memory.is_good()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = milliseconds(self.nobody.judged / self.nobody.frames.max(1));
        writeln!(
            f,
            "pages and counts on; the processor's time of a frame, the search and both networks on a face: {judged:.3} ms"
        )?;
        writeln!(f, "  ms a frame          telling  threads    share")?;
        f.write_str(&self.nobody.row("nobody watches", NOBODY))?;
        f.write_str(&self.viewer.row("one viewer", VIEWER))?;
        let Load { without, with, .. } = &self.load;
        writeln!(
            f,
            "the time of a frame without and with 22 viewers, 10 that never read, and 100 connections that send a byte a \
             second, in ms ({} frames each, {} messages)",
            with.len(),
            self.load.messages
        )?;
        for share in [0.50, 0.95, 0.99] {
            let [a, b] = [without, with].map(|times| milliseconds(percentile(times, share)));
            writeln!(f, "  p{:.0}  {a:>8.3} {b:>8.3}  {:+.1} %", 100.0 * share, change(a, b))?;
        }
        writeln!(
            f,
            "  p99, median of {} rounds: {:+.1} %  at most {:+.0} %  {}  (without against itself: {:+.1} %)",
            self.load.slower.len(),
            100.0 * self.load.slower(),
            100.0 * SLOWER,
            verdict(self.load.slower() <= SLOWER),
            100.0 * median(&self.load.chance)
        )?;
        writeln!(
            f,
            "  frames that a camera would have dropped: {} without, {} with  {}",
            self.load.late_without,
            self.load.late_with,
            verdict(self.load.late_with <= self.load.late_without)
        )?;
        let Memory {
            frames,
            early_kib,
            late_kib,
        } = self.memory;
        writeln!(
            f,
            "memory while {frames} frames are told to them: {early_kib} KiB after a tenth, {late_kib} KiB at the end  at most \
             {GROWTH_KIB} more  {}",
            verdict(self.memory.is_good())
        )
    }
}

fn verdict(is_good: bool) -> &'static str {
    if is_good { "ok" } else { "BROKEN" }
}

fn change(from: f64, to: f64) -> f64 {
    100.0 * (to / from.max(f64::MIN_POSITIVE) - 1.0)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle)) {
        (1, Some(value)) => *value,
        (0, Some(value)) => f64::midpoint(*value, sorted.get(middle - 1).copied().unwrap_or(*value)),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(2);

    fn report() -> Report {
        let cost = |told: u64| Cost {
            frames: 10,
            judged: 10 * FRAME,
            told: Duration::from_micros(told),
            threads: Duration::from_micros(100),
            messages: 0,
        };
        let mut load = Load::default();
        for _ in 0..4 {
            load.add([vec![FRAME; 90], vec![FRAME; 180], vec![FRAME; 90]]);
        }
        Report {
            nobody: cost(200),
            viewer: cost(800),
            load,
            memory: Memory {
                frames: 100,
                early_kib: 10_000,
                late_kib: 10_100,
            },
        }
    }

    #[test]
    fn what_holds_every_limit_is_good_and_its_shares_are_told() {
        let report = report();
        assert!(report.is_good(), "{report}");
        let text = report.to_string();
        assert!(
            text.contains("1.50 %") && text.contains("4.50 %") && !text.contains("BROKEN"),
            "{text}"
        );
    }

    #[test]
    fn each_limit_that_is_broken_is_named() {
        let broken: [fn(&mut Report); 5] = [
            |report| report.nobody.threads *= 10,
            |report| report.viewer.told *= 2,
            |report| report.load.slower = vec![0.06; 4],
            |report| report.load.late_with = 1,
            |report| report.memory.late_kib += 10_000,
        ];
        for break_it in broken {
            let mut report = report();
            break_it(&mut report);
            let text = report.to_string();
            assert!(!report.is_good() && text.matches("BROKEN").count() == 1, "{text}");
        }
    }

    #[test]
    fn a_round_in_which_something_else_happened_has_no_say() {
        let mut load = Load::default();
        for round in 0..5 {
            let with = if round == 2 { 5 * FRAME } else { FRAME };
            load.add([vec![FRAME; 90], vec![with; 180], vec![FRAME; 90]]);
        }
        assert!(load.is_good());
        assert_eq!(percentile(&load.with, 0.99), 5 * FRAME);
    }
}
