//! `host-trainer train`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use host_trainer::config::TrainConfig;
use host_trainer::device::Backend;
use host_trainer::model::Task;
use host_trainer::train::{Ended, Job, train};

use super::data::DataOptions;
use super::exit;
use super::progress::Progress;

/// Train a network, or go on with a training.
///
/// Without further options this is the Keras original: its network, its optimiser, its schedule, but
/// a split by person or copy group. Checkpoints and `history.csv` go into the run's directory; Ctrl-C
/// stops with a checkpoint, and `--resume` goes on as if nothing had happened.
#[derive(Debug, Args)]
pub(crate) struct Train {
    /// What to train.
    task: Task,
    #[command(flatten)]
    data: DataOptions,
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on from the newest checkpoint in the run's directory.
    #[arg(long)]
    resume: bool,
    /// How faces are varied and divided.
    #[arg(long, value_enum, default_value_t = Protocol::Honest)]
    protocol: Protocol,
    /// A TOML file with settings that differ from the original's; host-trainer/recipes has some.
    #[arg(long, value_name = "TOML")]
    recipe: Option<PathBuf>,
    /// Epochs at most.
    #[arg(long)]
    epochs: Option<u32>,
    /// Faces in one step.
    #[arg(long)]
    batch: Option<usize>,
    /// Highest learning rate.
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Seed of every random choice.
    #[arg(long)]
    seed: Option<u64>,
    /// Copies of the network that share each batch; by default one a core.
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    device: Backend,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    /// Divided by person or copy group; mirrored faces swap left and right.
    Honest,
    /// As the original notebook does it: figures come out too good.
    Original,
}

impl Train {
    fn config(&self) -> Result<TrainConfig> {
        let mut config = TrainConfig::original(self.task);
        if let Some(path) = &self.recipe {
            config = config.with_recipe(path)?;
        }
        if matches!(self.protocol, Protocol::Original) {
            config = config.with_original_protocol();
        }
        config.epochs = self.epochs.unwrap_or(config.epochs);
        config.batch = self.batch.unwrap_or(config.batch);
        config.seed = self.seed.unwrap_or(config.seed);
        config.replicas = self.replicas.unwrap_or(config.replicas);
        config.optimiser.learning_rate = self.learning_rate.unwrap_or(config.optimiser.learning_rate);
        config.check()?;
        Ok(config)
    }

    pub(crate) fn run(&self) -> Result<ExitCode> {
        let config = self.config()?;
        let prepared = self.data.prepare(&config)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("listen for Ctrl-C")?;
        let mut progress = Progress::new(self.task, config.epochs);
        let job = Job {
            config,
            prepared: &prepared,
            run: &self.out,
            backend: self.device,
            resume: self.resume,
        };
        Ok(match train(&job, &stop, &mut |event| progress.tell(&event))? {
            Ended::Finished => ExitCode::SUCCESS,
            Ended::Early => {
                eprintln!("stopped: nothing got better in {} epochs", job.config.stop.patience);
                ExitCode::SUCCESS
            }
            Ended::Interrupted => {
                eprintln!("stopped; go on with --resume");
                ExitCode::from(exit::INTERRUPTED)
            }
        })
    }
}
