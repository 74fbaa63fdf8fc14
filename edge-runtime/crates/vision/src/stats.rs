//! What a run counts, and how long each of its stages takes.

use std::fmt;
use std::time::Duration;

/// Latencies kept for the percentiles: the newest ones, about two minutes at 30 frames a second.
const KEPT: usize = 4096;

/// Counts and latencies of a run.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Frames that came from the source.
    pub frames: u64,
    /// Frames that were judged, with a face or without.
    pub judged: u64,
    /// Frames left out because a newer one was there already, or because they came too late.
    pub dropped: u64,
    /// Frames that could not be read or judged.
    pub bad: u64,
    /// What sinks could not take.
    pub sink_errors: u64,
    /// Numbers of the face detector that were none, and boxes without an area: a network or a processor is damaged.
    pub damaged_cells: u64,
    /// Time from the first frame to the end.
    pub elapsed: Duration,
    /// Making pixels of what came from the source.
    pub capture: Latencies,
    /// Searching a frame for faces.
    pub find: Latencies,
    /// Cutting the inputs of the networks out of a frame.
    pub crop: Latencies,
    /// Running both networks, for a face.
    pub networks: Latencies,
    /// Forming the verdict and telling the sinks.
    pub decide: Latencies,
    /// A whole frame, from the loop's taking it to the sinks.
    pub total: Latencies,
}

impl Stats {
    /// Judged frames a second; 0 where no time has passed.
    pub fn fps(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.judged as f64 / seconds
        } else {
            0.0
        }
    }
}

impl Stats {
    /// Every stage with its name, in the order of a frame's way.
    pub fn stages(&self) -> [(&'static str, &Latencies); 6] {
        [
            ("capture", &self.capture),
            ("find", &self.find),
            ("crop", &self.crop),
            ("networks", &self.networks),
            ("decide", &self.decide),
            ("total", &self.total),
        ]
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frames,
            judged,
            dropped,
            bad,
            sink_errors,
            ..
        } = self;
        writeln!(
            f,
            "frames in {frames}, judged {judged}, dropped {dropped}, bad {bad}, sink errors {sink_errors}"
        )?;
        if self.damaged_cells > 0 {
            writeln!(f, "damaged cells of the face detector {}", self.damaged_cells)?;
        }
        write!(f, "{:.1} frames a second", self.fps())?;
        for (stage, latencies) in self.stages() {
            write!(f, "\n{stage:<9}{latencies}")?;
        }
        Ok(())
    }
}

/// The newest latencies of one stage.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    kept: Vec<Duration>,
    /// Where the next one goes once all places are taken.
    next: usize,
    /// How many there were, and their sum.
    recorded: u64,
    total: Duration,
}

impl Latencies {
    /// Takes in one more latency.
    pub fn record(&mut self, latency: Duration) {
        self.recorded += 1;
        self.total += latency;
        if self.kept.len() < KEPT {
            // All the memory at once: later frames take none.
            self.kept.reserve_exact(KEPT - self.kept.len());
            self.kept.push(latency);
        } else if let Some(oldest) = self.kept.get_mut(self.next) {
            *oldest = latency;
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// How many there are: the newest ones.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// How many were taken in, the old ones among them.
    pub fn recorded(&self) -> u64 {
        self.recorded
    }

    /// The sum of all that were taken in.
    pub fn total(&self) -> Duration {
        self.total
    }

    /// The newest one; `None` without any.
    pub fn newest(&self) -> Option<Duration> {
        let at = if self.next == 0 { self.kept.len() } else { self.next };
        self.kept.get(at.checked_sub(1)?).copied()
    }

    /// Their mean; 0 without any.
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        self.kept
            .iter()
            .sum::<Duration>()
            .checked_div(count)
            .unwrap_or_default()
    }

    /// The latency that `percent` of 100 do not exceed (nearest rank); `None` without any.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |percent| self.percentile(percent).unwrap_or_default().as_secs_f64() * 1000.0;
        write!(f, "p50 {:.2} ms, p95 {:.2} ms, p99 {:.2} ms", ms(50), ms(95), ms(99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: impl Iterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        for value in values {
            latencies.record(Duration::from_millis(value));
        }
        latencies
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let latencies = of((1..=200).rev());
        for (percent, expected) in [(50, 100), (95, 190), (99, 198), (100, 200)] {
            assert_eq!(latencies.percentile(percent), Some(Duration::from_millis(expected)));
        }
        assert_eq!(of(1..=1).percentile(50), Some(Duration::from_millis(1)));
        assert_eq!(of(0..0).percentile(50), None);
        assert_eq!(latencies.mean(), Duration::from_micros(100_500));
        assert_eq!(of(0..0).mean(), Duration::ZERO);
    }

    #[test]
    fn old_latencies_make_room() {
        let latencies = of((0..KEPT as u64).map(|_| 900).chain((0..KEPT as u64).map(|_| 5)));
        assert_eq!(latencies.percentile(100), Some(Duration::from_millis(5)));
        let mut latencies = of(0..KEPT as u64);
        assert_eq!(latencies.newest(), Some(Duration::from_millis(KEPT as u64 - 1)));
        latencies.record(Duration::ZERO);
        assert_eq!(latencies.newest(), Some(Duration::ZERO));
        assert_eq!(of(0..0).newest(), None);
        assert_eq!(latencies.kept.len(), KEPT);
        assert_eq!(latencies.recorded(), KEPT as u64 + 1);
        assert_eq!(latencies.total(), Duration::from_millis((0..KEPT as u64).sum()));
    }

    #[test]
    fn report_names_everything() {
        let stats = Stats {
            frames: 30,
            judged: 20,
            elapsed: Duration::from_secs(2),
            ..Stats::default()
        };
        let text = stats.to_string();
        for expected in [
            "frames in 30",
            "judged 20",
            "dropped 0",
            "10.0 frames a second",
            "\ncapture  p50",
            "\nfind     p50",
            "\ncrop     p50",
            "\nnetworks p50",
            "\ndecide   p50",
            "p99",
        ] {
            assert!(text.contains(expected), "{text} lacks {expected}");
        }
        assert!(!text.contains("damaged"));
        let damaged = Stats {
            damaged_cells: 7,
            ..stats
        };
        assert!(damaged.to_string().contains("damaged cells of the face detector 7\n"));
    }
}
