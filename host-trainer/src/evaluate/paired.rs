//! Whether two classifiers differ by more than chance, judged on the same faces.

use serde::{Deserialize, Serialize};

/// Two classifiers on the same faces, with McNemar's exact test.
///
/// Only faces on which one of them is right tell anything about their difference. If both were equally good, each such
/// face would fall to either with probability 1/2 (McNemar, 1947; the exact, two-sided form).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Faces that both were shown.
    pub faces: u64,
    /// Faces on which the first alone is right.
    pub first_only: u64,
    /// Faces on which the second alone is right.
    pub second_only: u64,
    /// Accuracy of the second less that of the first, -1 to 1.
    pub accuracy_difference: f64,
    /// Probability of a difference at least as large between equally good classifiers, 0 to 1.
    pub p: f64,
}

impl McNemar {
    /// Compares face by face: whether the first is right, and whether the second is.
    pub fn of(faces: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let (mut count, mut first_only, mut second_only) = (0, 0, 0);
        for (first, second) in faces {
            count += 1;
            first_only += u64::from(first && !second);
            second_only += u64::from(second && !first);
        }
        Self {
            faces: count,
            first_only,
            second_only,
            accuracy_difference: (second_only as f64 - first_only as f64) / count.max(1) as f64,
            p: two_sided(first_only, second_only),
        }
    }
}

/// Probability that a fair coin falls at least as unevenly as this.
fn two_sided(heads: u64, tails: u64) -> f64 {
    let tosses = (heads + tails) as f64;
    // Logarithms, because 0.5 to the power of a thousand tosses is no number of 64 bits.
    let mut term = tosses * 0.5f64.ln();
    let mut tail = term.exp();
    for count in 0..heads.min(tails) {
        term += ((tosses - count as f64) / (count + 1) as f64).ln();
        tail += term.exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_test_gives_the_values_of_the_binomial_distribution() {
        // 2 * P(X <= k) of Binomial(n, 1/2), capped at 1.
        for (heads, tails, expected) in [
            (10, 2, 158.0 / 4096.0),
            (2, 10, 158.0 / 4096.0),
            (0, 6, 2.0 / 64.0),
            (5, 5, 1.0),
            (0, 0, 1.0),
        ] {
            let found = two_sided(heads, tails);
            assert!((found - expected).abs() < 1e-9, "{heads} against {tails}: {found}");
        }
        // Normal approximation with continuity correction: z = (1100 - 1000 - 1) / sqrt(2100) = 2.160, p = 0.0307.
        assert!(
            (two_sided(1100, 1000) - 0.0307).abs() < 2e-4,
            "{}",
            two_sided(1100, 1000)
        );
    }

    #[test]
    fn faces_on_which_both_agree_count_for_the_difference_alone() {
        let faces = [
            (true, true),
            (true, false),
            (false, true),
            (false, true),
            (false, false),
        ];
        let found = McNemar::of(faces);
        assert_eq!((found.faces, found.first_only, found.second_only), (5, 1, 2));
        assert!((found.accuracy_difference - 0.2).abs() < 1e-9);
        assert!((found.p - 1.0).abs() < 1e-9);
    }
}
