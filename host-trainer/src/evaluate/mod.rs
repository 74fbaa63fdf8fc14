//! How good predictions are, in figures.
//!
//! Pure arithmetic over predictions and truth; running networks is done elsewhere. Every figure is
//! computed in 64 bits.

mod answers;
mod emotion;
mod emotion_table;
mod interval;
mod keypoints;
mod paired;
mod reliability;

pub use answers::{Answer, AnswerFigures, ClassAnswers, NEUTRAL};
pub(crate) use emotion::LEAST_PROBABILITY;
pub use emotion::{Averages, ClassMetrics, EmotionMetrics, Guess, THRESHOLDS};
pub use interval::{Figure, Units};
pub use keypoints::{KeypointMetrics, MeanShape, PointMetrics, normalised_error, point_distances};
pub use paired::McNemar;
pub use reliability::{BINS, Bin, Coverage, calibration_error, coverage_curve, reliability};

/// Why predictions cannot be measured. Faces are counted from 0 in the order given.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum MetricError {
    /// There is nothing to measure on.
    #[error("evaluate: no labelled face")]
    Empty,
    /// A prediction or a label is not a finite number: the training has diverged, or a model file is broken.
    #[error("evaluate: face {face} has a value that is no finite number; the network may have diverged")]
    NotFinite {
        /// The face.
        face: u64,
    },
    /// The scores of a face are no probabilities of the classes.
    #[error("evaluate: the scores of face {face} are not one probability per class, adding up to 1")]
    Scores {
        /// The face.
        face: u64,
    },
    /// The label of a face is not in the class set.
    #[error("evaluate: face {face} is of class {label}, but there are {classes} classes")]
    Label {
        /// The face.
        face: u64,
        /// Its label.
        label: u8,
        /// Number of classes.
        classes: usize,
    },
}
