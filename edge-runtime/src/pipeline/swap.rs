//! Other networks for a run that goes on.

use crate::decide::DecideConfig;
use inference::Predictor;

/// Networks that take the place of those that run, with the same classes.
pub struct Swap {
    /// The networks.
    pub predictor: Predictor,
    /// How verdicts are formed, whatever the bundle.
    pub decide: DecideConfig,
    /// The bundle's limit below which no emotion is told.
    pub abstain_below: f32,
}
