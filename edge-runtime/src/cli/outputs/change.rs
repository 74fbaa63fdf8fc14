//! By how much a receiver changes the p99 of a frame, and whether that is less than the limit.
//!
//! A *block* is a hundred frames that are told and as many that are not; it gives one change. Blocks are taken until the
//! change is told from the limit. Each *look* at them may err, so that all looks share the error that is allowed.

use std::time::Duration;

use crate::cli::times::percentile;

/// Numbers of blocks after which is looked; the last one ends the measurement.
const LOOKS: [usize; 6] = [15, 30, 60, 120, 240, 480];

/// How often an interval misses the change, over all looks at one receiver.
const MISSES: f64 = 0.05;

/// What was found of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finding {
    /// It is less than the limit.
    Less,
    /// It is the limit or more.
    More,
    /// The blocks do not tell.
    Open,
}

/// The changes of blocks, in percent of the p99 without.
#[derive(Debug, Clone, Default)]
pub(super) struct Change(Vec<f64>);

impl Change {
    /// Takes in how long the frames of one block took.
    pub(super) fn add(&mut self, without: &[Duration], with: &[Duration]) {
        let [without, with] = [without, with].map(|times| percentile(times, 0.99).as_secs_f64());
        self.0.push(100.0 * (with / without.max(f64::MIN_POSITIVE) - 1.0));
    }

    /// What is found where it is time to look, and no more blocks are needed.
    pub(super) fn finding(&self, limit: f64) -> Option<Finding> {
        if !LOOKS.contains(&self.0.len()) {
            return None;
        }
        let [from, to] = self.between();
        if to < limit {
            return Some(Finding::Less);
        }
        if from >= limit {
            return Some(Finding::More);
        }
        (LOOKS.last() == Some(&self.0.len())).then_some(Finding::Open)
    }

    /// The median over the blocks.
    pub(super) fn middle(&self) -> f64 {
        let sorted = self.sorted();
        let upper = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
        let lower = sorted.get(sorted.len().saturating_sub(1) / 2).copied();
        f64::midpoint(lower.unwrap_or_default(), upper)
    }

    /// Between which values the median of all blocks that there could be lies.
    pub(super) fn between(&self) -> [f64; 2] {
        let sorted = self.sorted();
        let outside = outside(sorted.len(), MISSES / LOOKS.len() as f64);
        let from = outside.checked_sub(1).and_then(|at| sorted.get(at)).copied();
        let to = sorted.len().checked_sub(outside).and_then(|at| sorted.get(at)).copied();
        [from.unwrap_or(f64::NEG_INFINITY), to.unwrap_or(f64::INFINITY)]
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// The rank, from 1, of the value that ends the interval at either side: the median lies beyond one of them no more often than
/// `misses`. Each value lies below the median with a probability of one half, whatever their distribution.
fn outside(count: usize, misses: f64) -> usize {
    let mut probability = 0.5_f64.powi(count as i32);
    let (mut rank, mut below) = (0, 0.0);
    while rank < count && 2.0 * (below + probability) <= misses {
        below += probability;
        rank += 1;
        probability *= (count - rank + 1) as f64 / rank as f64;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks around a change, as far apart as they are on a machine that does something else.
    fn blocks(count: usize, around: f64) -> Change {
        Change((0..count).map(|at| around + (at * 8 % 21) as f64 - 10.0).collect())
    }

    #[test]
    fn the_interval_is_that_of_the_binomial_distribution() {
        // Tables of the sign test: 15 values, 5 % and 1 %; 100 values, 5 %.
        assert_eq!((outside(15, 0.05), outside(15, 0.01), outside(100, 0.05)), (4, 3, 40));
        assert_eq!(outside(4, 0.05), 0);
        assert_eq!(Change(vec![1.0; 4]).between(), [f64::NEG_INFINITY, f64::INFINITY]);
        let change = Change((0..15).map(f64::from).collect());
        assert_eq!((change.middle(), change.between()), (7.0, [2.0, 12.0]));
    }

    #[test]
    fn blocks_are_taken_until_the_change_is_told_from_the_limit() {
        let ends = |around| {
            (1..=480)
                .find_map(|count| blocks(count, around).finding(5.0).map(|finding| (count, finding)))
                .unwrap()
        };
        assert_eq!(ends(-5.0), (15, Finding::Less));
        assert_eq!(ends(20.0), (15, Finding::More));
        assert!(ends(3.0).0 > 15 && ends(3.0).1 == Finding::Less);
        assert!(ends(8.0).0 > 15 && ends(8.0).1 == Finding::More);
        assert_eq!(ends(5.0), (480, Finding::Open));
    }

    #[test]
    fn a_block_gives_the_change_of_its_p99() {
        let times = |slowest: u64| {
            let mut times = vec![Duration::from_millis(1); 98];
            times.extend([Duration::from_micros(slowest), Duration::from_secs(1)]);
            times
        };
        let mut change = Change::default();
        change.add(&times(2000), &times(2100));
        assert!((change.middle() - 5.0).abs() < 1e-9);
    }
}
