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
use host_trainer::model::{Freeze, Task};
use host_trainer::train::pretrained::Pretrained;
use host_trainer::train::provenance::{Inputs, Provenance};
use host_trainer::train::teacher;
use host_trainer::train::tensorboard::TensorBoard;
use host_trainer::train::trained::{Trained, is_bundle};
use host_trainer::train::{CHECKPOINT_EVERY, Ended, Job, has_checkpoint, settings_of_run, told, train};

use super::commit::commit;
use super::data::DataOptions;
use super::exit::{self, Usage};
use super::find_rate;
use super::plan;
use super::progress::Progress;
use super::words;

mod told;

/// Train a network, or go on with a training.
///
/// Without further options this is the Keras original: its network, its optimiser, its schedule, but
/// a split by person or copy group. Checkpoints and `history.csv` go into the run's directory; Ctrl-C
/// stops with a checkpoint, and `--resume` goes on as if nothing had happened, with the run's own data and settings.
#[derive(Debug, Args)]
#[command(mut_arg("data", |data| data.required(false)))]
pub(crate) struct Train {
    /// What to train.
    task: Task,
    #[command(flatten)]
    data: DataOptions,
    /// Directory of the run.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["dry_run", "find_rate"])]
    out: Option<PathBuf>,
    /// Go on from the newest checkpoint in the run's directory. Everything else is known from there; where the schedule
    /// allows it, more `--epochs` make it longer.
    #[arg(long)]
    resume: bool,
    /// Train nothing: tell what the data, the split and the network are, and how long and how large a training would be.
    #[arg(long, conflicts_with = "resume")]
    dry_run: bool,
    /// Train nothing: raise the learning rate over some steps, tell the loss at each, suggest a rate, and write a page with
    /// the chart (Smith, 2015).
    #[arg(long, value_name = "HTML", conflicts_with_all = ["resume", "dry_run"])]
    find_rate: Option<PathBuf>,
    /// Steps of --find-rate.
    #[arg(long, value_name = "N", requires = "find_rate", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(20..=10_000))]
    rate_steps: u32,
    /// Longest time between two checkpoints, in seconds; each epoch ends with one in any case.
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_EVERY.as_secs())]
    checkpoint_every: u64,
    /// How faces are varied and divided.
    #[arg(long, value_enum, default_value_t = Protocol::Honest)]
    protocol: Protocol,
    /// A TOML file with settings that differ from the original's; host-trainer/recipes has some, and `train --keys` lists
    /// what they may say.
    #[arg(long, value_name = "TOML")]
    recipe: Option<PathBuf>,
    /// Fine-tune: begin with the network of this run, or the bundle's for the same task, head and all, instead of
    /// random weights. Classes are taken over by name. Architecture, normalisation and classes come from there, where the
    /// recipe says nothing else; the run's faces count as seen, and so do the bundle's where its data is among the data.
    /// Given several times, begin with the mean of the networks' weights (Wortsman et al., 2022): of use where they were
    /// trained from one another. Of a run that is its best epoch; RUN/checkpoints/step-… is another one.
    #[arg(long, value_name = "RUN|BUNDLE", conflicts_with = "trunk")]
    from: Vec<PathBuf>,
    /// Begin with the trunk of this run's best network, or of the bundle's network for the same task, instead of
    /// random weights; its faces count as seen. A bundle's own data must be among the data.
    #[arg(long, value_name = "RUN|BUNDLE")]
    trunk: Option<PathBuf>,
    /// Leave a part of the network that --from or --trunk gives as it is, batch normalisation included, and train the rest:
    /// faster, and for few faces often as good.
    #[arg(long, value_name = "PART")]
    freeze: Option<Freeze>,
    /// Let the network of this run, or the bundle's, have its share of the targets, as `[teacher]` in the recipe says. It
    /// must have been trained on the same data with the same split.
    #[arg(long, value_name = "RUN|BUNDLE")]
    teacher: Option<PathBuf>,
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
    /// Also write event files for TensorBoard into a directory of the run's name below this one, after each epoch.
    #[arg(long, value_name = "DIR")]
    tensorboard: Option<PathBuf>,
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
    /// The settings of a new training.
    fn fresh(&self, pretrained: Option<&Pretrained>, teacher: Option<&Trained>) -> Result<TrainConfig> {
        let original = || TrainConfig::original(self.task);
        let mut config = self.changed(pretrained.map_or_else(original, |found| found.settings(self.task)))?;
        note_teacher(&mut config, teacher)?;
        if let Some(found) = pretrained {
            found.check(&config).context("begin with another network")?;
            found.note(&mut config);
        }
        config.check_frozen()?;
        Ok(config)
    }

    /// The settings of the training that goes on: those of the run, which no option may change but for its length.
    fn resumed(
        &self,
        own: &TrainConfig,
        pretrained: Option<&Pretrained>,
        teacher: Option<&Trained>,
    ) -> Result<TrainConfig> {
        if own.task != self.task {
            bail!("resume {}: it trains {:?}", self.place().display(), own.task);
        }
        let mut asked = self.changed(own.clone())?;
        if let Some(found) = pretrained {
            found.note(&mut asked);
        }
        note_teacher(&mut asked, teacher)?;
        if self.replicas.is_none() {
            asked.replicas = own.replicas;
        }
        let mut differences = own.differences(&asked);
        if !own.schedule.knows_its_end() {
            differences.retain(|own| own.key != "epochs");
        }
        if !differences.is_empty() {
            bail!("resume {}: {}", self.place().display(), told(&differences));
        }
        Ok(asked)
    }

    /// These settings with what the options say.
    fn changed(&self, mut config: TrainConfig) -> Result<TrainConfig> {
        if let Some(path) = &self.recipe {
            config = config.with_recipe(path)?;
        }
        if matches!(self.protocol, Protocol::Original) {
            config = config.with_original_protocol();
        }
        if !self.data.labels.is_empty() {
            config.labels.clone_from(&self.data.labels);
        }
        config.freeze = self.freeze.or(config.freeze);
        config.epochs = self.epochs.unwrap_or(config.epochs);
        config.batch = self.batch.unwrap_or(config.batch);
        config.seed = self.seed.unwrap_or(config.seed);
        config.replicas = self.replicas(config.replicas)?;
        config.optimiser.learning_rate = self.learning_rate.unwrap_or(config.optimiser.learning_rate);
        config.check()?;
        Ok(config)
    }

    /// Directory of the run; of no use where nothing is trained.
    fn place(&self) -> &Path {
        self.out.as_deref().unwrap_or(Path::new(""))
    }

    /// Files as they are named, or as they were named when the run began.
    fn inputs(&self) -> Result<Inputs> {
        let begun = if self.resume {
            Provenance::of_run(self.place())?
        } else {
            None
        };
        let begun = begun.map_or_else(Inputs::default, |begun| begun.inputs.from(Path::new(&begun.directory)));
        let named = !self.data.data.is_empty();
        let inputs = Inputs {
            data: if named { self.data.data.clone() } else { begun.data },
            votes: self.data.votes.clone().or(begun.votes.filter(|_| !named)),
            skip_bad_rows: self.data.skip_bad_rows || !named && begun.skip_bad_rows,
            network: self.trunk.clone().or(begun.network.filter(|_| self.from.is_empty())),
            from: match (self.from.as_slice(), &self.trunk) {
                ([], None) => begun.from,
                (own, _) => own.to_vec(),
            },
            teacher: self.teacher.clone().or(begun.teacher),
            tensorboard: self.tensorboard.clone().or(begun.tensorboard),
        };
        if inputs.data.is_empty() {
            return Err(Usage("name the data with --data").into());
        }
        Ok(inputs)
    }

    /// What it begins with; a training that goes on from a checkpoint needs nothing but that.
    fn pretrained(&self, inputs: &Inputs, data: &DataOptions) -> Result<Option<Pretrained>> {
        let with_head = !inputs.from.is_empty();
        let places: Vec<&PathBuf> = inputs.from.iter().chain(&inputs.network).collect();
        let Some(place) = places.first() else { return Ok(None) };
        if self.trunk.is_none() && self.from.is_empty() && has_checkpoint(self.place())? {
            return Ok(None);
        }
        let option = if with_head { "--from" } else { "--trunk" };
        let read = |place: &&PathBuf| -> Result<(String, Pretrained)> {
            let found = if is_bundle(place) {
                data.pretrained(place, self.task)
            } else {
                Pretrained::of_run(place)
            };
            let found = found.with_context(|| format!("read the network of {option}"))?;
            Ok((place.display().to_string(), found))
        };
        let mut found = places.iter().map(read).collect::<Result<Vec<_>>>()?;
        let found = match found.pop() {
            Some((_, only)) if found.is_empty() => only,
            last => {
                found.extend(last);
                Pretrained::mean(found).with_context(|| format!("read the networks of {option}"))?
            }
        };
        if !with_head && !found.knows_what_it_has_seen() {
            bail!(
                "read the network of --trunk: {}: which faces its network has seen is only known beside the data that it \
                 was trained on; give that data, too",
                place.display()
            );
        }
        Ok(Some(if with_head { found.with_head() } else { found }))
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
        let inputs = self.inputs()?;
        let data = DataOptions {
            data: inputs.data.clone(),
            votes: inputs.votes.clone(),
            skip_bad_rows: inputs.skip_bad_rows,
            labels: self.data.labels.clone(),
        };
        let pretrained = self.pretrained(&inputs, &data)?;
        let teacher = inputs
            .teacher
            .as_ref()
            .map(|place| Trained::open(place, Some(self.task)));
        let teacher = teacher.transpose().context("read the network of --teacher")?;
        let own = if self.resume {
            settings_of_run(self.place())?
        } else {
            None
        };
        let config = match own {
            Some(own) => self.resumed(&own, pretrained.as_ref(), teacher.as_ref())?,
            None => self.fresh(pretrained.as_ref(), teacher.as_ref())?,
        };
        if let Some(pretrained) = &pretrained {
            told::tell(pretrained, &config);
        }
        let devices = self.devices()?;
        let mut prepared = data.prepare(&config)?;
        if self.dry_run {
            return plan::tell(&config, &prepared, &devices);
        }
        if let Some(frozen) = plan::frozen(&config) {
            tracing::info!("{frozen}");
        }
        if let Some(teacher) = &teacher {
            prepared = told::taught(prepared, teacher, &config)?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("listen for Ctrl-C")?;
        if let Some(page) = &self.find_rate {
            let (begun, steps) = (pretrained.as_ref(), self.rate_steps);
            return find_rate::run(&config, &prepared, begun, &devices, page, steps, &stop);
        }
        told::guessing(&prepared, &config);
        self.train(
            &Job {
                config,
                prepared: &prepared,
                pretrained: pretrained.as_ref(),
                run: self.place(),
                devices,
                resume: self.resume,
                checkpoint_every: Duration::from_secs(self.checkpoint_every),
                begun: begun(inputs),
            },
            &stop,
        )
    }

    /// Trains, and says what comes after.
    fn train(&self, job: &Job<'_>, stop: &AtomicBool) -> Result<ExitCode> {
        let mut progress = Progress::new(&job.config);
        let logs = job.begun.inputs.tensorboard.as_ref();
        let mut board = logs.map(|logs| TensorBoard::new(logs, job.run, &job.config));
        let ended = train(job, stop, &mut |event| {
            progress.tell(&event);
            if let Some(board) = &mut board {
                board.tell(&event);
            }
        })?;
        if ended == Ended::Interrupted {
            let again = ["host-trainer", "train", self.task.name(), "--resume", "--out"].map(str::to_owned);
            let again = again.into_iter().chain([job.run.display().to_string()]);
            tracing::info!("stopped; go on with: {}", words::shell(again));
            return Ok(ExitCode::from(exit::INTERRUPTED));
        }
        if ended == Ended::Early {
            tracing::info!("stopped: nothing got better in {} epochs", job.config.stop.patience);
        }
        told::next(job.run, &job.begun.inputs);
        Ok(ExitCode::SUCCESS)
    }
}

/// Notes in the settings which network the teacher is; refuses a share of the target without one, and one without a share.
fn note_teacher(config: &mut TrainConfig, teacher: Option<&Trained>) -> Result<()> {
    match (&mut config.teacher, teacher) {
        (Some(own), Some(teacher)) => own.network = Some(teacher::digest(teacher)),
        (Some(_), None) => bail!("the settings give a teacher a share of the target: name its network with --teacher"),
        (None, Some(_)) => {
            bail!("--teacher: the recipe gives it no share of the target; add `[teacher]` with `share = 0.5`, say")
        }
        (None, None) => {}
    }
    Ok(())
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
fn begun(inputs: Inputs) -> Provenance {
    let directory = std::env::current_dir().map_or_else(|_| String::new(), |path| path.display().to_string());
    Provenance {
        command: words::own(),
        directory,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: commit(),
        inputs,
    }
}
