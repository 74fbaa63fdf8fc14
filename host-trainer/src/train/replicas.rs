//! One training step, shared by replicas.
//!
//! Each replica has a thread of its own and takes an equal share of the batch; gradients and batch
//! statistics are added up in the order of the replicas, so that a step depends on its input alone.
//! Losses are sums over the batch; the division by the sum of weights follows at the end.

use std::thread;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::{ParallelSlice, ParallelSliceMut};
use shared_model::image::SIDE;

use super::adam::CHUNK;
use super::batch::Batch;
use super::readback::Readback;
use super::samples::{Samples, View};
use crate::config::Loss;
use crate::device::{DeviceError, Devices, ReplicaDevice};
use crate::engine;
use crate::model::dropout::Dropout;
use crate::model::head::Head;
use crate::model::trunk::{BatchMoments, BatchStatistics, values};
use crate::model::{Architecture, Network};

/// How gradients of the trunk are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trunk {
    /// By the training engine of this crate; processors only.
    Engine,
    /// By burn's automatic differentiation; any device.
    Autodiff,
}

/// The threads that share a step.
pub(crate) struct Replicas {
    workers: Vec<Worker>,
    loss: Loss,
    seed: u64,
}

pub(super) struct Worker {
    pub(super) batch: Batch,
    engine: Option<engine::Trunk>,
    /// One thread: burn's own parallel loops must not compete with the other replicas.
    pool: rayon::ThreadPool,
    on: ReplicaDevice,
}

/// Where a step stands in the training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) epoch: u32,
    pub(crate) step: u64,
}

/// What one step, or one replica's share of it, adds up to.
pub(crate) struct Outcome {
    /// Sum of the weighted losses.
    pub(crate) loss: f64,
    /// Sum of the weights.
    pub(crate) weight: f64,
    /// Gradient of the loss sum for each value of `params::read`; none for running statistics.
    pub(crate) gradients: Vec<Option<Vec<f32>>>,
    /// Of each layer of `Network::norms`.
    pub(crate) statistics: Vec<BatchStatistics>,
}

impl Replicas {
    /// `replicas` threads for batches of `batch` faces.
    pub(crate) fn new(
        architecture: &Architecture,
        loss: Loss,
        [replicas, batch]: [usize; 2],
        seed: u64,
        trunk: Trunk,
        devices: &Devices,
    ) -> Result<Self> {
        let share = batch.div_ceil(replicas);
        let workers = (0..replicas)
            .map(|replica| Worker::new(architecture, share, trunk, devices.of_replica(replica)))
            .collect::<Result<_>>()?;
        Ok(Self { workers, loss, seed })
    }

    /// Where each replica's engine has spent its time; empty without engines.
    pub(super) fn engine_timings(&self) -> Vec<&engine::Timings> {
        self.workers
            .iter()
            .filter_map(|worker| worker.engine.as_ref())
            .map(engine::Trunk::timings)
            .collect()
    }

    /// Loss, gradients and statistics of one batch.
    pub(crate) fn step(&mut self, network: &Network, samples: &Samples, rows: &[u32], place: Place) -> Result<Outcome> {
        let share = rows.len().div_ceil(self.workers.len());
        let (loss, seed) = (self.loss, self.seed);
        let outcomes: Result<Vec<Outcome>> = thread::scope(|scope| {
            let shares = self.workers.iter_mut().zip(rows.chunks(share)).enumerate();
            let threads: Vec<_> = shares
                .map(|(replica, (worker, rows))| {
                    let name = worker.on.name.clone();
                    // A plain clone shares the running statistics, and would take the original's along.
                    let network = network.valid().train().fork(&worker.on.device);
                    let dropout = Dropout::seeded(seed, place.step, replica as u64);
                    let thread = scope.spawn(move || {
                        samples.fill(rows, View::Varied { epoch: place.epoch }, &mut worker.batch);
                        worker.run(&network, loss, dropout)
                    });
                    (thread, name)
                })
                .collect();
            threads
                .into_iter()
                .map(|(thread, name)| thread.join().map_err(|_| anyhow!("a replica on {name} stopped"))?)
                .collect()
        });
        add_up(outcomes?)
    }
}

impl Worker {
    /// For at most `faces` faces a step.
    pub(super) fn new(architecture: &Architecture, faces: usize, trunk: Trunk, on: ReplicaDevice) -> Result<Self> {
        let engine = (trunk == Trunk::Engine).then(|| engine::Trunk::new(architecture.stages, faces));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .context("start a replica's thread")?;
        Ok(Self {
            batch: Batch::default(),
            engine,
            pool,
            on,
        })
    }

    /// Loss, gradients and statistics of the faces in `self.batch`.
    pub(super) fn run(&mut self, network: &Network, loss: Loss, mut dropout: Dropout) -> Result<Outcome> {
        let Self {
            batch,
            engine,
            pool,
            on,
        } = self;
        match engine {
            None => pool.install(|| Ok(differentiate(network, batch, loss, &mut dropout, on)?)),
            Some(engine) => {
                let layers = layer_params(network);
                let features = engine.forward(&layers, &batch.inputs).to_vec();
                let shape = feature_shape(&features, batch.len, network);
                let (mut outcome, gradient) = pool.install(|| {
                    head_step(
                        &network.head,
                        TensorData::new(features, shape),
                        batch,
                        loss,
                        &mut dropout,
                        on,
                    )
                })?;
                let mut grads: Vec<engine::LayerGrads> =
                    engine.shapes().iter().copied().map(engine::LayerGrads::zeros).collect();
                engine.backward(&layers, &gradient, &mut grads);
                outcome.prepend_trunk(grads, engine);
                Ok(outcome)
            }
        }
    }
}

impl Outcome {
    /// What was computed of this batch: the loss sum and the gradients, which `readback` holds in this order,
    /// and the statistics. `found` says which values have a gradient.
    fn read(
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
        let gradients = found
            .into_iter()
            .map(|found| if found { numbers.next() } else { None })
            .collect();
        let rest: Vec<_> = numbers.collect();
        let statistics = rest.chunks_exact(2).map(|pair| BatchStatistics {
            mean: pair[0].clone(),
            variance: pair[1].clone(),
        });
        Ok(Self {
            loss: f64::from(loss.unwrap_or(f32::NAN)),
            weight: batch.total_weight,
            gradients,
            statistics: statistics.collect(),
        })
    }

    /// Puts the trunk's gradients, in the order of `params::read`, before the head's.
    fn prepend_trunk(&mut self, grads: Vec<engine::LayerGrads>, engine: &engine::Trunk) {
        let statistics = (0..grads.len()).map(|layer| {
            let (mean, variance) = engine.statistics(layer);
            BatchStatistics {
                mean: mean.to_vec(),
                variance: variance.to_vec(),
            }
        });
        let own = std::mem::take(&mut self.statistics);
        self.statistics = statistics.chain(own).collect();
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
        let own = std::mem::take(&mut self.gradients);
        self.gradients = trunk.chain(own).collect();
    }
}

/// Whole network by automatic differentiation.
fn differentiate(
    network: &Network,
    batch: &Batch,
    loss: Loss,
    dropout: &mut Dropout,
    on: &ReplicaDevice,
) -> Result<Outcome, DeviceError> {
    let inputs = TensorData::new(batch.inputs.clone(), [batch.len, 1, SIDE, SIDE]);
    let (outputs, moments) = network.forward_train(Tensor::from_data(inputs, &on.device), dropout);
    let loss = loss_sum(loss, outputs, batch, &on.device);
    let mut readback = Readback::default();
    readback.add(loss.clone());
    let found = readback.add_gradients(loss.backward(), network);
    Outcome::read(readback, found, moments, batch, on)
}

/// The head by automatic differentiation; also gives the gradient of the features, `[n, c, h, w]`.
fn head_step(
    head: &Head,
    features: TensorData,
    batch: &Batch,
    loss: Loss,
    dropout: &mut Dropout,
    on: &ReplicaDevice,
) -> Result<(Outcome, Vec<f32>)> {
    let features = Tensor::<4>::from_data(features, &on.device).require_grad();
    let (outputs, moments) = head.forward(features.clone(), dropout);
    let loss = loss_sum(loss, outputs, batch, &on.device);
    let mut readback = Readback::default();
    readback.add(loss.clone());
    let mut gradients = loss.backward();
    let of_features = features
        .grad_remove(&mut gradients)
        .context("no gradient reached the trunk")?;
    let of_features = values(of_features);
    let found = readback.add_gradients(gradients, head);
    Ok((Outcome::read(readback, found, moments, batch, on)?, of_features))
}

/// Sum of the weighted losses of a batch.
fn loss_sum(loss: Loss, outputs: Tensor<2>, batch: &Batch, device: &Device) -> Tensor<1> {
    let shape = outputs.dims();
    let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), device);
    let (targets, weights) = (tensor(&batch.targets), tensor(&batch.weights));
    match loss {
        Loss::MeanSquaredError => {
            let error = outputs - targets;
            (error.clone() * error * weights).sum()
        }
        Loss::SmoothL1 { beta } => {
            let error = (outputs - targets).abs();
            let quadratic = error.clone().clamp_max(beta);
            // beta * (|e|/beta - 1/2) above, e^2 / (2 beta) below: both are q * (2|e| - q) / (2 beta).
            (quadratic.clone() * (error.mul_scalar(2.0) - quadratic) * weights)
                .sum()
                .div_scalar(2.0 * beta)
        }
        Loss::CrossEntropy { .. } => {
            let outputs = if batch.offsets.is_empty() {
                outputs
            } else {
                let offsets = TensorData::new(batch.offsets.clone(), [1, batch.offsets.len()]);
                outputs + Tensor::<2>::from_data(offsets, device)
            };
            (log_softmax(outputs, 1) * targets * weights).sum().neg()
        }
    }
}

fn feature_shape(features: &[f32], faces: usize, network: &Network) -> [usize; 4] {
    let channels = network.trunk.channels();
    let side = ((features.len() / (faces * channels)) as f64).sqrt().round() as usize;
    [faces, channels, side, side]
}

/// The trunk's parameters as the engine takes them.
fn layer_params(network: &Network) -> Vec<engine::LayerParams> {
    let layers = network.trunk.layers();
    layers
        .into_iter()
        .map(|(_, layer)| engine::LayerParams {
            weight: values(layer.conv.weight.val()),
            bias: layer
                .conv
                .bias
                .as_ref()
                .map(|bias| values(bias.val()))
                .unwrap_or_default(),
            gamma: values(layer.norm.gamma.val()),
            beta: values(layer.norm.beta.val()),
        })
        .collect()
}

fn add_up(outcomes: Vec<Outcome>) -> Result<Outcome> {
    let count = outcomes.len() as f32;
    let mut parts = outcomes.into_iter();
    let mut sum = parts.next().context("a step needs at least one face")?;
    for part in parts {
        sum.loss += part.loss;
        sum.weight += part.weight;
        for (a, b) in sum.gradients.iter_mut().flatten().zip(part.gradients.iter().flatten()) {
            add(a, b);
        }
        for (a, b) in sum.statistics.iter_mut().zip(&part.statistics) {
            add(&mut a.mean, &b.mean);
            add(&mut a.variance, &b.variance);
        }
    }
    for statistics in &mut sum.statistics {
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
