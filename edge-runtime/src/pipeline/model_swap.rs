//! Other networks for a run that goes on.

use crate::decide::DecideConfig;
use inference::Predictor;

/// Networks that take the place of those that run, with the same classes.
pub struct ModelSwap {
    /// Runs the new networks from the next frame on.
    pub predictor: Predictor,
    /// Thresholds and times of the decision, which no bundle changes.
    pub decide: DecideConfig,
    /// The bundle's own limit, a probability from 0 to 1, below which no emotion is told.
    pub abstain_below: f32,
}
