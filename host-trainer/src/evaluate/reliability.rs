//! How far a classifier's scores can be trusted, as curves.
//!
//! A *verdict* is the top probability of a face and whether the class that has it is the true one.

use serde::{Deserialize, Serialize};

/// Equally wide bins of the top probability in which calibration is looked at.
pub const BINS: usize = 15;

/// What happens in one bin `(b/15, (b+1)/15]` of the top probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Number of the bin, from 0.
    pub index: usize,
    /// Faces in it, at least 1.
    pub faces: u64,
    /// Mean of the top probability of its faces, 0 to 1.
    pub confidence: f64,
    /// Share of its faces whose top class is the true one, 0 to 1.
    pub accuracy: f64,
}

/// What remains when faces below a threshold get no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Lowest top probability that gives a verdict.
    pub threshold: f64,
    /// Share of faces that get a verdict.
    pub coverage: f64,
    /// Share of right verdicts among them; `None` if there are none.
    pub accuracy: Option<f64>,
}

/// The bins that hold a face, in order. Calibrated scores have `accuracy` = `confidence` in each.
pub fn reliability(verdicts: &[(f64, bool)]) -> Vec<Bin> {
    let mut sums = [(0u64, 0.0, 0.0); BINS];
    for (top, right) in verdicts {
        let (faces, confidence, hits) = &mut sums[bin(*top, BINS)];
        *faces += 1;
        *confidence += top;
        *hits += f64::from(u8::from(*right));
    }
    let filled = sums.into_iter().enumerate().filter(|(_, (faces, ..))| *faces > 0);
    filled
        .map(|(index, (faces, confidence, hits))| {
            let [confidence, accuracy] = [confidence, hits].map(|sum| sum / faces as f64);
            Bin {
                index,
                faces,
                confidence,
                accuracy,
            }
        })
        .collect()
}

/// Coverage and accuracy at each of these thresholds.
pub fn coverage_curve(verdicts: &[(f64, bool)], thresholds: impl IntoIterator<Item = f64>) -> Vec<Coverage> {
    thresholds
        .into_iter()
        .map(|threshold| coverage(verdicts, threshold))
        .collect()
}

/// Expected calibration error with this many equally wide bins, at least one: the mean over faces of how far a bin's
/// accuracy is from its mean top probability; 0 without a face.
pub fn calibration_error(verdicts: &[(f64, bool)], bins: usize) -> f64 {
    // Per bin the sum of (right - probability): divided by all faces it is the bin's weighted gap.
    let mut gaps = vec![0.0; bins.max(1)];
    for (top, right) in verdicts {
        gaps[bin(*top, bins.max(1))] += f64::from(u8::from(*right)) - top;
    }
    gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / verdicts.len().max(1) as f64
}

/// The bin of a top probability.
fn bin(top: f64, bins: usize) -> usize {
    ((top * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

pub(super) fn coverage(verdicts: &[(f64, bool)], threshold: f64) -> Coverage {
    let given = verdicts.iter().filter(|(top, _)| *top >= threshold);
    let (count, right) = given.fold((0u64, 0u64), |(count, hits), (_, right)| {
        (count + 1, hits + u64::from(*right))
    });
    Coverage {
        threshold,
        coverage: count as f64 / verdicts.len().max(1) as f64,
        accuracy: (count > 0).then(|| right as f64 / count as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two faces in (6/15, 7/15], right and wrong; two in the last bin, both right.
    const VERDICTS: [(f64, bool); 4] = [(0.41, true), (0.45, false), (0.95, true), (1.0, true)];

    #[test]
    fn bins_hold_what_is_worked_out_by_hand() {
        let bins = reliability(&VERDICTS);
        assert_eq!(
            bins.iter()
                .map(|bin| (bin.index, bin.faces, bin.accuracy))
                .collect::<Vec<_>>(),
            [(6, 2, 0.5), (14, 2, 1.0)]
        );
        assert!((bins[0].confidence - 0.43).abs() < 1e-12 && (bins[1].confidence - 0.975).abs() < 1e-12);
        assert_eq!(reliability(&[]), []);
    }

    #[test]
    fn a_bin_ends_with_its_upper_bound() {
        let cases = [(0.0, 0), (1.0 / 15.0, 0), (0.0667, 1), (0.2, 2), (1.0, 14)];
        for (top, expected) in cases {
            assert_eq!(bin(top, BINS), expected, "{top}");
        }
    }

    #[test]
    fn coverage_falls_while_accuracy_rises() {
        let curve = coverage_curve(&VERDICTS, [0.0, 0.42, 0.5, 1.0, 1.1]);
        let expected = [
            (1.0, Some(0.75)),
            (0.75, Some(2.0 / 3.0)),
            (0.5, Some(1.0)),
            (0.25, Some(1.0)),
            (0.0, None),
        ];
        assert_eq!(
            curve.iter().map(|at| (at.coverage, at.accuracy)).collect::<Vec<_>>(),
            expected
        );
    }
}
