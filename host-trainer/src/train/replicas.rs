//! One training step, shared by replicas.
//!
//! Each replica has a thread of its own and takes an equal share of the batch; gradients and batch
//! statistics are added up in the order of the replicas, so that a step depends on its input alone.
//! Losses are sums over the batch; the division by the sum of weights follows at the end.

use std::thread;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use shared_model::image::SIDE;

use super::batch::Batch;
use super::loss::loss_sum;
use super::outcome::{Outcome, add_up};
use super::readback::Readback;
use super::samples::{Samples, View};
use crate::config::{Loss, TrainConfig};
use crate::device::{DeviceError, Devices, ReplicaDevice};
use crate::engine;
use crate::model::dropout::Dropout;
use crate::model::head::Head;
use crate::model::trunk::values;
use crate::model::{Architecture, Freeze, Network};

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
    freeze: Option<Freeze>,
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

impl Replicas {
    /// As many threads as these settings ask for.
    pub(crate) fn new(config: &TrainConfig, devices: &Devices) -> Result<Self> {
        let trunk = if devices.engine() {
            Trunk::Engine
        } else {
            Trunk::Autodiff
        };
        let share = config.batch.div_ceil(config.replicas);
        let worker = |replica| {
            let on = devices.of_replica(replica);
            Worker::new(&config.architecture, share, trunk, config.freeze, on)
        };
        Ok(Self {
            workers: (0..config.replicas).map(worker).collect::<Result<_>>()?,
            loss: config.loss,
            seed: config.seed,
        })
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
    pub(super) fn new(
        architecture: &Architecture,
        faces: usize,
        trunk: Trunk,
        freeze: Option<Freeze>,
        on: ReplicaDevice,
    ) -> Result<Self> {
        let engine = (trunk == Trunk::Engine).then(|| engine::Trunk::new(architecture.stages, faces));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .context("start a replica's thread")?;
        Ok(Self {
            batch: Batch::default(),
            engine,
            freeze,
            pool,
            on,
        })
    }

    /// Loss, gradients and statistics of the faces in `self.batch`.
    pub(super) fn run(&mut self, network: &Network, loss: Loss, mut dropout: Dropout) -> Result<Outcome> {
        let Self {
            batch,
            engine,
            freeze,
            pool,
            on,
        } = self;
        let frozen = *freeze == Some(Freeze::Trunk);
        let Some(engine) = engine else {
            return pool.install(|| {
                if frozen {
                    differentiate_head(network, batch, loss, &mut dropout, on)
                } else {
                    Ok(differentiate(network, batch, loss, &mut dropout, on)?)
                }
            });
        };
        let layers = layer_params(network, *freeze);
        let features = engine.forward(&layers, &batch.inputs).to_vec();
        let shape = feature_shape(&features, batch.len, network);
        let (mut outcome, gradient) = pool.install(|| {
            let features = Tensor::<4>::from_data(TensorData::new(features, shape), &on.device);
            let features = features.set_require_grad(!frozen);
            head_step(&network.head, &features, batch, loss, &mut dropout, on)
        })?;
        if frozen {
            outcome.prepend_frozen(layers.len());
            return Ok(outcome);
        }
        let gradient = gradient.context("no gradient reached the trunk")?;
        let mut grads: Vec<engine::LayerGrads> =
            engine.shapes().iter().copied().map(engine::LayerGrads::zeros).collect();
        engine.backward(&layers, &gradient, &mut grads);
        outcome.prepend_trunk(grads, engine);
        Ok(outcome)
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
    let (outputs, moments) = network.forward_train(inputs(batch, on), dropout);
    let loss = loss_sum(loss, outputs.clone(), batch, &on.device);
    let mut readback = Readback::default();
    readback.add(loss.clone());
    readback.add(outputs);
    let found = readback.add_gradients(loss.backward(), network);
    Outcome::read(readback, found, moments, batch, on)
}

/// The head alone, behind a trunk of which no graph is kept.
fn differentiate_head(
    network: &Network,
    batch: &Batch,
    loss: Loss,
    dropout: &mut Dropout,
    on: &ReplicaDevice,
) -> Result<Outcome> {
    let features = network.trunk.valid().forward(inputs(batch, on).inner());
    let (mut outcome, _) = head_step(&network.head, &Tensor::from_inner(features), batch, loss, dropout, on)?;
    outcome.prepend_frozen(network.trunk.layers().len());
    Ok(outcome)
}

fn inputs(batch: &Batch, on: &ReplicaDevice) -> Tensor<4> {
    let inputs = TensorData::new(batch.inputs.clone(), [batch.len, 1, SIDE, SIDE]);
    Tensor::from_data(inputs, &on.device)
}

/// The head by automatic differentiation; also gives the gradient of the features, `[n, c, h, w]`, where it is asked for.
fn head_step(
    head: &Head,
    features: &Tensor<4>,
    batch: &Batch,
    loss: Loss,
    dropout: &mut Dropout,
    on: &ReplicaDevice,
) -> Result<(Outcome, Option<Vec<f32>>)> {
    let (outputs, moments) = head.forward(features.clone(), dropout);
    let loss = loss_sum(loss, outputs.clone(), batch, &on.device);
    let mut readback = Readback::default();
    readback.add(loss.clone());
    readback.add(outputs);
    let mut gradients = loss.backward();
    let of_features = features.grad_remove(&mut gradients);
    let of_features = of_features.map(values);
    let found = readback.add_gradients(gradients, head);
    Ok((Outcome::read(readback, found, moments, batch, on)?, of_features))
}

fn feature_shape(features: &[f32], faces: usize, network: &Network) -> [usize; 4] {
    let channels = network.trunk.channels();
    let side = ((features.len() / (faces * channels)) as f64).sqrt().round() as usize;
    [faces, channels, side, side]
}

/// The trunk's parameters as the engine takes them; with running statistics where it is frozen.
fn layer_params(network: &Network, freeze: Option<Freeze>) -> Vec<engine::LayerParams> {
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
            running: freeze.map(|Freeze::Trunk| engine::Running {
                mean: values(layer.norm.running_mean.value()),
                variance: values(layer.norm.running_var.value()),
            }),
        })
        .collect()
}
