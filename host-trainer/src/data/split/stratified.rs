//! Divides by group so that each part has its share of every class.

use super::{Fractions, Split, SplitError, divide};

/// Less than any move changes the distance by; what rounding leaves must not move a group to and fro.
const NOTHING: f64 = 1e-9;

/// Divides by group at random, each class in proportion.
///
/// Groups in random order, large ones first, join the test part, then the validation part, where that brings the part's
/// count of each class nearer to its share, and leave it again where others have taken their place. A group of several
/// classes joins where it helps more than it harms, a rare class counting as much as a frequent one. Both slices have one
/// entry per row.
///
/// # Errors
/// As [`super::by_group`]. A class with half a row or less for a part has none there, which is no error.
pub fn stratified(groups: &[u32], classes: &[u8], fractions: Fractions, seed: u64) -> Result<Split, SplitError> {
    let all: Vec<u32> = (0..groups.len() as u32).collect();
    let rows = counts(&all, classes);
    divide(groups, fractions, seed, |sets, fraction| {
        take(sets, classes, &rows.map(|rows| fraction * f64::from(rows)))
    })
}

/// Rows of each class.
fn counts(rows: &[u32], classes: &[u8]) -> [u32; 256] {
    let mut counts = [0; 256];
    for row in rows {
        counts[usize::from(classes[*row as usize])] += 1;
    }
    counts
}

/// Takes groups out of `sets` until about `wanted` rows of each class are together.
fn take(sets: &mut Vec<Vec<u32>>, classes: &[u8], wanted: &[f64; 256]) -> Vec<Vec<u32>> {
    // Small groups fill what large ones leave; those of a size stay in random order.
    sets.sort_by_key(|set| std::cmp::Reverse(set.len()));
    let counts: Vec<Vec<(usize, f64)>> = sets.iter().map(|set| present(set, classes)).collect();
    let mut taken = vec![false; sets.len()];
    let mut lacking = *wanted;
    let mut moved = true;
    // Each move brings the part nearer to what is wanted, so there is a last one.
    while moved {
        moved = false;
        for (taken, counts) in taken.iter_mut().zip(&counts) {
            let sign = if *taken { -1.0 } else { 1.0 };
            if growth(counts, sign, &lacking, wanted) < -NOTHING {
                for (class, count) in counts {
                    lacking[*class] -= sign * count;
                }
                (*taken, moved) = (!*taken, true);
            }
        }
    }
    let mut taken = taken.into_iter();
    sets.extract_if(.., |_| taken.next() == Some(true)).collect()
}

/// The classes of a group, each with its rows.
fn present(set: &[u32], classes: &[u8]) -> Vec<(usize, f64)> {
    let counts = counts(set, classes).into_iter().enumerate();
    let present = counts.filter(|(_, count)| *count > 0);
    present.map(|(class, count)| (class, f64::from(count))).collect()
}

/// By how much the squared distance from what is wanted, relative to it, grows where a group joins (`sign` 1) or leaves (-1).
fn growth(counts: &[(usize, f64)], sign: f64, lacking: &[f64; 256], wanted: &[f64; 256]) -> f64 {
    let growth = |&(class, count): &(usize, f64)| {
        if wanted[class] > 0.0 {
            count * (count - 2.0 * sign * lacking[class]) / wanted[class]
        } else {
            f64::INFINITY
        }
    };
    counts.iter().map(growth).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const FRACTIONS: Fractions = Fractions {
        validation: 0.1,
        test: 0.2,
    };

    /// Parts of a split, in the order test, validation, training.
    fn parts(split: &Split) -> [&[u32]; 3] {
        [&split.test, &split.validation, &split.train]
    }

    #[test]
    fn rows_of_their_own_are_divided_exactly_in_proportion() {
        // 300 rows of class 0, 100 of class 1, 10 of class 2.
        let classes: Vec<u8> = [vec![0; 300], vec![1; 100], vec![2; 10]].concat();
        let groups: Vec<u32> = (0..410).collect();
        for seed in 0..20 {
            let split = stratified(&groups, &classes, FRACTIONS, seed).unwrap();
            let found = parts(&split).map(|rows| counts(rows, &classes)[..3].to_vec());
            assert_eq!(
                found,
                [vec![60, 20, 2], vec![30, 10, 1], vec![210, 70, 7]],
                "seed {seed}"
            );
        }
        let by_group = |seed| super::super::by_group(&groups, FRACTIONS, seed).unwrap();
        let alike = (0..20).filter(|seed| counts(&by_group(*seed).test, &classes)[..3] == [60, 20, 2]);
        assert!(alike.count() < 10, "without it chance decides");
    }

    #[test]
    fn people_with_several_classes_stay_together_and_classes_near_their_share() {
        // 120 people with one to five pictures, the classes of which they are follow no pattern of the split.
        let groups: Vec<u32> = (0..120).flat_map(|own| vec![own; own as usize % 5 + 1]).collect();
        let classes: Vec<u8> = (0..groups.len()).map(|row| (row * row % 7 % 3) as u8).collect();
        let all = counts(&(0..groups.len() as u32).collect::<Vec<_>>(), &classes);
        for seed in 0..20 {
            let split = stratified(&groups, &classes, FRACTIONS, seed).unwrap();
            let people =
                parts(&split).map(|rows| -> HashSet<u32> { rows.iter().map(|row| groups[*row as usize]).collect() });
            assert!(
                people[0].is_disjoint(&people[1])
                    && people[0].is_disjoint(&people[2])
                    && people[1].is_disjoint(&people[2])
            );
            assert_eq!(parts(&split).map(<[u32]>::len).iter().sum::<usize>(), groups.len());
            for (rows, fraction) in parts(&split).into_iter().zip([0.2, 0.1]) {
                let found = counts(rows, &classes);
                let off = (0..3).map(|class| (f64::from(found[class]) - fraction * f64::from(all[class])).abs());
                assert!(
                    off.fold(0.0, f64::max) <= 3.0,
                    "seed {seed}: {:?} of {:?}",
                    &found[..3],
                    &all[..3]
                );
            }
        }
    }

    #[test]
    fn the_seed_decides_and_a_part_that_is_not_wanted_stays_empty() {
        let groups: Vec<u32> = (0..60).collect();
        let classes: Vec<u8> = (0..60).map(|row| row % 2).collect();
        let split = |seed| stratified(&groups, &classes, FRACTIONS, seed);
        assert_eq!(split(7), split(7));
        assert_ne!(split(7), split(8));
        let none = Fractions { test: 0.0, ..FRACTIONS };
        assert_eq!(stratified(&groups, &classes, none, 1).unwrap().test, [0u32; 0]);
        assert!(
            stratified(&[0, 0], &[0, 1], FRACTIONS, 1).is_err(),
            "one person cannot be on two sides"
        );
    }
}
