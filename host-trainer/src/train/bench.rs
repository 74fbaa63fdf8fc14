//! How fast a training step is: the real step, on random faces.
//!
//! What is measured is the step of a real training: batch, forward and backward pass, optimiser, running
//! statistics, average. Reading files, validation and checkpoints are left out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rand::RngExt;
use shared_model::image::SIDE;
use shared_model::keypoints::{COUNT, Keypoints};

use super::learner::Learner;
use super::prepare::Prepared;
use super::samples::{Data, Samples};
use super::sampling::Sampling;
use crate::augment::sample_rng;
use crate::config::TrainConfig;
use crate::data::split::Split;
use crate::data::{EmotionData, Faces, KeypointData};
use crate::device::Devices;
use crate::engine::Pass;
use crate::model::Task;

/// Length of the training that the steps pretend to be part of; only the learning rate depends on it.
const ALL_STEPS: u64 = 10_000;

/// A training on one batch of random faces, the same in each step.
pub struct Bench {
    learner: Learner,
    prepared: Prepared,
    rows: Vec<u32>,
}

impl Bench {
    /// A fresh network and `config.batch` faces. Votes are not used.
    pub fn new(config: &TrainConfig, devices: &Devices) -> Result<Self> {
        config.check()?;
        let data = random_data(config).context("make random faces")?;
        let rows: Vec<u32> = (0..config.batch as u32).collect();
        let prepared = Prepared {
            samples: Samples::new(data, config, &rows),
            split: Split {
                train: rows.clone(),
                ..Split::default()
            },
            sampling: Sampling::once(&rows),
            data: String::new(),
            held_out: String::new(),
        };
        let learner = Learner::new(config, &prepared, None, devices)?;
        Ok(Self {
            learner,
            prepared,
            rows,
        })
    }

    /// One step; gives its wall time.
    pub fn step(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        self.learner.step(&self.prepared, &self.rows, ALL_STEPS)?;
        Ok(begun.elapsed())
    }

    /// Time that the engine has spent in each kind of pass so far, a mean over the replicas; empty
    /// where another backend computes the trunk.
    pub fn engine_passes(&self) -> Vec<(Pass, Duration)> {
        let replicas = self.learner.engine_timings();
        let spent = |pass| replicas.iter().map(|timings| timings.spent(pass)).sum::<Duration>();
        let passes = Pass::ALL.iter().filter(|_| !replicas.is_empty());
        passes
            .map(|pass| (*pass, spent(*pass) / replicas.len() as u32))
            .collect()
    }
}

/// `None` never happens: the pixels are whole faces.
fn random_data(config: &TrainConfig) -> Option<Data> {
    let mut rng = sample_rng(config.seed, 0, 0);
    let side = if config.task == Task::Keypoints { SIDE } else { SIDE / 2 };
    let pixels = (0..config.batch * side * side).map(|_| rng.random::<u8>()).collect();
    let faces = Faces::new(side, pixels)?;
    let (count, groups) = (config.batch, (0..config.batch as u32).collect());
    let rows = (1..=count as u64).collect();
    Some(match config.task {
        Task::Keypoints => {
            let mut point = || [0; 2].map(|_| rng.random_range(0.0..SIDE as f32));
            let points = (0..count)
                .map(|_| Keypoints([[0.0; 2]; COUNT].map(|_| point())))
                .collect();
            Data::Keypoints(KeypointData {
                faces,
                points,
                present: vec![[true; COUNT]; count],
                groups,
                rows,
            })
        }
        Task::Emotion => Data::Emotion(EmotionData {
            classes: config.classes.clone(),
            faces,
            labels: (0..count)
                .map(|_| rng.random_range(0..config.classes.len()) as u8)
                .collect(),
            labelled: vec![true; count],
            votes: None,
            sets: vec![0],
            usage: None,
            groups,
            rows,
            csv_rows: count as u64,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::AugmentConfig;
    use crate::device::Backend;

    #[test]
    fn faces_are_as_many_as_the_batch_and_the_same_every_time() {
        for task in [Task::Keypoints, Task::Emotion] {
            let config = TrainConfig {
                batch: 3,
                ..TrainConfig::original(task)
            };
            let data = random_data(&config).unwrap();
            assert_eq!(data.faces().len(), 3);
            assert_eq!(data.fingerprint(), random_data(&config).unwrap().fingerprint());
        }
    }

    #[test]
    fn steps_move_the_weights_and_the_engine_tells_its_passes() {
        let config = TrainConfig {
            batch: 4,
            replicas: 2,
            augment: AugmentConfig::none(),
            ..TrainConfig::original(Task::Emotion)
        };
        let bench = |backend| Bench::new(&config, &Devices::local(backend).unwrap()).unwrap();
        let mut engine = bench(Backend::Flex);
        assert_eq!(engine.learner.state.step, 0);
        assert!(engine.step().unwrap() > Duration::ZERO);
        assert_eq!(
            (engine.learner.state.step, engine.engine_passes().len()),
            (1, Pass::ALL.len())
        );
        assert!(bench(Backend::FlexAutodiff).engine_passes().is_empty());
    }
}
