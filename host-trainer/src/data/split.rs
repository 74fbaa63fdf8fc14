//! Divides the rows of a data set into training, validation and test part.
//!
//! The honest ways keep a *group* - one person, or exact copies of one picture - on one side:
//! [`by_group`] at random, [`stratified`] with each class in proportion, [`by_usage`] along the parts that FER2013
//! names. [`random_rows`] knows no groups and exists to repeat figures that were measured so.
//!
//! The same seed gives the same split on every machine.

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use super::Usage;

mod stratified;

pub use stratified::stratified;

/// Rows of each part, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Rows that the weights are trained on.
    pub train: Vec<u32>,
    /// Rows to choose the best epoch by.
    pub validation: Vec<u32>,
    /// Rows for the final figures.
    pub test: Vec<u32>,
    /// Training rows that are copies of a test row; in no part.
    pub copies_of_test: Vec<u32>,
    /// Rows of a test part that was not asked for, or that a protocol has no use for; in no part.
    pub unused: Vec<u32>,
}

/// Which share of the rows goes into validation and test part; the rest is for training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fractions {
    /// 0 up to, with `test`, less than 1.
    pub validation: f64,
    /// 0 up to, with `validation`, less than 1.
    pub test: f64,
}

/// The parts of FER2013 that make up the test part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestPart {
    /// `PublicTest`.
    Public,
    /// `PrivateTest`, on which published figures are measured.
    Private,
    /// Both.
    Both,
}

/// Why a data set cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// The fractions leave nothing to train on, or are no fractions.
    #[error(
        "split: fractions {validation} for validation and {test} for test must be at least 0 and add up to less than 1"
    )]
    Fractions {
        /// Of validation.
        validation: f64,
        /// Of test.
        test: f64,
    },
    /// A part that should have rows has none.
    #[error("split: no row is left for {part} from {rows} rows in {groups} groups; give more data or other fractions")]
    EmptyPart {
        /// `training`, `validation` or `test`.
        part: &'static str,
        /// Rows to divide.
        rows: usize,
        /// Groups to divide.
        groups: usize,
    },
}

/// Divides by group at random.
///
/// Groups in random order fill the test part, then the validation part, up to the nearest to the wanted
/// number of rows; a large group that would overshoot by more than is lacking goes to the next part.
pub fn by_group(groups: &[u32], fractions: Fractions, seed: u64) -> Result<Split, SplitError> {
    divide(groups, fractions, seed, |sets, fraction| {
        take(sets, wanted(fraction, groups.len()))
    })
}

/// Takes the test part out of the groups in random order, then the validation part; the rest is for training. `take` says
/// which groups a part of this share gets.
fn divide(
    groups: &[u32],
    fractions: Fractions,
    seed: u64,
    take: impl Fn(&mut Vec<Vec<u32>>, f64) -> Vec<Vec<u32>>,
) -> Result<Split, SplitError> {
    fractions.check()?;
    let all: Vec<u32> = (0..groups.len() as u32).collect();
    let mut sets = shuffled_groups(&all, groups, seed);
    let count = sets.len();
    let test = take(&mut sets, fractions.test);
    let validation = take(&mut sets, fractions.validation);
    let split = Split {
        train: sorted(sets),
        validation: sorted(validation),
        test: sorted(test),
        ..Split::default()
    };
    split.check(fractions, groups.len(), count)
}

/// Divides along the parts of FER2013: its test rows are the test part, its training rows are divided
/// by group into training and validation part.
///
/// Training rows whose group has a member in the test part are left out, since the test would
/// otherwise ask for faces that the network was trained on. Both slices have one entry per row.
pub fn by_usage(
    groups: &[u32],
    usage: &[Usage],
    part: TestPart,
    validation: f64,
    seed: u64,
) -> Result<Split, SplitError> {
    let fractions = Fractions { validation, test: 0.0 };
    fractions.check()?;
    let mut split = Split::default();
    let mut training = Vec::new();
    for (row, usage) in (0..).zip(usage) {
        match usage {
            Usage::Training => training.push(row),
            usage if part.has(*usage) => split.test.push(row),
            _ => split.unused.push(row),
        }
    }
    let tested: std::collections::HashSet<u32> = split.test.iter().map(|row| groups[*row as usize]).collect();
    let (copies, training): (Vec<u32>, Vec<u32>) = training
        .into_iter()
        .partition(|row| tested.contains(&groups[*row as usize]));
    let mut sets = shuffled_groups(&training, groups, seed);
    let count = sets.len();
    let held = take(&mut sets, wanted(validation, training.len()));
    split.copies_of_test = copies;
    split.validation = sorted(held);
    split.train = sorted(sets);
    if split.test.is_empty() {
        return Err(empty("test", groups.len(), count));
    }
    split.check(fractions, training.len(), count)
}

/// Divides rows at random, whatever group they belong to.
///
/// Leaks: copies, frames of one person and, if the rows are augmented faces, variants of one face end
/// up on both sides, and figures measured so are too good. It is the protocol of the original
/// notebook, which augments first and then divides (as scikit-learn's `train_test_split`: the parts
/// are cut from one permutation, fractions rounded up). For `n` faces in `k` variants divide `n * k`
/// rows, row `r` being variant `r / n` of face `r % n`.
pub fn random_rows(count: usize, fractions: Fractions, seed: u64) -> Result<Split, SplitError> {
    fractions.check()?;
    let mut rows: Vec<u32> = (0..count as u32).collect();
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let cut = |fraction: f64| (fraction * count as f64).ceil() as usize;
    let test_end = cut(fractions.test).min(count);
    let validation_end = (test_end + cut(fractions.validation)).min(count);
    let train = rows.split_off(validation_end);
    let validation = rows.split_off(test_end);
    let split = Split {
        train: sorted(vec![train]),
        validation: sorted(vec![validation]),
        test: sorted(vec![rows]),
        ..Split::default()
    };
    split.check(fractions, count, count)
}

impl Fractions {
    fn check(self) -> Result<(), SplitError> {
        let Self { validation, test } = self;
        let fits = validation >= 0.0 && test >= 0.0 && validation + test < 1.0;
        fits.then_some(()).ok_or(SplitError::Fractions { validation, test })
    }
}

impl TestPart {
    fn has(self, usage: Usage) -> bool {
        match usage {
            Usage::Training => false,
            Usage::PublicTest => self != Self::Private,
            Usage::PrivateTest => self != Self::Public,
        }
    }
}

impl Split {
    /// Adds the parts of another set, whose first row is row `start` of both together.
    pub fn extend(&mut self, other: Self, start: u32) {
        let parts = [
            (&mut self.train, other.train),
            (&mut self.validation, other.validation),
            (&mut self.test, other.test),
            (&mut self.copies_of_test, other.copies_of_test),
            (&mut self.unused, other.unused),
        ];
        for (own, rows) in parts {
            own.extend(rows.iter().map(|row| row + start));
        }
    }

    /// Itself, if every part that should have rows has some.
    fn check(self, fractions: Fractions, rows: usize, groups: usize) -> Result<Self, SplitError> {
        if self.train.is_empty() {
            return Err(empty("training", rows, groups));
        }
        if fractions.validation > 0.0 && self.validation.is_empty() {
            return Err(empty("validation", rows, groups));
        }
        if fractions.test > 0.0 && self.test.is_empty() {
            return Err(empty("test", rows, groups));
        }
        Ok(self)
    }
}

fn empty(part: &'static str, rows: usize, groups: usize) -> SplitError {
    SplitError::EmptyPart { part, rows, groups }
}

fn wanted(fraction: f64, rows: usize) -> usize {
    (fraction * rows as f64).round() as usize
}

/// The rows of each group, the groups in random order; `groups` has an entry for every row.
fn shuffled_groups(rows: &[u32], groups: &[u32], seed: u64) -> Vec<Vec<u32>> {
    let highest = groups.iter().copied().max().map_or(0, |group| group as usize + 1);
    let mut sets = vec![Vec::new(); highest];
    for &row in rows {
        sets[groups[row as usize] as usize].push(row);
    }
    sets.retain(|set| !set.is_empty());
    sets.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    sets
}

/// Takes groups out of `sets` until about `wanted` rows are together.
fn take(sets: &mut Vec<Vec<u32>>, wanted: usize) -> Vec<Vec<u32>> {
    let mut lacking = wanted;
    // A group fits if it leaves the part nearer to the wanted size than before.
    let fits = |set: &mut Vec<u32>| {
        let taken = set.len() < 2 * lacking;
        lacking = lacking.saturating_sub(if taken { set.len() } else { 0 });
        taken
    };
    sets.extract_if(.., fits).collect()
}

fn sorted(sets: Vec<Vec<u32>>) -> Vec<u32> {
    let mut rows: Vec<u32> = sets.into_iter().flatten().collect();
    rows.sort_unstable();
    rows
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const TENTHS: Fractions = Fractions {
        validation: 0.1,
        test: 0.2,
    };

    /// 300 rows in 100 groups of 1 to 5.
    fn groups() -> Vec<u32> {
        (0..100).flat_map(|group| vec![group; group as usize % 5 + 1]).collect()
    }

    fn groups_in(rows: &[u32], groups: &[u32]) -> HashSet<u32> {
        rows.iter().map(|row| groups[*row as usize]).collect()
    }

    #[test]
    fn no_group_straddles_and_no_row_is_lost() {
        let groups = groups();
        for seed in 0..20 {
            let split = by_group(&groups, TENTHS, seed).unwrap();
            let parts = [&split.train, &split.validation, &split.test];
            let mut all: Vec<u32> = parts.into_iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..300).collect::<Vec<u32>>());
            let sets = parts.map(|part| groups_in(part, &groups));
            assert!(sets[0].is_disjoint(&sets[1]) && sets[0].is_disjoint(&sets[2]) && sets[1].is_disjoint(&sets[2]));
            assert!(split.test.len().abs_diff(60) <= 2 && split.validation.len().abs_diff(30) <= 2);
            assert!(parts.iter().all(|part| part.is_sorted()));
        }
    }

    #[test]
    fn seed_decides_the_split() {
        let groups = groups();
        assert_eq!(by_group(&groups, TENTHS, 7), by_group(&groups, TENTHS, 7));
        assert_ne!(by_group(&groups, TENTHS, 7), by_group(&groups, TENTHS, 8));
        assert_eq!(random_rows(300, TENTHS, 7), random_rows(300, TENTHS, 7));
        assert_ne!(random_rows(300, TENTHS, 7), random_rows(300, TENTHS, 8));
    }

    #[test]
    fn a_group_larger_than_the_part_stays_in_training() {
        // 50 single rows and one group of 50.
        let mut groups: Vec<u32> = (0..50).collect();
        groups.extend(vec![50; 50]);
        for seed in 0..20 {
            let split = by_group(&groups, TENTHS, seed).unwrap();
            assert_eq!((split.test.len(), split.validation.len()), (20, 10), "seed {seed}");
        }
    }

    #[test]
    fn usage_decides_and_copies_of_test_rows_are_left_out() {
        use Usage::{PrivateTest, PublicTest, Training};
        let usage = [
            Training,
            Training,
            PublicTest,
            Training,
            PrivateTest,
            Training,
            Training,
        ];
        // Rows 0 and 2 are copies, so are 3 and 4.
        let groups = [0, 1, 0, 2, 2, 3, 4];
        // Part, then the rows expected: test, left out as copies, unused; and how many to train on.
        let cases = [
            (TestPart::Public, vec![2], vec![0], vec![4], 3),
            (TestPart::Private, vec![4], vec![3], vec![2], 3),
            (TestPart::Both, vec![2, 4], vec![0, 3], vec![], 2),
        ];
        for (part, test, copies, unused, train) in cases {
            let split = by_usage(&groups, &usage, part, 0.34, 1).unwrap();
            assert_eq!(
                (split.test, split.copies_of_test, split.unused),
                (test, copies, unused),
                "{part:?}"
            );
            assert_eq!((split.validation.len(), split.train.len()), (1, train), "{part:?}");
        }
    }

    #[test]
    fn random_rows_round_up_and_ignore_groups() {
        let split = random_rows(
            11,
            Fractions {
                validation: 0.1,
                test: 0.25,
            },
            3,
        )
        .unwrap();
        assert_eq!((split.test.len(), split.validation.len(), split.train.len()), (3, 2, 6));
        let all: HashSet<u32> = [split.train, split.validation, split.test]
            .concat()
            .into_iter()
            .collect();
        assert_eq!(all.len(), 11);
    }

    #[test]
    fn refuses_fractions_and_data_that_leave_a_part_empty() {
        for (validation, test) in [(0.5, 0.5), (-0.1, 0.2), (f64::NAN, 0.1), (1.0, 0.0)] {
            let fractions = Fractions { validation, test };
            assert!(
                matches!(by_group(&[0, 1], fractions, 1), Err(SplitError::Fractions { .. })),
                "{fractions:?}"
            );
        }
        assert_eq!(by_group(&[0, 0, 0], TENTHS, 1), Err(empty("validation", 3, 1)));
        assert_eq!(by_group(&[], TENTHS, 1), Err(empty("training", 0, 0)));
        let usage = [Usage::Training; 4];
        assert_eq!(
            by_usage(&[0, 1, 2, 3], &usage, TestPart::Both, 0.1, 1),
            Err(empty("test", 4, 4))
        );
    }
}
