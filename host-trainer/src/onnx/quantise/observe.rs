//! Ranges of activations over calibration faces.

use std::collections::BTreeMap;

use anyhow::Result;

use super::super::graph::Graph;
use super::probe::Probe;
use super::{Range, qdq};

/// Bins of the histograms.
const BINS: usize = 2048;
/// Share of the values that the percentile observer keeps within the range.
const KEPT: f64 = 0.9999;
/// Ranges tried by the observer of the mean squared error, as shares of the full one: 100 steps down to this.
const NARROWEST: f32 = 0.2;

/// How the range of an activation is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
pub enum Observer {
    /// Everything that was seen.
    MinMax,
    /// All but the largest 0.01 % of what was seen.
    Percentile,
    /// The range with the least mean squared error of rounding and clipping together.
    Mse,
}

/// The range of every value that [`qdq::observed`] names.
pub(super) fn ranges(graph: &Graph, observer: Observer, faces: &[Vec<f32>]) -> Result<BTreeMap<String, Range>> {
    let values = qdq::observed(graph);
    let mut probe = Probe::of_values(graph, &values)?;
    let mut seen: Vec<Histogram> = vec![Histogram::new(); values.len()];
    for face in faces {
        probe.run(face, |at, values| seen[at].widen(values))?;
    }
    if observer != Observer::MinMax {
        for face in faces {
            probe.run(face, |at, values| seen[at].count(values))?;
        }
    }
    let range = |histogram: &Histogram| match observer {
        Observer::MinMax => Range::new(histogram.low, histogram.high),
        Observer::Percentile => histogram.percentile(),
        Observer::Mse => histogram.least_error(),
    };
    Ok(values
        .into_iter()
        .zip(&seen)
        .map(|(name, histogram)| (name, range(histogram)))
        .collect())
}

/// How often values occur between the lowest and the highest.
#[derive(Debug, Clone)]
struct Histogram {
    low: f32,
    high: f32,
    counts: Vec<u64>,
}

impl Histogram {
    fn new() -> Self {
        Self {
            low: 0.0,
            high: 0.0,
            counts: vec![0; BINS],
        }
    }

    fn widen(&mut self, values: &[f32]) {
        for value in values {
            self.low = self.low.min(*value);
            self.high = self.high.max(*value);
        }
    }

    fn count(&mut self, values: &[f32]) {
        let factor = BINS as f32 / self.width();
        for value in values {
            let bin = ((value - self.low) * factor) as usize;
            self.counts[bin.min(BINS - 1)] += 1;
        }
    }

    fn width(&self) -> f32 {
        (self.high - self.low).max(f32::MIN_POSITIVE)
    }

    /// Middle of each bin with its count, where there is one.
    fn bins(&self) -> impl Iterator<Item = (f32, u64)> {
        let step = self.width() / BINS as f32;
        let middle = move |at: usize| self.low + (at as f32 + 0.5) * step;
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(move |(at, count)| (middle(at), *count))
    }

    fn percentile(&self) -> Range {
        let total: u64 = self.counts.iter().sum();
        let outside = (total as f64 * (1.0 - KEPT)) as u64;
        // ReLU's outputs have no lower tail to cut: the many zeros are the lower end.
        let edge = |bins: &mut dyn Iterator<Item = (f32, u64)>, end: f32| {
            let mut passed = 0;
            for (middle, count) in bins {
                passed += count;
                if passed > outside {
                    return middle;
                }
            }
            end
        };
        let all: Vec<(f32, u64)> = self.bins().collect();
        let low = edge(&mut all.iter().copied(), self.low);
        let high = edge(&mut all.iter().rev().copied(), self.high);
        let step = self.width() / BINS as f32;
        Range::new((low - step / 2.0).max(self.low), (high + step / 2.0).min(self.high))
    }

    fn least_error(&self) -> Range {
        let error = |range: Range| -> f64 {
            self.bins()
                .map(|(value, count)| f64::from(value - range.round_trip(value)).powi(2) * count as f64)
                .sum()
        };
        let tried = (0..=100).map(|step| {
            let share = 1.0 - (1.0 - NARROWEST) * step as f32 / 100.0;
            Range::new(self.low * share, self.high * share)
        });
        let best = tried.min_by(|a, b| error(*a).total_cmp(&error(*b)));
        best.unwrap_or_else(|| Range::new(self.low, self.high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(values: &[f32]) -> Histogram {
        let mut histogram = Histogram::new();
        histogram.widen(values);
        histogram.count(values);
        histogram
    }

    /// 100,000 values in 0..1 and one far out.
    fn with_outlier() -> Histogram {
        let mut values: Vec<f32> = (0..100_000).map(|at| at as f32 / 100_000.0).collect();
        values.push(100.0);
        seen(&values)
    }

    #[test]
    fn an_outlier_widens_min_max_alone() {
        let histogram = with_outlier();
        assert!((Range::new(histogram.low, histogram.high).scale - 100.0 / 255.0).abs() < 1e-5);
        let percentile = histogram.percentile().scale * 255.0;
        assert!((1.0..1.2).contains(&percentile), "{percentile}");
        // Clipping the outlier to r costs (100 - r)², rounding the others about 100,000 (r / 255)² / 12: the sum is
        // least at 88.6 where errors are evenly spread, and with three levels below 1 they nearly are.
        let least = histogram.least_error().scale * 255.0;
        assert!((80.0..95.0).contains(&least), "{least}");
    }

    #[test]
    fn even_values_keep_their_whole_range() {
        let values: Vec<f32> = (0..=1000).map(|at| at as f32 / 1000.0).collect();
        let range = seen(&values).least_error();
        assert!((range.scale * 255.0 - 1.0).abs() < 0.02, "{range:?}");
    }
}
