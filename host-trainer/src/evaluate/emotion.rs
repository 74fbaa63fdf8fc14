//! Figures of a classifier: hits and misses per class, and how far its probabilities can be trusted.

use serde::{Deserialize, Serialize};
use shared_model::emotion::ClassSet;

use super::MetricError;
use super::reliability::{BINS, Coverage, calibration_error, coverage};

/// Thresholds of the top probability for which coverage is given.
pub const THRESHOLDS: [f64; 7] = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// How far the sum of a face's scores may be from 1.
const SUM_TOLERANCE: f64 = 1e-3;

/// Probabilities are held off 0 by this before the logarithm is taken, as scikit-learn does for 32 bits.
pub(crate) const LEAST_PROBABILITY: f64 = f32::EPSILON as f64;

/// Figures over a set of faces.
///
/// The predicted class is the one with the highest score, the first of equals. Where a figure would
/// be a division by zero it is 0, as scikit-learn has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmotionMetrics {
    /// Number of faces that the figures are of.
    pub faces: u64,
    /// Share of faces whose predicted class is the true one.
    pub accuracy: f64,
    /// Figures per class, in the order of the class set.
    pub per_class: Vec<ClassMetrics>,
    /// Plain means over the classes.
    pub macro_average: Averages,
    /// Means over the classes weighted by support.
    pub weighted_average: Averages,
    /// Number of faces by true class (row) and predicted class (column).
    pub confusion: Vec<Vec<u64>>,
    /// Mean of -ln(probability of the true class), in nats.
    pub log_loss: f64,
    /// Expected calibration error: top probabilities fall into 15 equally wide bins `(b/15, (b+1)/15]`;
    /// the mean over faces of how far a bin's accuracy is from its mean top probability (Guo et al.,
    /// On Calibration of Modern Neural Networks, 2017, equation 3).
    pub calibration_error: f64,
    /// What is gained by giving no verdict on doubtful faces, per entry of [`THRESHOLDS`].
    pub coverage: Vec<Coverage>,
}

/// How well faces of one class are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassMetrics {
    /// Name of the class, as the bundle has it.
    pub label: String,
    /// Share of the faces predicted to be of the class that are.
    pub precision: f64,
    /// Share of the faces of the class that are predicted to be.
    pub recall: f64,
    /// Harmonic mean of precision and recall, 0 to 1.
    pub f1: f64,
    /// Faces that are truly of the class.
    pub support: u64,
}

/// Means of the figures of all classes, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Averages {
    /// Mean of the classes' precision, 0 to 1.
    pub precision: f64,
    /// Mean of the classes' recall, 0 to 1.
    pub recall: f64,
    /// Mean of the classes' F1, 0 to 1.
    pub f1: f64,
}

/// What a verdict that looks at no face comes to: always the class with the most faces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Guess {
    /// The most frequent class, the first of equals.
    pub label: String,
    /// Share of faces that are of this class, 0 to 1.
    pub accuracy: f64,
    /// Plain mean over the classes of F1, 0 to 1; that of every other class is 0.
    pub macro_f1: f64,
}

impl Guess {
    /// Always the first of the classes with the most faces, of those given with their numbers; `None` without a face.
    pub(super) fn majority<'a>(classes: impl IntoIterator<Item = (&'a str, u64)>) -> Option<Self> {
        let classes: Vec<(&str, u64)> = classes.into_iter().collect();
        let faces: u64 = classes.iter().map(|(_, own)| own).sum();
        // The last of equals is taken, so the first one has to come last.
        let (label, most) = classes.iter().rev().max_by_key(|(_, own)| *own)?;
        (faces > 0).then(|| Self {
            label: (*label).to_owned(),
            accuracy: share(*most, faces),
            macro_f1: share(2 * most, faces + most) / classes.len() as f64,
        })
    }
}

/// What is counted face by face.
struct Counts {
    confusion: Vec<Vec<u64>>,
    /// Top probability, and whether the verdict was right, of each face.
    verdicts: Vec<(f64, bool)>,
    loss: f64,
}

impl EmotionMetrics {
    /// Measures faces given as one probability per class and the true class.
    pub fn measure<'a>(
        classes: &ClassSet,
        faces: impl IntoIterator<Item = (&'a [f32], u8)>,
    ) -> Result<Self, MetricError> {
        let mut counts = Counts {
            confusion: vec![vec![0; classes.len()]; classes.len()],
            verdicts: Vec::new(),
            loss: 0.0,
        };
        for (face, (scores, label)) in (0..).zip(faces) {
            check(face, scores, label, classes.len())?;
            counts.add(scores, label.into());
        }
        if counts.verdicts.is_empty() {
            return Err(MetricError::Empty);
        }
        Ok(counts.figures(classes))
    }

    /// The baseline of these faces, which a network must beat to be worth anything; `None` without a class.
    pub fn majority(&self) -> Option<Guess> {
        let classes = self.per_class.iter();
        Guess::majority(classes.map(|class| (class.label.as_str(), class.support)))
    }
}

fn check(face: u64, scores: &[f32], label: u8, classes: usize) -> Result<(), MetricError> {
    if usize::from(label) >= classes {
        return Err(MetricError::Label { face, label, classes });
    }
    if !scores.iter().all(|score| score.is_finite()) {
        return Err(MetricError::NotFinite { face });
    }
    let sum: f64 = scores.iter().map(|score| f64::from(*score)).sum();
    let probabilities = scores.len() == classes && scores.iter().all(|score| *score >= 0.0);
    if probabilities && (sum - 1.0).abs() <= SUM_TOLERANCE {
        return Ok(());
    }
    Err(MetricError::Scores { face })
}

impl Counts {
    fn add(&mut self, scores: &[f32], label: usize) {
        let (mut predicted, mut top) = (0, f32::NEG_INFINITY);
        for (class, &score) in scores.iter().enumerate() {
            if score > top {
                (predicted, top) = (class, score);
            }
        }
        self.confusion[label][predicted] += 1;
        self.verdicts.push((f64::from(top), predicted == label));
        self.loss -= f64::from(scores[label])
            .clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
            .ln();
    }

    fn figures(self, classes: &ClassSet) -> EmotionMetrics {
        let faces = self.verdicts.len() as u64;
        let per_class = per_class(classes, &self.confusion);
        let right = self.verdicts.iter().filter(|(_, right)| *right).count();
        EmotionMetrics {
            faces,
            accuracy: share(right as u64, faces),
            macro_average: average(&per_class, |_| 1),
            weighted_average: average(&per_class, |class| class.support),
            per_class,
            log_loss: self.loss / faces as f64,
            calibration_error: calibration_error(&self.verdicts, BINS),
            coverage: THRESHOLDS.map(|threshold| coverage(&self.verdicts, threshold)).to_vec(),
            confusion: self.confusion,
        }
    }
}

/// `part / whole`, 0 if both are 0.
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn per_class(classes: &ClassSet, confusion: &[Vec<u64>]) -> Vec<ClassMetrics> {
    let figures = |(class, label): (usize, &str)| {
        let hits = confusion[class][class];
        let support = confusion[class].iter().sum();
        let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
        ClassMetrics {
            label: label.to_owned(),
            precision: share(hits, predicted),
            recall: share(hits, support),
            // 2PR / (P + R), written in counts.
            f1: share(2 * hits, support + predicted),
            support,
        }
    };
    classes.iter().enumerate().map(figures).collect()
}

fn average(classes: &[ClassMetrics], weight: impl Fn(&ClassMetrics) -> u64) -> Averages {
    let total: u64 = classes.iter().map(&weight).sum();
    let mean = |figure: fn(&ClassMetrics) -> f64| {
        let sum: f64 = classes.iter().map(|class| figure(class) * weight(class) as f64).sum();
        sum / total as f64
    };
    Averages {
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: mean(|class| class.f1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [[f32; 3]; 9] = [
        [0.71, 0.19, 0.1],
        [0.07, 0.83, 0.1],
        [0.2, 0.28, 0.52],
        [0.63, 0.27, 0.1],
        [0.3, 0.45, 0.25],
        [0.05, 0.92, 0.03],
        [0.21, 0.34, 0.45],
        [0.53, 0.27, 0.2],
        [0.1, 0.88, 0.02],
    ];
    const LABELS: [u8; 9] = [0, 1, 2, 1, 0, 1, 2, 0, 0];

    fn classes() -> ClassSet {
        ClassSet::new(&["Angry", "Happy", "Sad"]).unwrap()
    }

    fn measured() -> EmotionMetrics {
        let faces = SCORES.iter().map(<[f32; 3]>::as_slice).zip(LABELS);
        EmotionMetrics::measure(&classes(), faces).unwrap()
    }

    fn close(got: f64, expected: f64, name: &str) {
        assert!((got - expected).abs() < 1e-6, "{name}: {got} instead of {expected}");
    }

    #[test]
    fn figures_equal_scikit_learn() {
        // scikit-learn 1.9.1: confusion_matrix, classification_report, log_loss of the table above.
        let metrics = measured();
        assert_eq!(metrics.confusion, [[2, 2, 0], [1, 2, 0], [0, 0, 2]]);
        close(metrics.accuracy, 0.6666666666666666, "accuracy");
        let expected = [
            (0.6666666666666666, 0.5, 0.5714285714285714, 4),
            (0.5, 0.6666666666666666, 0.5714285714285714, 3),
            (1.0, 1.0, 1.0, 2),
        ];
        for (class, (precision, recall, f1, support)) in metrics.per_class.iter().zip(expected) {
            close(class.precision, precision, "precision");
            close(class.recall, recall, "recall");
            close(class.f1, f1, "f1");
            assert_eq!(class.support, support);
        }
        let means = [
            (
                metrics.macro_average,
                [0.7222222222222222, 0.7222222222222222, 0.7142857142857143],
            ),
            (
                metrics.weighted_average,
                [0.6851851851851851, 0.6666666666666666, 0.6666666666666666],
            ),
        ];
        for (mean, [precision, recall, f1]) in means {
            close(mean.precision, precision, "mean precision");
            close(mean.recall, recall, "mean recall");
            close(mean.f1, f1, "mean f1");
        }
        close(metrics.log_loss, 0.8350450396537781, "log loss");
    }

    #[test]
    fn guessing_is_always_the_first_of_the_most_frequent_classes() {
        let guess = measured().majority().unwrap();
        assert_eq!(guess.label, "Angry");
        // Of nine faces four are Angry: 2 * 4 / (9 + 4) is its F1, that of the two others 0.
        close(guess.accuracy, 4.0 / 9.0, "accuracy");
        close(guess.macro_f1, 8.0 / 13.0 / 3.0, "macro f1");
        let equals = Guess::majority([("Sad", 1), ("Happy", 3), ("Angry", 3)]).unwrap();
        assert_eq!(equals.label, "Happy");
        assert_eq!(Guess::majority([("Sad", 0)]), None);
    }

    #[test]
    fn calibration_error_worked_out_by_hand() {
        // Bins: .45 .45 | .52 .53 | .63 | .71 | .83 | .88 .92; the second .45 and .92 are right, .63 and
        // .88 wrong, the rest right: |1-.9| + |2-1.05| + .63 + .29 + .17 + |1-1.8| over 9.
        close(
            measured().calibration_error,
            (0.1 + 0.95 + 0.63 + 0.29 + 0.17 + 0.8) / 9.0,
            "error",
        );
    }

    #[test]
    fn coverage_counts_faces_at_or_above_the_threshold() {
        let verdicts = [(0.9, true), (0.8, false), (0.7, true), (0.5, false)];
        for (threshold, share, accuracy) in [
            (0.0, 1.0, Some(0.5)),
            (0.7, 0.75, Some(2.0 / 3.0)),
            (0.85, 0.25, Some(1.0)),
            (0.95, 0.0, None),
        ] {
            let found = coverage(&verdicts, threshold);
            assert_eq!((found.coverage, found.accuracy), (share, accuracy), "{threshold}");
        }
        assert_eq!(measured().coverage.len(), THRESHOLDS.len());
    }

    #[test]
    fn a_class_that_never_occurs_scores_0_and_counts_in_the_macro_mean() {
        let faces = [(&[1.0, 0.0, 0.0][..], 0), (&[0.0, 1.0, 0.0][..], 1)];
        let metrics = EmotionMetrics::measure(&classes(), faces).unwrap();
        let never = &metrics.per_class[2];
        assert_eq!(
            (never.precision, never.recall, never.f1, never.support),
            (0.0, 0.0, 0.0, 0)
        );
        close(metrics.macro_average.f1, 2.0 / 3.0, "macro f1");
        close(metrics.weighted_average.f1, 1.0, "weighted f1");
        // A certain hit costs next to nothing, and a certain miss is no infinity.
        assert!(metrics.log_loss < 1e-6);
        let miss = EmotionMetrics::measure(&classes(), [(&[1.0, 0.0, 0.0][..], 1)]).unwrap();
        close(miss.log_loss, -LEAST_PROBABILITY.ln(), "log loss of a miss");
    }

    #[test]
    fn refuses_what_cannot_be_measured() {
        let measure = |scores: &[f32], label| EmotionMetrics::measure(&classes(), [(scores, label)]).unwrap_err();
        let good = [0.2, 0.3, 0.5];
        assert_eq!(EmotionMetrics::measure(&classes(), []), Err(MetricError::Empty));
        assert_eq!(measure(&[f32::NAN, 0.5, 0.5], 0), MetricError::NotFinite { face: 0 });
        for scores in [&[0.5, 0.5][..], &[2.0, 3.0, -4.0], &[0.2, 0.2, 0.2], &[]] {
            assert_eq!(measure(scores, 0), MetricError::Scores { face: 0 }, "{scores:?}");
        }
        assert!(matches!(
            measure(&good, 3),
            MetricError::Label {
                label: 3,
                classes: 3,
                ..
            }
        ));
    }

    #[test]
    fn json_keeps_the_figures() {
        let json = serde_json::to_string(&measured()).unwrap();
        assert_eq!(serde_json::from_str::<EmotionMetrics>(&json).unwrap(), measured());
    }
}
