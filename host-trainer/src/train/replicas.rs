//! One training step, shared by replicas.
//!
//! Each replica has a thread of its own and takes an equal share of the batch; gradients and batch
//! statistics are added up in the order of the replicas, so that a step depends on its input alone.
//! Losses are sums over the batch; the division by the sum of weights follows at the end.
//!
//! Where engines compute the trunk, the original keypoint head waits for all replicas and takes the whole batch at once:
//! see [`super::dense`].

use std::thread;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use shared_model::image::SIDE;

use super::batch::Batch;
use super::dense;
use super::loss::loss_sum;
use super::outcome::{Outcome, add_up};
use super::readback::Readback;
use super::samples::{Samples, View};
use super::spare::Spare;
use crate::config::{Loss, TrainConfig};
use crate::device::{DeviceError, Devices, ReplicaDevice};
use crate::engine;
use crate::model::dropout::Dropout;
use crate::model::head::{Head, OriginalHead};
use crate::model::trunk::values;
use crate::model::{Freeze, Network};

const NO_ENGINE: &str = "a replica has no engine";

/// The threads that share a step.
pub(crate) struct Replicas {
    pub(super) workers: Vec<Worker>,
    loss: Loss,
    seed: u64,
    freeze: Option<Freeze>,
    spare: Spare,
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
pub(crate) struct Position {
    pub(crate) epoch: u32,
    pub(crate) step: u64,
}

impl Replicas {
    /// As many threads as these settings ask for. Long gradients take their memory from `spare`.
    pub(crate) fn new(config: &TrainConfig, devices: &Devices, spare: Spare) -> Result<Self> {
        let share = config.batch.div_ceil(config.replicas);
        let stages = devices.engine().then_some(config.architecture.stages);
        let worker = |replica| Worker::new(stages, share, devices.of_replica(replica));
        Ok(Self {
            workers: (0..config.replicas).map(worker).collect::<Result<_>>()?,
            loss: config.loss,
            seed: config.seed,
            freeze: config.freeze,
            spare,
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
    pub(crate) fn step(
        &mut self,
        network: &Network,
        samples: &Samples,
        rows: &[u32],
        position: Position,
    ) -> Result<Outcome> {
        let (share, seed) = (rows.len().div_ceil(self.workers.len()), self.seed);
        let shares = rows.chunks(share).chain(std::iter::repeat(&[][..]));
        each(self.workers.iter_mut().zip(shares), |_, (worker, rows)| {
            samples.fill(rows, View::Varied { epoch: position.epoch }, &mut worker.batch);
            Ok(())
        })?;
        self.run(network, |replica| Dropout::seeded(seed, position.step, replica))
    }

    /// The same for the faces in the workers' batches.
    pub(super) fn run(&mut self, network: &Network, dropout: impl Fn(u64) -> Dropout + Sync) -> Result<Outcome> {
        let Self {
            workers, loss, freeze, ..
        } = self;
        let workers: Vec<_> = workers.iter_mut().filter(|worker| worker.batch.len > 0).collect();
        if workers.iter().all(|worker| worker.engine.is_some()) {
            let network = network.valid();
            if let Head::KeypointsOriginal(head) = &network.head {
                return run_together(workers, (&network, head), *loss, dropout(0), *freeze, &self.spare);
            }
        }
        let networks = workers.into_iter().map(|worker| {
            // A plain clone shares the running statistics, and would take the original's along.
            let network = network.valid().train().fork(&worker.on.device);
            (worker, network)
        });
        add_up(each(networks, |replica, (worker, network)| {
            worker.run(&network, *loss, dropout(replica), *freeze)
        })?)
    }
}

/// What `run` gives for each, by a thread for each, in their order.
fn each<T: Send, R: Send>(all: impl Iterator<Item = T>, run: impl Fn(u64, T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(all)
            .map(|(replica, own)| scope.spawn(move || run(replica, own)))
            .collect();
        (1..)
            .zip(threads)
            .map(|(number, thread)| thread.join().map_err(|_| anyhow!("replica {number} stopped"))?)
            .collect()
    })
}

/// Each replica's engine computes its share of the trunk, all cores the head of the whole batch.
fn run_together(
    mut workers: Vec<&mut Worker>,
    (network, head): (&Network, &OriginalHead),
    loss: Loss,
    mut dropout: Dropout,
    freeze: Option<Freeze>,
    spare: &Spare,
) -> Result<Outcome> {
    let layers = &layer_params(network, freeze);
    let features = each(workers.iter_mut(), |_, worker| worker.features(layers))?.concat();
    let batches: Vec<_> = workers.iter().map(|worker| &worker.batch).collect();
    let faces = batches.iter().map(|batch| batch.len).sum();
    let shape = feature_shape(&features, faces, network);
    let device = &workers[0].on.device;
    let features = TensorData::new(features, shape);
    let (mut outcome, gradient) = dense::step(head, features, &batches, loss, &mut dropout, (spare, device))?;
    if freeze == Some(Freeze::Trunk) {
        outcome.prepend_frozen(layers.len());
        return Ok(outcome);
    }
    let mut rest = &gradient[..];
    let shares = workers.into_iter().map(|worker| {
        let (own, after) = rest.split_at(gradient.len() / faces * worker.batch.len);
        rest = after;
        (worker, own)
    });
    let trunk = add_up(each(shares, |_, (worker, gradient)| {
        let mut outcome = Outcome::none();
        worker.backward(layers, gradient, &mut outcome)?;
        Ok(outcome)
    })?)?;
    outcome.prepend(trunk.gradients, trunk.statistics);
    Ok(outcome)
}

impl Worker {
    /// For at most `faces` faces a step; with an engine where it is told a number of stages.
    fn new(stages: Option<usize>, faces: usize, on: ReplicaDevice) -> Result<Self> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .context("start a replica's thread")?;
        Ok(Self {
            batch: Batch::default(),
            engine: stages.map(|stages| engine::Trunk::new(stages, faces)),
            pool,
            on,
        })
    }

    /// Loss, gradients and statistics of the faces in `self.batch`.
    fn run(&mut self, network: &Network, loss: Loss, mut dropout: Dropout, freeze: Option<Freeze>) -> Result<Outcome> {
        let frozen = freeze == Some(Freeze::Trunk);
        if self.engine.is_none() {
            let Self { batch, pool, on, .. } = self;
            return pool.install(|| {
                if frozen {
                    differentiate_head(network, batch, loss, &mut dropout, on)
                } else {
                    Ok(differentiate(network, batch, loss, &mut dropout, on)?)
                }
            });
        }
        let layers = layer_params(network, freeze);
        let features = self.features(&layers)?;
        let Self { batch, pool, on, .. } = self;
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
        self.backward(&layers, &gradient, &mut outcome)?;
        Ok(outcome)
    }

    /// The trunk's features of the faces in `self.batch`, `[n, c, h, w]`.
    fn features(&mut self, layers: &[engine::LayerParams]) -> Result<Vec<f32>> {
        let engine = self.engine.as_mut().context(NO_ENGINE)?;
        Ok(engine.forward(layers, &self.batch.inputs).to_vec())
    }

    /// Leads the gradient of these features through the trunk, and puts the trunk's before the outcome's gradients.
    fn backward(&mut self, layers: &[engine::LayerParams], gradient: &[f32], outcome: &mut Outcome) -> Result<()> {
        let engine = self.engine.as_mut().context(NO_ENGINE)?;
        let mut grads: Vec<_> = engine.shapes().iter().copied().map(engine::LayerGrads::zeros).collect();
        engine.backward(layers, gradient, &mut grads);
        outcome.prepend_trunk(grads, engine);
        Ok(())
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
pub(super) fn head_step(
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
