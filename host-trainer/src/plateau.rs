//! Lowers the learning rate when the validation loss no longer falls, as Keras's `ReduceLROnPlateau`
//! with mode `min` does.

use serde::{Deserialize, Serialize};

/// When and by how much the rate is lowered.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlateauConfig {
    /// The rate is multiplied by this, above 0 and below 1.
    pub factor: f64,
    /// Epochs without improvement until it is.
    pub patience: u32,
    /// An improvement lowers the best loss by more than this.
    pub min_delta: f64,
    /// Epochs after a reduction in which none without improvement is counted.
    pub cooldown: u32,
    /// The rate never falls below this.
    pub min_learning_rate: f64,
}

impl Default for PlateauConfig {
    /// The original's factor, patience and lower bound, the rest as in Keras.
    fn default() -> Self {
        Self {
            factor: 0.65,
            patience: 5,
            min_delta: 1e-4,
            cooldown: 0,
            min_learning_rate: 1e-8,
        }
    }
}

/// The best loss so far, and how long the learning rate has to wait.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    config: PlateauConfig,
    /// Lowest loss so far; `None` before the first, since JSON has no infinity.
    best: Option<f64>,
    /// Epochs without improvement since the last improvement or reduction.
    wait: u32,
    cooldown_left: u32,
}

impl Plateau {
    /// The state before the first epoch: any loss is progress.
    pub fn new(config: PlateauConfig) -> Self {
        Self {
            config,
            best: None,
            wait: 0,
            cooldown_left: 0,
        }
    }

    /// The learning rate of the next epoch, given the validation loss and the rate of the one just
    /// ended. A loss that is no number counts as no improvement.
    pub fn step(&mut self, validation_loss: f64, learning_rate: f64) -> f64 {
        if self.cooldown_left > 0 {
            self.cooldown_left -= 1;
            self.wait = 0;
        }
        if validation_loss < self.best.unwrap_or(f64::INFINITY) - self.config.min_delta {
            self.best = Some(validation_loss);
            self.wait = 0;
            return learning_rate;
        }
        if self.cooldown_left > 0 {
            return learning_rate;
        }
        self.wait += 1;
        if self.wait < self.config.patience || learning_rate <= self.config.min_learning_rate {
            return learning_rate;
        }
        self.cooldown_left = self.config.cooldown;
        self.wait = 0;
        (learning_rate * self.config.factor).max(self.config.min_learning_rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rate after each epoch, starting from 1, through JSON between any two.
    fn rates(config: PlateauConfig, losses: &[f64]) -> Vec<f64> {
        let mut plateau = Plateau::new(config);
        let mut rate = 1.0;
        let mut after = |loss: &f64| {
            rate = plateau.step(*loss, rate);
            plateau = serde_json::from_str(&serde_json::to_string(&plateau).unwrap()).unwrap();
            rate
        };
        losses.iter().map(&mut after).collect()
    }

    #[test]
    fn follows_keras_traced_by_hand() {
        let config = PlateauConfig {
            factor: 0.5,
            patience: 2,
            ..PlateauConfig::default()
        };
        let slow = PlateauConfig { cooldown: 2, ..config };
        let floor = PlateauConfig {
            min_learning_rate: 0.4,
            ..config
        };
        let cases: [(&str, PlateauConfig, &[f64], &[f64]); 7] = [
            ("falling", config, &[3.0, 2.0, 1.0], &[1.0, 1.0, 1.0]),
            (
                "waits twice",
                config,
                &[3.0, 3.0, 3.0, 3.0, 3.0],
                &[1.0, 1.0, 0.5, 0.5, 0.25],
            ),
            // 2.99995 is better by less than 1e-4: still waiting; 2.9 starts anew.
            (
                "delta",
                config,
                &[3.0, 2.99995, 2.9, 2.9, 2.9],
                &[1.0, 1.0, 1.0, 1.0, 0.5],
            ),
            ("no number", config, &[f64::NAN, f64::NAN, 1.0], &[1.0, 0.5, 0.5]),
            // Reduced in epoch 3; epoch 4 is still cooling, epoch 5 counts 1 of 2, epoch 6 reduces.
            ("cooldown", slow, &[3.0; 6], &[1.0, 1.0, 0.5, 0.5, 0.5, 0.25]),
            // 0.5 * 0.5 would be below the bound; at the bound nothing more happens.
            ("bound", floor, &[3.0; 7], &[1.0, 1.0, 0.5, 0.5, 0.4, 0.4, 0.4]),
            // The wait goes on at the bound without effect, and an improvement ends it.
            (
                "bound, then better",
                floor,
                &[3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 1.0],
                &[1.0, 1.0, 0.5, 0.5, 0.4, 0.4, 0.4],
            ),
        ];
        for (name, config, losses, expected) in cases {
            assert_eq!(rates(config, losses), expected, "{name}");
        }
    }

    #[test]
    fn default_is_the_originals_schedule() {
        let losses = [vec![1.0], vec![1.0; 10]].concat();
        let found = rates(PlateauConfig::default(), &losses);
        assert_eq!((found[4], found[5], found[10]), (1.0, 0.65, 0.65 * 0.65));
    }
}
