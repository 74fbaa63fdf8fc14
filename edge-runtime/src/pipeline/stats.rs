//! What the pipeline counts.

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
    /// Frames left out because they came too late.
    pub dropped: u64,
    /// Frames that could not be read or judged.
    pub bad: u64,
    /// What sinks could not take.
    pub sink_errors: u64,
    /// Time from the first frame to the end.
    pub elapsed: Duration,
    /// Finding the face.
    pub face: Latencies,
    /// Both networks.
    pub predict: Latencies,
    /// A whole frame, from its arrival to the sinks.
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
        write!(f, "{:.1} frames a second", self.fps())?;
        for (stage, latencies) in [("face", &self.face), ("predict", &self.predict), ("total", &self.total)] {
            write!(f, "\n{stage:8}{latencies}")?;
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
}

impl Latencies {
    /// Takes in one more.
    pub fn record(&mut self, latency: Duration) {
        if self.kept.len() < KEPT {
            self.kept.push(latency);
        } else if let Some(oldest) = self.kept.get_mut(self.next) {
            *oldest = latency;
            self.next = (self.next + 1) % KEPT;
        }
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
        write!(f, "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", ms(50), ms(95), ms(99))
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
    }

    #[test]
    fn old_latencies_make_room() {
        let latencies = of((0..KEPT as u64).map(|_| 900).chain((0..KEPT as u64).map(|_| 5)));
        assert_eq!(latencies.percentile(100), Some(Duration::from_millis(5)));
        assert_eq!(latencies.kept.len(), KEPT);
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
        for expected in ["frames in 30", "judged 20", "dropped 0", "10.0 frames a second", "p99"] {
            assert!(text.contains(expected), "{text} lacks {expected}");
        }
    }
}
