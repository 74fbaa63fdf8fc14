//! How weights move, how fast over time, and until when.

use serde::{Deserialize, Serialize};

use super::{ConfigError, require};

/// By which rule weights move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Adam, or AdamW where `decoupled` is set.
    #[default]
    Adam,
    /// Stochastic gradient descent with momentum; `beta1`, `beta2`, `epsilon` and `amsgrad` do not count.
    Sgd,
}

impl Rule {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_adam(&self) -> bool {
        *self == Self::Adam
    }
}

/// How a step moves the weights: the rule, and its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimiser {
    /// The rule by which gradients become steps; Adam where the settings name none.
    #[serde(default, skip_serializing_if = "Rule::is_adam")]
    pub rule: Rule,
    /// Share of the last step that the next one keeps, 0 to below 1; of `sgd`, where it is 0.9 unless it is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f32>,
    /// Highest learning rate of the training, above 0.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment; Keras's is 1e-7.
    pub epsilon: f32,
    /// Keep the largest second moment seen (AMSGrad).
    pub amsgrad: bool,
    /// Weight decay a step, from 0; it acts on every parameter, biases and norms included.
    pub weight_decay: f32,
    /// Whether the decay acts on the weights (AdamW) or is added to the gradient (Adam with L2).
    pub decoupled: bool,
    /// Longest gradient over all parameters; 0 is off.
    pub clip: f32,
}

impl Optimiser {
    /// Checks every range.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let rate = self.learning_rate;
        require(
            rate.is_finite() && rate > 0.0,
            "optimiser.learning_rate",
            "a number above 0",
        )?;
        let sgd = self.rule == Rule::Sgd;
        let momentum = self
            .momentum
            .is_none_or(|momentum| sgd && (0.0..1.0).contains(&momentum));
        require(
            momentum,
            "optimiser.momentum",
            "at least 0 and below 1, and only for sgd",
        )?;
        require(!(sgd && self.decoupled), "optimiser.decoupled", "false for sgd")
    }
}

/// How the learning rate changes over the steps and epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum Schedule {
    /// Keras's `ReduceLROnPlateau` on the validation loss.
    Plateau {
        /// What the rate is multiplied with.
        factor: f64,
        /// Epochs without progress before.
        patience: u32,
        /// Lowest rate.
        minimum: f64,
    },
    /// The learning rate throughout.
    Constant,
    /// Goes down in steps.
    Step {
        /// Epochs between two steps, at least 1.
        every: u32,
        /// What the rate is multiplied with at each.
        factor: f64,
    },
    /// Rises to the learning rate in a straight line, then falls to nothing along half a cosine.
    Cosine {
        /// Share of all steps in which it rises, 0 to below 1.
        warmup: f64,
    },
    /// Rises to the learning rate, then falls to nothing, both along a cosine (Smith and Topin, 2018).
    OneCycle {
        /// Share of all steps in which it rises.
        warmup: f64,
    },
}

impl Schedule {
    /// Whether the rate depends on how long the whole training is, so that it cannot become longer later.
    pub fn knows_its_end(self) -> bool {
        matches!(self, Self::OneCycle { .. } | Self::Cosine { .. })
    }

    /// Checks every range.
    pub(super) fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Step { every, factor } => {
                require(every >= 1, "schedule.every", "1 or more")?;
                require(
                    factor > 0.0 && factor <= 1.0,
                    "schedule.factor",
                    "above 0 and at most 1",
                )
            }
            Self::Cosine { warmup } | Self::OneCycle { warmup } => require(
                (0.0..1.0).contains(&warmup),
                "schedule.warmup",
                "at least 0 and below 1",
            ),
            Self::Plateau { .. } | Self::Constant => Ok(()),
        }
    }
}

/// When to stop, and what to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// Epochs without progress after which to stop; 0 is never.
    pub patience: u32,
    /// What progress is, and which epoch's weights are kept.
    pub monitor: Monitor,
}

/// What tells one epoch's weights from another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Validation loss, lower is better.
    Loss,
    /// Validation accuracy, higher is better.
    Accuracy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::model::Task;

    #[test]
    fn gradient_descent_takes_a_momentum_and_adam_none() {
        let mut optimiser = TrainConfig::original(Task::Emotion).optimiser;
        optimiser.momentum = Some(0.9);
        assert!(optimiser.check().is_err(), "of Adam");
        optimiser.rule = Rule::Sgd;
        assert!(optimiser.check().is_ok());
        optimiser.decoupled = true;
        assert!(optimiser.check().is_err());
    }

    #[test]
    fn schedules_have_ranges_and_two_of_them_know_their_end() {
        assert!(Schedule::Step { every: 0, factor: 0.5 }.check().is_err());
        assert!(Schedule::Cosine { warmup: 1.0 }.check().is_err());
        let all = [
            Schedule::Constant,
            Schedule::Step { every: 5, factor: 0.5 },
            Schedule::Cosine { warmup: 0.1 },
            Schedule::OneCycle { warmup: 0.1 },
        ];
        assert!(all.iter().all(|own| own.check().is_ok()));
        assert_eq!(all.map(Schedule::knows_its_end), [false, false, true, true]);
    }
}
