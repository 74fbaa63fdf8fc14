//! `AdamW` with decoupled decay, and the running average of what it makes.

use super::config::DetectorConfig;
use super::engine::{Layer, param_ranges};

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// All that changes while a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weights {
    pub(crate) params: Vec<f32>,
    pub(crate) statistics: Vec<f32>,
    /// Averages of both over the steps: what is measured and exported.
    pub(crate) average: Vec<f32>,
    pub(crate) average_statistics: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Weights {
    pub(crate) fn new(params: Vec<f32>, statistics: Vec<f32>) -> Self {
        let zeros = vec![0.0; params.len()];
        Self {
            average: params.clone(),
            average_statistics: statistics.clone(),
            first: zeros.clone(),
            second: zeros,
            params,
            statistics,
        }
    }

    /// The vectors in the order of a checkpoint.
    pub(crate) fn parts(&self) -> [&Vec<f32>; 6] {
        [
            &self.params,
            &self.statistics,
            &self.average,
            &self.average_statistics,
            &self.first,
            &self.second,
        ]
    }

    /// See [`Weights::parts`].
    pub(crate) fn parts_mut(&mut self) -> [&mut Vec<f32>; 6] {
        [
            &mut self.params,
            &mut self.statistics,
            &mut self.average,
            &mut self.average_statistics,
            &mut self.first,
            &mut self.second,
        ]
    }
}

/// Which parameters decay.
pub(crate) struct Optimiser {
    decays: Vec<bool>,
}

impl Optimiser {
    pub(crate) fn new(layers: &[Layer]) -> Self {
        let (ranges, params, _) = param_ranges(layers);
        let mut decays = vec![false; params];
        for range in &ranges {
            decays[range.weight.clone()].fill(true);
        }
        Self { decays }
    }

    /// The step after `step` others.
    pub(crate) fn step(&self, weights: &mut Weights, grads: &[f32], step: u64, config: &DetectorConfig) {
        let rate = config.rate(step) as f32;
        let length = grads.iter().map(|grad| f64::from(*grad).powi(2)).sum::<f64>().sqrt() as f32;
        let shorten = if length > config.clip {
            config.clip / length
        } else {
            1.0
        };
        let count = i32::try_from(step + 1).unwrap_or(i32::MAX);
        let (unbias1, unbias2) = (1.0 / (1.0 - BETA1.powi(count)), 1.0 / (1.0 - BETA2.powi(count)));
        for (at, grad) in grads.iter().enumerate() {
            let grad = grad * shorten;
            let (first, second) = (&mut weights.first[at], &mut weights.second[at]);
            *first = BETA1 * *first + (1.0 - BETA1) * grad;
            *second = BETA2 * *second + (1.0 - BETA2) * grad * grad;
            let decay = if self.decays[at] {
                config.weight_decay * weights.params[at]
            } else {
                0.0
            };
            weights.params[at] -= rate * (*first * unbias1 / ((*second * unbias2).sqrt() + EPSILON) + decay);
        }
        // Young averages follow quickly, or the random beginning would stay in them for long.
        let keep = config.average.min((1.0 + step as f32) / (10.0 + step as f32));
        follow(&mut weights.average, &weights.params, keep);
        follow(&mut weights.average_statistics, &weights.statistics, keep);
    }
}

fn follow(average: &mut [f32], values: &[f32], keep: f32) {
    for (average, value) in average.iter_mut().zip(values) {
        *average = keep * *average + (1.0 - keep) * value;
    }
}
