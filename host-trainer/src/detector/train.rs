//! The training itself.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::checkpoint::{CHECKPOINT, Checkpoint, Measured};
use super::compose::{Composer, Sample};
use super::config::DetectorConfig;
use super::data::{Photo, Set};
use super::engine::{Layer, Plane, Trained};
use super::evaluate::{Detector, Task, measure};
use super::levels::STRIDES;
use super::loss::{self, Losses};
use super::mine::mine;
use super::network::{MEAN, SPREAD, layers, outputs};
use super::optimiser::Optimiser;
use super::pretrained::Pretrained;
use crate::config::between;

/// Held-out photos that a training measures on.
const MEASURED: usize = 400;
/// Name of the table of measurements in the run's directory.
const HISTORY: &str = "history.csv";

/// A training to be run.
pub struct Job<'a> {
    /// How; of a training that goes on, only `steps` and `mine_every` may differ.
    pub config: DetectorConfig,
    /// The photos that samples are composed of, and those held out.
    pub set: &'a Set,
    /// Directory of the run, which is made where it is missing.
    pub run: &'a Path,
    /// The network that a new training begins with; none for random weights.
    pub from: Option<&'a Pretrained>,
    /// Whether to go on from its checkpoint.
    pub resume: bool,
    /// Longest time between two checkpoints.
    pub checkpoint_every: Duration,
}

/// What a training tells while it runs.
#[derive(Debug, Clone, Copy)]
pub enum Event {
    /// It begins, or goes on, at this step.
    Begins {
        /// Steps done before.
        step: u64,
    },
    /// A step is done.
    Step {
        /// Steps done.
        step: u64,
        /// Its loss.
        loss: f64,
        /// Samples a second since the training began, or went on; time of measuring left out.
        speed: f64,
    },
    /// False alarms were looked for; so many were found.
    Mined(usize),
    /// Held-out photos were measured.
    Measured(Measured),
}

/// Why a training came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// It was asked to stop; it can go on.
    Interrupted,
}

/// One instance of the network with its samples.
struct Stepper {
    layers: Vec<Layer>,
    outputs: [usize; 3],
    planes: Vec<Plane>,
    network: Trained,
    optimiser: Optimiser,
    grads: Vec<f32>,
}

impl Stepper {
    fn new(config: &DetectorConfig, params: usize) -> Self {
        let layers = layers();
        let input = Plane {
            columns: config.input[0],
            rows: config.input[1],
        };
        Self {
            outputs: outputs(&layers),
            planes: STRIDES.iter().map(|stride| halved(input, *stride)).collect(),
            network: Trained::new(&layers, input, config.batch),
            optimiser: Optimiser::new(&layers),
            grads: vec![0.0; params],
            layers,
        }
    }

    /// Forward, loss, backward, and the step of the optimiser.
    fn step(&mut self, checkpoint: &mut Checkpoint, samples: &[Sample]) -> Losses {
        let input = self.network.input();
        for (input, pixel) in input.iter_mut().zip(samples.iter().flat_map(|sample| &sample.pixels)) {
            *input = (pixel - MEAN) / SPREAD;
        }
        let weights = &mut checkpoint.weights;
        self.network.forward(&weights.params, &mut weights.statistics);
        let share = loss::positives(samples, &self.planes).max(1) as f32;
        let mut losses = Losses::default();
        for (head, layer) in self.outputs.into_iter().enumerate() {
            let (output, gradient) = self.network.output(layer);
            loss::head(head, self.planes[head], samples, output, gradient, share, &mut losses);
        }
        self.network.backward(&weights.params, &mut self.grads);
        let state = &checkpoint.state;
        self.optimiser.step(weights, &self.grads, state.step, &state.config);
        losses
    }
}

fn halved(mut plane: Plane, stride: usize) -> Plane {
    for _ in 0..stride.ilog2() {
        plane = plane.behind(2);
    }
    plane
}

/// Trains until all steps are done or `stop` is set.
pub fn train(job: &Job<'_>, stop: &AtomicBool, tell: &mut dyn FnMut(Event)) -> Result<Ended> {
    job.config.check()?;
    let mut composer = Composer::new(&job.set.photos, &job.config)?;
    let mut checkpoint = begin(job, &composer)?;
    let config = checkpoint.state.config;
    composer.show(&checkpoint.state.alarms);
    let mut stepper = Stepper::new(&config, checkpoint.weights.params.len());
    let held: Vec<&Photo> = job.set.photos.iter().filter(|photo| photo.held).collect();
    let held: Vec<&Photo> = held
        .iter()
        .step_by(held.len().div_ceil(MEASURED).max(1))
        .copied()
        .collect();
    tell(Event::Begins {
        step: checkpoint.state.step,
    });
    let (mut saved, mut busy, mut done) = (Instant::now(), Duration::ZERO, 0u64);
    while checkpoint.state.step < config.steps {
        if stop.load(Ordering::Relaxed) {
            checkpoint.save(job.run)?;
            return Ok(Ended::Interrupted);
        }
        let step = checkpoint.state.step;
        // Random weights have no false alarms of their own yet.
        let has_learned = step > 0 || checkpoint.state.from.is_some();
        if config.mine_every > 0 && has_learned && step.is_multiple_of(config.mine_every) {
            let alarms = mine(&averaged(&checkpoint, &stepper.layers), &job.set.photos, config.input)?;
            tell(Event::Mined(alarms.len()));
            composer.show(&alarms);
            checkpoint.state.alarms = alarms;
        }
        let begun = Instant::now();
        let samples: Vec<Sample> = (0..config.batch).map(|place| composer.sample(step, place)).collect();
        let loss = stepper.step(&mut checkpoint, &samples).total();
        if !loss.is_finite() {
            bail!("train: the loss is {loss} at step {step}: lower the learning rate and go on with --resume");
        }
        let state = &mut checkpoint.state;
        state.step += 1;
        state.running = (state.running.0 + loss, state.running.1 + 1);
        busy += begun.elapsed();
        done += 1;
        let speed = (done * config.batch as u64) as f64 / busy.as_secs_f64();
        tell(Event::Step {
            step: step + 1,
            loss,
            speed,
        });
        let due = (step + 1).is_multiple_of(config.measure_every) || step + 1 == config.steps;
        if due {
            let measured = measured(&mut checkpoint, &stepper.layers, &held)?;
            write_history(job.run, &checkpoint)?;
            tell(Event::Measured(measured));
        }
        if due || saved.elapsed() >= job.checkpoint_every {
            checkpoint.save(job.run)?;
            saved = Instant::now();
        }
    }
    Ok(Ended::Finished)
}

/// A new training, or the one that goes on.
fn begin(job: &Job<'_>, composer: &Composer<'_>) -> Result<Checkpoint> {
    let exists = job.run.join(CHECKPOINT).exists();
    if !job.resume {
        if exists {
            bail!(
                "train: {} holds a training; go on with --resume or name another directory",
                job.run.display()
            );
        }
        std::fs::create_dir_all(job.run).with_context(|| format!("create {}", job.run.display()))?;
        let mut checkpoint = Checkpoint::new(job.config, job.set.fingerprint.clone());
        checkpoint.state.close.clone_from(&job.set.close);
        if let Some(from) = job.from {
            checkpoint.weights = from.weights(composer, job.config.input);
            checkpoint.state.from = Some(from.digest().to_owned());
        }
        return Ok(checkpoint);
    }
    let mut checkpoint = Checkpoint::load(job.run)?;
    if checkpoint.state.close != job.set.close {
        bail!(
            "train: --resume: {} was begun {}",
            job.run.display(),
            if checkpoint.state.close.is_none() {
                "without --keypoints; leave it out"
            } else {
                "with the faces of a keypoint set; give the same one with --keypoints"
            }
        );
    }
    if checkpoint.state.data != job.set.fingerprint {
        bail!(
            "train: --resume: the data differ from those that {} was begun with",
            job.run.display()
        );
    }
    if let Some(from) = job.from
        && checkpoint.state.from.as_deref() != Some(from.digest())
    {
        bail!(
            "train: --resume: {} did not begin with the network of --from; leave --from out",
            job.run.display()
        );
    }
    let wanted = DetectorConfig {
        steps: checkpoint.state.config.steps,
        mine_every: checkpoint.state.config.mine_every,
        ..job.config
    };
    let differences = between(&checkpoint.state.config, &wanted);
    if !differences.is_empty() {
        let each: Vec<String> = differences.iter().map(ToString::to_string).collect();
        bail!(
            "train: --resume: settings differ from those that {} was begun with: {}; give the same options",
            job.run.display(),
            each.join("; ")
        );
    }
    checkpoint.state.config.steps = job.config.steps;
    checkpoint.state.config.mine_every = job.config.mine_every;
    Ok(checkpoint)
}

fn averaged(checkpoint: &Checkpoint, layers: &[Layer]) -> Detector {
    let weights = &checkpoint.weights;
    Detector::new(layers, &weights.average, &weights.average_statistics)
}

/// Measures the average of the weights on held-out photos.
fn measured(checkpoint: &mut Checkpoint, layers: &[Layer], held: &[&Photo]) -> Result<Measured> {
    let detector = averaged(checkpoint, layers);
    let figures = measure(&detector, held, &Task::plain(checkpoint.state.config.input))?;
    let state = &mut checkpoint.state;
    let (sum, steps) = std::mem::take(&mut state.running);
    let measured = Measured {
        step: state.step,
        samples: state.step * state.config.batch as u64,
        loss: sum / steps.max(1) as f64,
        average_precision: figures.average_precision,
        recall: figures.recall[1],
        learning_rate: state.config.rate(state.step),
    };
    state.history.push(measured);
    Ok(measured)
}

fn write_history(run: &Path, checkpoint: &Checkpoint) -> Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for measured in &checkpoint.state.history {
        writer.serialize(measured)?;
    }
    let path = run.join(HISTORY);
    durable::replace_file(&path, &writer.into_inner()?).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
