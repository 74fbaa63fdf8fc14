//! A network under training: weights, moments, average, and the state beside them.

use std::path::Path;

use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, Tensor, TensorData};

use super::average::blend;
use super::checkpoint::{self, Checkpoint, State};
use super::optimiser::{optimiser, register, scale};
use super::params::{NORMED, numbers};
use super::prepare::Prepared;
use super::pretrained::Pretrained;
use super::replicas::{Position, Replicas};
use super::spare::Spare;
use super::{Event, checkpoints, fresh_state, params, schedule, validate};
use crate::config::{Schedule, TrainConfig};
use crate::device::{Backend, Devices};
use crate::engine::Timings;
use crate::model::trunk::{BatchStatistics, values};
use crate::model::{Freeze, Network, Task, drawing};
use crate::onnx::{Description, export};

/// Checkpoints that are kept while a training runs: one may be damaged.
const NEWEST: usize = 2;

const LOST: &str = "a step ended in its middle: go on from the last checkpoint with --resume";

/// Why a step cannot be taken.
#[derive(Debug, thiserror::Error)]
#[error(
    "step {step} of epoch {epoch}: loss or gradient is not a number (loss sum {loss}); rows {rows:?} of the data file. \
     The last checkpoint is intact: look at these rows, or start again with a lower learning rate"
)]
pub(super) struct NotANumber {
    step: u64,
    epoch: u32,
    loss: f64,
    rows: Vec<u64>,
}

/// A network under training.
pub(super) struct Learner {
    pub(super) state: State,
    /// `None` only while the optimiser has it, which changes it in place.
    network: Option<Network>,
    /// Average of the weights over the steps, in the order of `params::read`.
    average: Option<Vec<Vec<f32>>>,
    optimiser: ModuleOptimizer,
    replicas: Replicas,
    /// Without gradients: where moments and validation live.
    device: Device,
    all_steps: u64,
}

impl Learner {
    pub(super) fn new(
        config: &TrainConfig,
        prepared: &Prepared,
        pretrained: Option<&Pretrained>,
        devices: &Devices,
    ) -> Result<Self> {
        // Each backend has random numbers of its own; a seed gives the same network on all of them.
        let device = Backend::Flex.device();
        let _drawing = drawing();
        device.seed(config.seed);
        let mut network = config.architecture.init(&device.autodiff());
        if let Some(pretrained) = pretrained {
            network = pretrained.graft(network, config, prepared)?;
        }
        // Weights are drawn when they are first needed: of a clone, here; of the only copy, over there.
        let network = network.clone().fork(&devices.home().clone().autodiff());
        Self::with(fresh_state(config, prepared), network, None, devices, |optimiser| {
            optimiser
        })
    }

    pub(super) fn resume(found: Checkpoint, devices: &Devices) -> Result<Self> {
        let Checkpoint {
            state,
            weights,
            average,
            optimiser: moments,
        } = found;
        let device = devices.home().clone().autodiff();
        let load = |record| {
            let _drawing = drawing();
            let fresh = state.config.architecture.init(&device);
            fresh
                .try_load_record(record)
                .map_err(|error| anyhow::anyhow!("load the checkpoint's weights: {error}"))
        };
        let network = load(weights)?;
        let average = average.map(load).transpose()?.map(|network| numbers(&network));
        Self::with(state, network, average, devices, |optimiser| {
            optimiser.load_record(moments)
        })
    }

    fn with(
        state: State,
        network: Network,
        average: Option<Vec<Vec<f32>>>,
        devices: &Devices,
        begin: impl FnOnce(ModuleOptimizer) -> ModuleOptimizer,
    ) -> Result<Self> {
        let spare = Spare::default();
        let replicas = Replicas::new(&state.config, devices, spare.clone())?;
        let optimiser = begin(optimiser(&state.config.optimiser, devices.weights_are_here(), spare));
        Ok(Self {
            state,
            network: Some(network),
            average,
            optimiser,
            replicas,
            device: devices.home().clone(),
            all_steps: 0,
        })
    }

    /// One step over these rows; `all_steps` is the length of the whole training.
    pub(super) fn step(&mut self, prepared: &Prepared, rows: &[u32], all_steps: u64) -> Result<()> {
        self.all_steps = all_steps;
        let position = Position {
            epoch: self.state.epoch,
            step: self.state.step,
        };
        let network = self.network.as_ref().context(LOST)?;
        let mut outcome = self.replicas.step(network, &prepared.samples, rows, position)?;
        let finite = scale(&mut outcome, self.state.config.optimiser.clip);
        if !finite {
            return Err(NotANumber {
                step: self.state.step_of_epoch + 1,
                epoch: self.state.epoch + 1,
                loss: outcome.loss,
                rows: prepared.samples.data().file_rows(rows),
            }
            .into());
        }
        let rate = self.learning_rate();
        let network = self.network.take().context(LOST)?;
        let gradients = register(&network, outcome.gradients, &self.device);
        let network = self.optimiser.step(rate, network, gradients);
        update_running(&network, &outcome.statistics);
        self.update_average(&network);
        self.network = Some(network);
        let state = &mut self.state;
        state.running_loss = [
            state.running_loss[0] + outcome.loss,
            state.running_loss[1] + outcome.weight,
        ];
        let [sum, count] = state.running_metric;
        state.running_metric = [sum + outcome.worth[0], count + outcome.worth[1]];
        state.step += 1;
        state.step_of_epoch += 1;
        Ok(())
    }

    /// The learning rate of the next step.
    pub(super) fn learning_rate(&self) -> f64 {
        let highest = self.state.config.optimiser.learning_rate;
        match self.state.config.schedule {
            Schedule::Plateau { .. } => self.state.learning_rate,
            Schedule::Constant => highest,
            Schedule::Step { every, factor } => highest * schedule::stairs(self.state.epoch, every, factor),
            Schedule::Cosine { warmup } => highest * schedule::cosine(self.state.step, self.all_steps, warmup),
            Schedule::OneCycle { warmup } => highest * schedule::one_cycle(self.state.step, self.all_steps, warmup),
        }
    }

    /// Mean training loss of the epoch so far.
    pub(super) fn mean_loss(&self) -> f64 {
        let [loss, weight] = self.state.running_loss;
        if weight > 0.0 { loss / weight } else { 0.0 }
    }

    /// Training accuracy or root mean squared error in px of the epoch so far; `None` before its first step.
    pub(super) fn mean_metric(&self) -> Option<f64> {
        let [sum, count] = self.state.running_metric;
        let mean = (count > 0.0).then(|| sum / count)?;
        Some(match self.state.config.task {
            Task::Keypoints => mean.sqrt(),
            Task::Emotion => mean,
        })
    }

    /// Where each replica's engine has spent its time; empty without engines.
    pub(super) fn engine_timings(&self) -> Vec<&Timings> {
        self.replicas.engine_timings()
    }

    pub(super) fn progress(&self) -> Event<'static> {
        Event::Step {
            epoch: self.state.epoch,
            step: self.state.step_of_epoch,
            loss: self.mean_loss(),
            metric: self.mean_metric(),
        }
    }

    /// Loss and metric on the validation part, of the averaged weights where an average is kept.
    pub(super) fn validate(&self, prepared: &Prepared) -> Result<(f64, f64)> {
        let description = Description::of(&self.state.config);
        let onnx = export(&self.shipped()?, &self.state.target, &description)?;
        let rows = &prepared.split.validation;
        validate::validate(&onnx, description.output(), prepared, rows, self.state.config.replicas)
    }

    pub(super) fn save(&self, run: &Path) -> Result<()> {
        let folder = checkpoints(run);
        let average = self.average.as_ref().map(|_| self.shipped()).transpose()?;
        let State {
            epoch, step_of_epoch, ..
        } = self.state;
        let context = || {
            format!(
                "save after step {step_of_epoch} of epoch {}; the checkpoints before it are intact: mend the cause, then \
                 go on with --resume",
                epoch + 1
            )
        };
        self.check_weights().with_context(context)?;
        checkpoint::save(&folder, &self.state, self.network()?, average, &self.optimiser).with_context(context)?;
        self.prune(run, NEWEST)
    }

    /// Keeps the newest checkpoint and the best one, of a training that has ended.
    pub(super) fn tidy(&self, run: &Path) -> Result<()> {
        self.prune(run, 1)
    }

    fn prune(&self, run: &Path, newest: usize) -> Result<()> {
        let folder = checkpoints(run);
        let best = self.state.best.as_ref().map(|(name, _)| name.as_str());
        checkpoint::prune(&folder, best, newest)
            .with_context(|| format!("remove old checkpoints from {}", folder.display()))
    }

    /// A step can leave weights that are no numbers, which only the next one would notice.
    fn check_weights(&self) -> Result<()> {
        let finite = |numbers: &Vec<f32>| numbers.iter().all(|number| number.is_finite());
        if !numbers(self.network()?).iter().all(finite) {
            bail!("the weights are no longer numbers: start again with a lower learning rate");
        }
        Ok(())
    }

    pub(super) fn network(&self) -> Result<&Network> {
        self.network.as_ref().context(LOST)
    }

    /// The network that would be shipped now, without gradients.
    pub(super) fn shipped(&self) -> Result<Network> {
        // `valid` copies the running statistics, which plain clones share.
        let network = self.network()?.valid();
        Ok(match &self.average {
            Some(average) => params::write(network, average),
            None => network,
        })
    }

    /// Values of `params::read` that stay as they are, from the first on.
    fn frozen(&self, network: &Network) -> usize {
        match self.state.config.freeze {
            None => 0,
            Some(Freeze::Trunk) => NORMED * network.trunk.layers().len(),
        }
    }

    fn update_average(&mut self, network: &Network) {
        let decay = self.state.config.average;
        if decay <= 0.0 {
            return;
        }
        let (new, frozen) = (numbers(network), self.frozen(network));
        let Some(average) = &mut self.average else {
            self.average = Some(new);
            return;
        };
        blend(&mut average[frozen..], &new[frozen..], decay, self.state.step);
    }
}

/// The name that a checkpoint of this state gets.
pub(super) fn name(state: &State) -> String {
    format!("step-{:08}", state.step)
}

/// Moves the running statistics of batch normalisation towards those of a batch; those of frozen layers stay.
pub(super) fn update_running(network: &Network, statistics: &[Option<BatchStatistics>]) {
    for (layer, batch) in network.norms().into_iter().zip(statistics) {
        let Some(batch) = batch else { continue };
        let norm = &layer.norm;
        for (running, new) in [(&norm.running_mean, &batch.mean), (&norm.running_var, &batch.variance)] {
            let old = running.value();
            let momentum = norm.momentum as f32;
            let mixed: Vec<f32> = values(old.clone())
                .iter()
                .zip(new)
                .map(|(old, new)| old * (1.0 - momentum) + new * momentum)
                .collect();
            running.update(Tensor::from_data(TensorData::new(mixed, old.shape()), &old.device()));
            // Updates become visible at the next read on the same thread.
            running.value_sync();
        }
    }
}
