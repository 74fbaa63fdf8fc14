//! Ends a training whose validation loss no longer falls, as Keras's `EarlyStopping` with mode `min`
//! does. Keeping and restoring the best weights is the caller's part.

use serde::{Deserialize, Serialize};

/// After how long without progress a training ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EarlyStopConfig {
    /// Epochs without improvement until training ends.
    pub patience: u32,
    /// An improvement lowers the best loss by more than this.
    pub min_delta: f64,
}

impl Default for EarlyStopConfig {
    /// The original's patience.
    fn default() -> Self {
        Self {
            patience: 12,
            min_delta: 0.0,
        }
    }
}

/// What an epoch means for the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The best epoch so far: its weights are the ones to keep.
    Improved,
    /// No improvement, but patience is left.
    Waiting,
    /// No improvement, and patience is used up.
    Stop,
}

/// The best loss so far, and how long ago it was reached.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyStop {
    config: EarlyStopConfig,
    /// Lowest loss so far; `None` before the first, since JSON has no infinity.
    best: Option<f64>,
    /// Epochs since then.
    wait: u32,
    /// Epochs seen.
    epochs: u32,
}

impl EarlyStop {
    /// The state before the first epoch: any loss is progress.
    pub fn new(config: EarlyStopConfig) -> Self {
        Self {
            config,
            best: None,
            wait: 0,
            epochs: 0,
        }
    }

    /// Takes the validation loss of the epoch just ended. A loss that is no number counts as no
    /// improvement; as in Keras the first epoch never ends a training.
    pub fn step(&mut self, validation_loss: f64) -> Progress {
        self.epochs += 1;
        self.wait += 1;
        if validation_loss + self.config.min_delta < self.best.unwrap_or(f64::INFINITY) {
            self.best = Some(validation_loss);
            self.wait = 0;
            return Progress::Improved;
        }
        if self.wait >= self.config.patience && self.epochs > 1 {
            return Progress::Stop;
        }
        Progress::Waiting
    }

    /// The lowest loss so far; `None` before the first that is a number.
    pub fn best(&self) -> Option<f64> {
        self.best
    }
}

#[cfg(test)]
mod tests {
    use super::Progress::{Improved, Stop, Waiting};
    use super::*;

    fn progress(config: EarlyStopConfig, losses: &[f64]) -> Vec<Progress> {
        let mut stop = EarlyStop::new(config);
        let mut after = |loss: &f64| {
            let progress = stop.step(*loss);
            stop = serde_json::from_str(&serde_json::to_string(&stop).unwrap()).unwrap();
            progress
        };
        losses.iter().map(&mut after).collect()
    }

    #[test]
    fn follows_keras_traced_by_hand() {
        let config = |patience, min_delta| EarlyStopConfig { patience, min_delta };
        let cases: [(&str, EarlyStopConfig, &[f64], &[Progress]); 6] = [
            ("falling", config(1, 0.0), &[3.0, 2.0, 1.0], &[Improved; 3]),
            (
                "equal is no improvement",
                config(2, 0.0),
                &[3.0, 3.0, 3.0],
                &[Improved, Waiting, Stop],
            ),
            (
                "starts anew",
                config(2, 0.0),
                &[3.0, 4.0, 2.0, 2.5, 2.5],
                &[Improved, Waiting, Improved, Waiting, Stop],
            ),
            (
                "delta",
                config(2, 0.5),
                &[3.0, 2.6, 2.4, 2.0],
                &[Improved, Waiting, Improved, Waiting],
            ),
            ("no number", config(2, 0.0), &[f64::NAN, f64::NAN], &[Waiting, Stop]),
            (
                "not in the first epoch",
                config(0, 0.0),
                &[f64::NAN, 1.0, 2.0],
                &[Waiting, Improved, Stop],
            ),
        ];
        for (name, config, losses, expected) in cases {
            assert_eq!(progress(config, losses), expected, "{name}");
        }
    }

    #[test]
    fn default_waits_twelve_epochs_and_remembers_the_best() {
        let mut stop = EarlyStop::new(EarlyStopConfig::default());
        assert_eq!((stop.best(), stop.step(1.0)), (None, Improved));
        let rest: Vec<Progress> = (0..12).map(|_| stop.step(1.5)).collect();
        assert_eq!(rest, [vec![Waiting; 11], vec![Stop]].concat());
        assert_eq!(stop.best(), Some(1.0));
    }
}
