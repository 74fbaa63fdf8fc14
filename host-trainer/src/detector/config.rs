//! Settings of a training.

use serde::{Deserialize, Serialize};

/// Everything that decides what a training comes to, beside the data.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorConfig {
    /// Width and height of a sample in pixels.
    pub input: [usize; 2],
    /// Samples in one step, 1 to 4096.
    pub batch: usize,
    /// Steps in all: the learning rate falls to nothing along them.
    pub steps: u64,
    /// Seed of every random choice.
    pub seed: u64,
    /// Highest learning rate of AdamW.
    pub learning_rate: f64,
    /// Share of the steps along which the learning rate rises.
    pub warmup: f64,
    /// Decay of weights, not of biases and norms.
    pub weight_decay: f32,
    /// Share of the average of weights that stays at each step.
    pub average: f32,
    /// Longest gradient; longer ones are shortened.
    pub clip: f32,
    /// Steps between two measurements on held-out photos.
    pub measure_every: u64,
    /// Steps between two searches for false alarms on photos without a face; 0 for none.
    #[serde(default)]
    pub mine_every: u64,
    /// Share of the things pasted in that are shaded ovals, as balls and fruit; runs from before there were any have none.
    #[serde(default)]
    pub ovals: f64,
    /// Share of the faces pasted in that are taken of those that look aside; the others come by chance.
    #[serde(default)]
    pub sideways: f64,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            input: [160, 120],
            batch: 64,
            steps: 12_000,
            seed: 1,
            learning_rate: 3e-3,
            warmup: 0.02,
            weight_decay: 0.02,
            average: 0.998,
            clip: 10.0,
            measure_every: 500,
            mine_every: 0,
            ovals: 0.4,
            sideways: 0.0,
        }
    }
}

/// Why settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("settings of the detector: {0}")]
pub struct DetectorConfigError(&'static str);

impl DetectorConfig {
    /// Refuses what cannot be trained with.
    pub fn check(&self) -> Result<(), DetectorConfigError> {
        let refuse = |what| Err(DetectorConfigError(what));
        if self.input.iter().any(|side| !(32..=1024).contains(side)) {
            return refuse("a sample is 32 to 1024 pixels wide and high");
        }
        if !(1..=4096).contains(&self.batch) {
            return refuse("a step takes 1 to 4096 samples");
        }
        if self.steps == 0 || self.measure_every == 0 {
            return refuse("steps and the steps between two measurements are at least 1");
        }
        if !(0.0..=1.0).contains(&self.ovals) {
            return refuse("the share of ovals is from 0 to 1");
        }
        if !(0.0..=1.0).contains(&self.sideways) {
            return refuse("the share of faces that look aside is from 0 to 1");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate < 1.0) {
            return refuse("the learning rate is above 0 and below 1");
        }
        Ok(())
    }

    /// Learning rate at a step: up along a line, down along a cosine.
    pub(crate) fn rate(&self, step: u64) -> f64 {
        let position = step as f64 / self.steps as f64;
        if position < self.warmup {
            return self.learning_rate * (position / self.warmup).max(0.01);
        }
        let along = ((position - self.warmup) / (1.0 - self.warmup)).min(1.0);
        self.learning_rate * (1.0 + (std::f64::consts::PI * along).cos()) / 2.0
    }
}
