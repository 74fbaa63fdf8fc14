//! What one step adds up to: losses, gradients, statistics.

use anyhow::{Context, Result};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};

use super::adam::CHUNK;
use super::batch::Batch;
use super::params::NORMED;
use super::readback::Readback;
use crate::device::{DeviceError, ReplicaDevice};
use crate::engine;
use crate::model::trunk::{BatchMoments, BatchStatistics};

/// What one step, or one replica's share of it, adds up to.
pub(crate) struct Outcome {
    /// Sum of the weighted losses.
    pub(crate) loss: f64,
    /// Sum of the weights.
    pub(crate) weight: f64,
    /// Sum of what [`Batch::measure`] gives.
    pub(crate) worth: [f64; 2],
    /// Gradient of the loss sum for each value of `params::read`; none for running statistics and what is frozen.
    pub(crate) gradients: Vec<Option<Vec<f32>>>,
    /// Of each layer of `Network::norms`; none of frozen ones.
    pub(crate) statistics: Vec<Option<BatchStatistics>>,
}

impl Outcome {
    /// Of no faces.
    pub(super) fn none() -> Self {
        Self {
            loss: 0.0,
            weight: 0.0,
            worth: [0.0; 2],
            gradients: Vec::new(),
            statistics: Vec::new(),
        }
    }

    /// What was computed of this batch: the loss sum, the outputs and the gradients, which `readback` holds in this order,
    /// and the statistics. `found` says which values have a gradient.
    pub(super) fn read(
        mut readback: Readback,
        found: Vec<bool>,
        moments: impl IntoIterator<Item = BatchMoments>,
        batch: &Batch,
        on: &ReplicaDevice,
    ) -> Result<Self, DeviceError> {
        for layer in moments {
            readback.add(layer.mean);
            readback.add(layer.variance);
        }
        let mut numbers = readback.read(on)?;
        let loss = numbers.next().and_then(|loss| loss.first().copied());
        let outputs = numbers.next().unwrap_or_default();
        let gradients = found
            .into_iter()
            .map(|found| if found { numbers.next() } else { None })
            .collect();
        let rest: Vec<_> = numbers.collect();
        let statistics = rest.chunks_exact(2).map(|pair| {
            Some(BatchStatistics {
                mean: pair[0].clone(),
                variance: pair[1].clone(),
            })
        });
        Ok(Self {
            loss: f64::from(loss.unwrap_or(f32::NAN)),
            weight: batch.total_weight,
            worth: batch.measure(&outputs),
            gradients,
            statistics: statistics.collect(),
        })
    }

    /// Puts the trunk's gradients, in the order of `params::read`, before the head's.
    pub(super) fn prepend_trunk(&mut self, grads: Vec<engine::LayerGrads>, engine: &engine::Trunk) {
        let statistics = (0..grads.len()).map(|layer| {
            let (mean, variance) = engine.statistics(layer);
            Some(BatchStatistics {
                mean: mean.to_vec(),
                variance: variance.to_vec(),
            })
        });
        let statistics: Vec<_> = statistics.collect();
        // A layer is visited as weight, bias, gamma, beta, running mean, running variance.
        let trunk = grads.into_iter().flat_map(|layer| {
            [
                Some(layer.weight),
                Some(layer.bias),
                Some(layer.gamma),
                Some(layer.beta),
                None,
                None,
            ]
        });
        self.prepend(trunk.collect(), statistics);
    }

    /// Puts a frozen trunk of so many layers before the head.
    pub(super) fn prepend_frozen(&mut self, layers: usize) {
        self.prepend(vec![None; NORMED * layers], vec![None; layers]);
    }

    /// Puts these before what is there.
    pub(super) fn prepend(
        &mut self,
        mut gradients: Vec<Option<Vec<f32>>>,
        mut statistics: Vec<Option<BatchStatistics>>,
    ) {
        gradients.append(&mut self.gradients);
        statistics.append(&mut self.statistics);
        (self.gradients, self.statistics) = (gradients, statistics);
    }
}

/// The outcome of a whole step from those of its replicas, in their order.
pub(super) fn add_up(outcomes: Vec<Outcome>) -> Result<Outcome> {
    let count = outcomes.len() as f32;
    let mut parts = outcomes.into_iter();
    let mut sum = parts.next().context("a step needs at least one face")?;
    for part in parts {
        sum.loss += part.loss;
        sum.weight += part.weight;
        sum.worth = [sum.worth[0] + part.worth[0], sum.worth[1] + part.worth[1]];
        for (a, b) in sum.gradients.iter_mut().flatten().zip(part.gradients.iter().flatten()) {
            add(a, b);
        }
        for (a, b) in sum
            .statistics
            .iter_mut()
            .flatten()
            .zip(part.statistics.iter().flatten())
        {
            add(&mut a.mean, &b.mean);
            add(&mut a.variance, &b.variance);
        }
    }
    for statistics in sum.statistics.iter_mut().flatten() {
        statistics
            .mean
            .iter_mut()
            .chain(&mut statistics.variance)
            .for_each(|value| *value /= count);
    }
    Ok(sum)
}

fn add(a: &mut [f32], b: &[f32]) {
    let parts = a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK));
    parts.for_each(|(a, b)| a.iter_mut().zip(b).for_each(|(a, b)| *a += b));
}
