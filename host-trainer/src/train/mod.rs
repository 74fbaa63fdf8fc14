//! Training: epochs of steps, validation, schedule, checkpoints.
//!
//! A step is a function of (weights, moments, rows, seed, step number): order, augmentation and
//! dropout draw from generators keyed by those numbers, so a training that goes on from a checkpoint
//! ends with the very weights of one that was never interrupted.

mod adam;
mod average;
pub mod batch;
pub mod bench;
pub mod calibration;
pub mod checkpoint;
mod dense;
mod divide;
pub mod find_rate;
mod folded;
pub mod history;
mod learner;
mod loss;
mod mixup;
mod optimiser;
mod outcome;
mod params;
pub mod prepare;
pub mod pretrained;
pub mod provenance;
mod readback;
#[cfg(test)]
mod reference_tests;
mod replicas;
mod resume;
pub mod samples;
pub mod sampling;
mod schedule;
pub mod seen;
pub mod shipped;
mod spare;
mod take_over;
mod targets;
pub mod teacher;
pub mod tensorboard;
pub mod trained;
pub mod validate;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::config::{Monitor, Schedule, TrainConfig};
use crate::device::{DeviceError, Devices};
use crate::early_stop::Progress;
use crate::model::Task;
use checkpoint::State;
use history::EpochRecord;
use learner::Learner;
use prepare::Prepared;
use pretrained::Pretrained;
use provenance::Provenance;
use resume::{go_on, write_settings};
pub use resume::{has_checkpoint, settings_of_run, told};
use seen::SeenFaces;

/// Longest time between two checkpoints, where nothing else is asked for.
pub const CHECKPOINT_EVERY: Duration = Duration::from_mins(5);

/// A training to be run, or to go on with.
pub struct Job<'a> {
    /// What is trained, and how.
    pub config: TrainConfig,
    /// The data, divided, that it is trained on.
    pub prepared: &'a Prepared,
    /// What the network begins with, instead of random weights; what `config.trunk` or `config.from` names.
    pub pretrained: Option<&'a Pretrained>,
    /// The directory of the run.
    pub run: &'a Path,
    /// The devices that it computes on.
    pub devices: Devices,
    /// Go on from the newest checkpoint, instead of starting.
    pub resume: bool,
    /// Longest time between two checkpoints; there is one at the end of each epoch in any case.
    pub checkpoint_every: Duration,
    /// How it was asked for; noted where it starts.
    pub begun: Provenance,
}

/// What a training tells while it runs.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A checkpoint could not be used; an older one is.
    Damaged(&'a str),
    /// So many faces of the test part were seen by the network that it begins with.
    TestFacesSeen(usize),
    /// It begins, or goes on, at this epoch (from 0) and step.
    Begins {
        /// Epoch from 0.
        epoch: u32,
        /// Step in it.
        step: u64,
        /// Steps in each epoch.
        steps: u64,
        /// The epochs that are done.
        history: &'a [EpochRecord],
    },
    /// What the network comes to that it begins with, before the first step.
    Start {
        /// Loss on the validation part.
        validation_loss: f64,
        /// As [`EpochRecord::validation_metric`].
        validation_metric: f64,
    },
    /// A step is done.
    Step {
        /// Epoch from 0.
        epoch: u32,
        /// Step in it, from 1.
        step: u64,
        /// Mean loss of the epoch so far.
        loss: f64,
        /// Training accuracy, or error in px, of the epoch so far; as [`EpochRecord::metric`].
        metric: Option<f64>,
    },
    /// An epoch is done.
    Epoch {
        /// What it came to.
        record: &'a EpochRecord,
        /// The epoch with the best weights so far, from 1; 0 is what it began with.
        best: Option<u32>,
        /// Steps of the whole training so far.
        steps: u64,
    },
}

/// Why a training came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// After its last epoch.
    Finished,
    /// Nothing got better any more.
    Early,
    /// Asked to stop; a checkpoint holds everything.
    Interrupted,
}

/// Where a run keeps its checkpoints.
pub fn checkpoints(run: &Path) -> PathBuf {
    run.join("checkpoints")
}

/// The run to which a directory belongs: that itself, or the one whose checkpoint it is.
pub fn run_of(place: &Path) -> &Path {
    if !checkpoint::is_checkpoint(place) {
        return place;
    }
    place.parent().and_then(Path::parent).unwrap_or(place)
}

/// Trains until the last epoch, until nothing gets better, or until `stop` is set.
pub fn train(job: &Job<'_>, stop: &AtomicBool, tell: &mut dyn FnMut(Event<'_>)) -> Result<Ended> {
    job.config.check()?;
    let mut learner = start(job, tell)?;
    let sampling = &job.prepared.sampling;
    let steps = steps_per_epoch(sampling.len(), job.config.batch);
    tell(Event::Begins {
        epoch: learner.state.epoch,
        step: learner.state.step_of_epoch,
        steps,
        history: &learner.state.history,
    });
    let mut saved = Instant::now();
    while learner.state.epoch < job.config.epochs {
        let begun = Instant::now();
        let order = sampling.epoch(job.config.seed, learner.state.epoch);
        for batch in order
            .chunks(job.config.batch)
            .take(steps as usize)
            .skip(learner.state.step_of_epoch as usize)
        {
            if stop.load(Ordering::Relaxed) {
                learner.save(job.run)?;
                return Ok(Ended::Interrupted);
            }
            let done = learner.step(job.prepared, batch, steps * u64::from(job.config.epochs));
            done.or_else(|error| Err(keep(error, job, &learner)?))?;
            tell(learner.progress());
            // The last step's checkpoint is that of the epoch, which it must not be mistaken for.
            let last = learner.state.step_of_epoch == steps;
            if !last && saved.elapsed() >= job.checkpoint_every {
                learner.save(job.run)?;
                saved = Instant::now();
            }
        }
        let progress = end_epoch(job, &mut learner, begun)?;
        saved = Instant::now();
        if let Some(record) = learner.state.history.last() {
            tell(Event::Epoch {
                record,
                best: learner.state.best.as_ref().map(|(_, epoch)| *epoch),
                steps: learner.state.step,
            });
        }
        if progress == Progress::Stop && job.config.stop.patience > 0 {
            learner.tidy(job.run)?;
            return Ok(Ended::Early);
        }
    }
    learner.tidy(job.run)?;
    Ok(Ended::Finished)
}

/// Saves the steps before one that failed because a device vanished, where that does not hold the weights.
fn keep(error: anyhow::Error, job: &Job<'_>, learner: &Learner) -> Result<anyhow::Error> {
    if !error.is::<DeviceError>() || !job.devices.weights_are_here() {
        return Ok(error);
    }
    learner.save(job.run)?;
    let State {
        epoch, step_of_epoch, ..
    } = learner.state;
    Ok(error.context(format!(
        "step {} of epoch {}; the steps before it are saved: mend the cause, or name other devices, then go on with \
         --resume",
        step_of_epoch + 1,
        epoch + 1
    )))
}

/// A fresh learner, or one from the newest checkpoint.
fn start(job: &Job<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Result<Learner> {
    let folder = checkpoints(job.run);
    let mut damaged = Vec::new();
    let newest = checkpoint::newest(&folder, &mut damaged)?;
    for name in &damaged {
        tell(Event::Damaged(name));
    }
    match (newest, job.resume) {
        (Some((place, found)), true) => {
            let found = go_on(found, job).with_context(|| format!("resume {}", place.display()))?;
            Learner::resume(found, &job.devices)
        }
        (None, true) if !damaged.is_empty() || settings_of_run(job.run)?.is_none() => bail!(
            "resume: {} holds no whole checkpoint; start without --resume",
            folder.display()
        ),
        (Some((place, _)), false) => bail!(
            "{} already holds a training: go on with --resume, or name another directory",
            place.display()
        ),
        // A training that was stopped before its first checkpoint goes on from its beginning.
        (None, _) => begin(job, tell),
    }
}

/// A fresh learner; what belongs to it is noted in the run's directory, the settings last.
fn begin(job: &Job<'_>, tell: &mut dyn FnMut(Event<'_>)) -> Result<Learner> {
    job.config.check_frozen()?;
    job.prepared.check_classes()?;
    let mut seen = SeenFaces::of(job.prepared);
    if let Some(pretrained) = job.pretrained {
        match pretrained.check_test_part(job.prepared)? {
            0 => {}
            count => tell(Event::TestFacesSeen(count)),
        }
        seen = pretrained.seen_with(seen);
    }
    // What is refused leaves no directory behind.
    std::fs::create_dir_all(checkpoints(job.run)).with_context(|| format!("create {}", job.run.display()))?;
    job.begun.write(job.run)?;
    seen.write(job.run)?;
    write_settings(job)?;
    let mut learner = Learner::new(&job.config, job.prepared, job.pretrained, &job.devices)?;
    if !job.config.from.is_empty() {
        let (validation_loss, validation_metric) = learner.validate(job.prepared).context("validate the beginning")?;
        tell(Event::Start {
            validation_loss,
            validation_metric,
        });
        keep_if_best(job, &mut learner, [validation_loss, validation_metric]);
        learner.save(job.run)?;
    }
    Ok(learner)
}

/// Takes loss and metric on the validation part; the weights are the best ones where nothing before was better.
///
/// What a training begins with is epoch 0: where each epoch makes a network worse, that stays the best one.
fn keep_if_best(job: &Job<'_>, learner: &mut Learner, [loss, metric]: [f64; 2]) -> Progress {
    let monitored = match job.config.stop.monitor {
        Monitor::Loss => loss,
        Monitor::Accuracy => -metric,
    };
    let state = &mut learner.state;
    let progress = state.early_stop.step(monitored);
    if progress == Progress::Improved {
        state.best = Some((learner::name(state), state.epoch));
    }
    progress
}

/// Validates, notes, adapts the learning rate, saves.
fn end_epoch(job: &Job<'_>, learner: &mut Learner, begun: Instant) -> Result<Progress> {
    let (validation_loss, validation_metric) = learner.validate(job.prepared).with_context(|| {
        let epoch = learner.state.epoch + 1;
        format!("validate after epoch {epoch}; the last checkpoint is intact: lower the learning rate and start again")
    })?;
    let record = EpochRecord {
        epoch: learner.state.epoch + 1,
        loss: learner.mean_loss(),
        metric: learner.mean_metric(),
        validation_loss,
        validation_metric,
        learning_rate: learner.learning_rate(),
        seconds: begun.elapsed().as_secs_f64(),
    };
    let state = &mut learner.state;
    state.history.push(record);
    state.epoch += 1;
    state.step_of_epoch = 0;
    (state.running_loss, state.running_metric) = ([0.0; 2], [0.0; 2]);
    if let Schedule::Plateau { .. } = job.config.schedule {
        state.learning_rate = state.plateau.step(validation_loss, state.learning_rate);
    }
    let progress = keep_if_best(job, learner, [validation_loss, validation_metric]);
    history::write(&job.run.join("history.csv"), &learner.state.history)?;
    learner.save(job.run)?;
    Ok(progress)
}

/// Steps in an epoch: a last batch is left out where it has less than a quarter of the faces, since
/// batch statistics of a few faces mean little; another order leaves out others.
pub fn steps_per_epoch(rows: usize, batch: usize) -> u64 {
    let whole = rows / batch;
    let rest = rows % batch;
    (whole + usize::from(whole == 0 || rest * 4 >= batch)) as u64
}

/// The state of a training that has not begun.
fn fresh_state(config: &TrainConfig, prepared: &Prepared) -> State {
    let (factor, patience, minimum) = match config.schedule {
        Schedule::Plateau {
            factor,
            patience,
            minimum,
        } => (factor, patience, minimum),
        _ => (1.0, u32::MAX, 0.0),
    };
    State {
        config: config.clone(),
        data: prepared.data.clone(),
        held_out: prepared.held_out.clone(),
        train_rows: prepared.split.train.len() as u32,
        target: prepared.samples.target().clone(),
        epoch: 0,
        step_of_epoch: 0,
        learning_rate: config.optimiser.learning_rate,
        step: 0,
        running_loss: [0.0; 2],
        running_metric: [0.0; 2],
        plateau: crate::plateau::Plateau::new(crate::plateau::PlateauConfig {
            factor,
            patience,
            min_learning_rate: minimum,
            ..Default::default()
        }),
        early_stop: crate::early_stop::EarlyStop::new(crate::early_stop::EarlyStopConfig {
            patience: config.stop.patience,
            ..Default::default()
        }),
        best: None,
        history: Vec::new(),
    }
}

/// What the metric of training and validation is called.
pub fn metric_name(task: Task) -> &'static str {
    match task {
        Task::Keypoints => "rmse_px",
        Task::Emotion => "accuracy",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_last_batches_are_left_out() {
        let cases = [(64, 1), (65, 1), (79, 1), (80, 2), (128, 2), (3, 1)];
        for (rows, steps) in cases {
            assert_eq!(steps_per_epoch(rows, 64), steps, "{rows} rows");
        }
    }
}
