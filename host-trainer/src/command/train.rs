//! `host-trainer train`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use host_trainer::config::TrainConfig;
use host_trainer::device::{Backend, DeviceError, Devices};
use host_trainer::model::Task;
use host_trainer::train::pretrained::Pretrained;
use host_trainer::train::provenance::Provenance;
use host_trainer::train::{CHECKPOINT_EVERY, Ended, Job, train};
use shared_model::manifest::FILE_NAME;

use super::commit::commit;
use super::data::DataOptions;
use super::exit;
use super::progress::Progress;
use super::words;

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
    /// Longest time between two checkpoints, in seconds; each epoch ends with one in any case.
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_EVERY.as_secs())]
    checkpoint_every: u64,
    /// How faces are varied and divided.
    #[arg(long, value_enum, default_value_t = Protocol::Honest)]
    protocol: Protocol,
    /// A TOML file with settings that differ from the original's; host-trainer/recipes has some.
    #[arg(long, value_name = "TOML")]
    recipe: Option<PathBuf>,
    /// Begin with the trunk of this run's best network, or of the bundle's network for the same task, instead of
    /// random weights; its faces count as seen. A bundle's own data must be among the data.
    #[arg(long, value_name = "RUN|BUNDLE")]
    trunk: Option<PathBuf>,
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
    /// Copies of the network that share each batch, one a thread; by default one a core, or one a `--remote`.
    /// The same number and seed give the same weights, on the same machine and build.
    #[arg(long, value_name = "N")]
    replicas: Option<usize>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    device: Backend,
    /// Compute on a machine where `host-trainer serve` runs, instead of here; may be given several times. The
    /// replicas use them in turn.
    #[arg(long, value_name = "ws://HOST:PORT", conflicts_with = "device", value_parser = server)]
    remote: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Protocol {
    /// Divided by person or copy group; mirrored faces swap left and right.
    Honest,
    /// As the original notebook does it: figures come out too good.
    Original,
}

impl Train {
    fn config(&self, pretrained: Option<&Pretrained>) -> Result<TrainConfig> {
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
        config.replicas = self.replicas(config.replicas)?;
        config.optimiser.learning_rate = self.learning_rate.unwrap_or(config.optimiser.learning_rate);
        config.trunk = pretrained.map(|found| found.digest().to_owned());
        if let Some(found) = pretrained
            && found.stages() != config.architecture.stages
        {
            bail!(
                "--trunk: that trunk has {} residual stages, this network {}",
                found.stages(),
                config.architecture.stages
            );
        }
        config.check()?;
        Ok(config)
    }

    fn pretrained(&self, place: &Path) -> Result<Pretrained> {
        if place.join(FILE_NAME).exists() {
            return self.data.pretrained(place, self.task);
        }
        Pretrained::of_run(place)
    }

    /// As asked for, or one a server, or as the recipe has it.
    fn replicas(&self, recipe: usize) -> Result<usize> {
        let servers = self.remote.len();
        let replicas = self.replicas.unwrap_or(if servers > 0 { servers } else { recipe });
        if replicas < servers {
            bail!("--remote: {servers} machines for --replicas {replicas}: some would have nothing to do");
        }
        Ok(replicas)
    }

    fn devices(&self) -> Result<Devices, DeviceError> {
        #[cfg(feature = "remote")]
        if !self.remote.is_empty() {
            return Devices::remote(&self.remote);
        }
        Devices::local(self.device)
    }

    pub(crate) fn run(&self) -> Result<ExitCode> {
        let pretrained = self.trunk.as_deref().map(|place| self.pretrained(place)).transpose();
        let pretrained = pretrained.context("read the network of --trunk")?;
        let config = self.config(pretrained.as_ref())?;
        let devices = self.devices()?;
        let prepared = self.data.prepare(&config)?;
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("listen for Ctrl-C")?;
        let mut progress = Progress::new(self.task, config.epochs);
        let job = Job {
            config,
            prepared: &prepared,
            pretrained: pretrained.as_ref(),
            run: &self.out,
            devices,
            resume: self.resume,
            checkpoint_every: Duration::from_secs(self.checkpoint_every),
            begun: begun(),
        };
        Ok(match train(&job, &stop, &mut |event| progress.tell(&event))? {
            Ended::Finished => ExitCode::SUCCESS,
            Ended::Early => {
                tracing::info!("stopped: nothing got better in {} epochs", job.config.stop.patience);
                ExitCode::SUCCESS
            }
            Ended::Interrupted => {
                tracing::info!("stopped; go on with --resume");
                ExitCode::from(exit::INTERRUPTED)
            }
        })
    }
}

/// The address of a server, as `--remote` takes it.
fn server(text: &str) -> Result<String, String> {
    if cfg!(not(feature = "remote")) {
        return Err("this program cannot use other machines: build it with `--features remote`".into());
    }
    if text.strip_prefix("ws://").is_none_or(str::is_empty) {
        return Err("an address looks like ws://192.168.0.5:3000".into());
    }
    Ok(text.to_owned())
}

/// This process, for the run's directory.
fn begun() -> Provenance {
    let directory = std::env::current_dir().map_or_else(|_| String::new(), |path| path.display().to_string());
    Provenance {
        command: words::own(),
        directory,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit(),
    }
}
