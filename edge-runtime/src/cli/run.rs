//! `edge-runtime run`: watches a source and signals what holds.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use edge_runtime::config::Config;
use edge_runtime::decide::Decider;
use edge_runtime::metrics::{self, Counts};
use edge_runtime::pipeline::{End, Pipeline, PipelineError, Progress, Stages, Surroundings, Trouble};
use edge_runtime::service::Service;
use edge_runtime::source::{Held, Pausable};
use shared_model::Text;
use signal_hook::consts::{SIGHUP, TERM_SIGNALS};
use signal_hook::flag;
use update::Networks;
use vision::clock::SystemClock;

use super::Verbosity;
use super::agent::Agent;
use super::bundles::{Bundles, Outcome};
use super::failure::{Failure, code, source_code};
use super::input::{source, timing, watch};
use super::lines;
use super::sinks::{Shared, sinks};

const AFTER: &str = "\
Standard output gets a JSON line for each new verdict:
  {\"boot\": \"…\", \"sequence\": 0, \"time_ms\": 1500, \"emotion\": \"Happy\", \"confidence\": 0.87, \"face\": true}
where the emotion can be `uncertain`, `no_face` or `unknown` as well. At the end, standard error gets the counts of
frames and the latencies.";

/// Watches a source, decides over time, and signals what holds
///
/// Ends with the source, or on SIGINT or SIGTERM, and leaves every line at its safe level. On SIGHUP it takes up the
/// changed configuration; a camera that stays the same stays open, and the lamp lit.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

pub(crate) fn main(args: &Args, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let mut config = Config::load(&args.config)?;
    let signals = Signals::catch()?;
    let mut shared = Shared {
        boot: boot_id(),
        progress: Arc::default(),
        switches: Arc::default(),
        updates: Arc::default(),
        stop: Arc::clone(&signals.stop),
        beats: Arc::default(),
        vitals: Arc::default(),
        metrics: None,
    };
    let progress = Arc::clone(&shared.progress);
    let mut service = Service::start(Arc::clone(&shared.vitals), move || progress.inferred() > 0)
        .map_err(|error| Failure::new(code::INTERNAL, error))?;
    shared.metrics = measure(&config, &shared.progress)?;
    // Before the camera, so that it goes out after it.
    let mut lamp = lines::lamp(&config)?;
    let mut camera = Held::new(source(&config.source)?);
    loop {
        let agent = Agent::new(&config, &args.config, &shared.updates);
        let code = run(&config, camera.clone(), &shared, &signals, agent, verbosity);
        if !signals.take_reload() {
            service.stopping();
            return code;
        }
        service.reloading();
        shared.boot = boot_id();
        match Config::load(&args.config) {
            Ok(new) => {
                // The same camera goes on; only another one is opened anew.
                if new.source != config.source {
                    camera = Held::new(source(&new.source)?);
                }
                if lines::lamp_wiring(&new) != lines::lamp_wiring(&config) {
                    // Let go first: the same line may be wired the other way now.
                    drop(lamp.take());
                    lamp = lines::lamp(&new)?;
                }
                config = new;
            }
            Err(error) => eprintln!("warning: {error}; going on with the configuration as it was"),
        }
    }
}

/// Offers counts where the configuration at the start wants them; gives the signs of life of who does.
fn measure(config: &Config, progress: &Arc<Progress>) -> Result<Option<Arc<AtomicU64>>, Failure> {
    let Some(metrics) = &config.metrics else {
        return Ok(None);
    };
    let progress = Arc::clone(progress);
    let counts = move || Counts {
        captured: progress.captured(),
        judged: progress.inferred(),
        inference: progress.inference(),
    };
    let beats = Arc::default();
    let served = metrics::serve(metrics.listen, Arc::clone(&beats), counts);
    let failed = |error| {
        Failure::new(
            code::UNAVAILABLE,
            anyhow::anyhow!("serve metrics on {}: {error}", metrics.listen),
        )
    };
    served.map(|_| Some(beats)).map_err(failed)
}

/// Runs until the source ends or a signal comes.
fn run(
    config: &Config,
    camera: Held,
    shared: &Shared,
    signals: &Signals,
    agent: Option<Agent>,
    verbosity: Verbosity,
) -> Result<ExitCode, Failure> {
    let mut bundles = Bundles::new(config, verbosity);
    let stages = stages(config, bundles.start(config)?, shared)?;
    let (watcher, swaps) = bundles.watch(config, stages.classes.clone(), shared, agent)?;
    let mut pipeline = Pipeline::new(stages).swapping(swaps);
    // A source without a single frame is an error of the source, not a run without faces.
    let mut first = None;
    let mut report = |trouble: &Trouble| {
        eprintln!("warning: {trouble}");
        if let Trouble::Source(error) = trouble {
            first.get_or_insert(source_code(error));
        }
    };
    let mut around = Surroundings {
        clock: &SystemClock::start(),
        stop: &signals.stop,
        report: &mut report,
    };
    let source = Pausable::new(camera, Arc::clone(&shared.switches));
    let end = pipeline.run(Box::new(source), timing(&config.source), &mut around);
    watcher.end(if end.is_ok() { Outcome::Clean } else { Outcome::Failed });
    verbosity.say(&pipeline.stats().to_string());
    match end.map_err(|error| Failure::new(pipeline_code(&error), error))? {
        End::Stopped => Ok(ExitCode::from(signals.code())),
        End::Exhausted if pipeline.stats().frames == 0 => Ok(ExitCode::from(first.unwrap_or(code::NO_INPUT))),
        End::Exhausted | End::Closed => Ok(ExitCode::SUCCESS),
    }
}

fn pipeline_code(error: &PipelineError) -> u8 {
    match error {
        PipelineError::Sink { .. } => code::UNAVAILABLE,
        PipelineError::Start(_) | PipelineError::Source => code::INTERNAL,
    }
}

fn stages(config: &Config, networks: Networks, shared: &Shared) -> Result<Stages, Failure> {
    let manifest = networks.bundle.manifest();
    let classes = manifest.classes.clone();
    let decider = Decider::new(config.decide.0, classes.clone(), manifest.decision.abstain_below)
        .map_err(|error| Failure::new(code::CONFIG, error))?;
    Ok(Stages {
        watch: watch(config)?,
        predictor: networks.predictor.on(config.threads),
        sinks: sinks(config, &classes, shared)?,
        classes,
        decider,
        boot: shared.boot.clone(),
        progress: Arc::clone(&shared.progress),
    })
}

/// Differs from start to start: the time in nanoseconds and the process.
fn boot_id() -> Text<32> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{:x}-{:x}", time.as_nanos() as u64, std::process::id());
    // 16 and 8 digits at most.
    Text::try_from(id.as_str()).unwrap_or_default()
}

/// The signals that end the program, and the one that makes it read its configuration again.
struct Signals {
    /// Ends the run.
    stop: Arc<AtomicBool>,
    /// Ends the program.
    end: Arc<AtomicBool>,
    /// Number of the signal that came; 0 before.
    number: Arc<AtomicUsize>,
    /// Begins another run.
    reload: Arc<AtomicBool>,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let signals = Self {
            stop: Arc::default(),
            end: Arc::default(),
            number: Arc::default(),
            reload: Arc::default(),
        };
        let caught = (TERM_SIGNALS.iter())
            .try_for_each(|signal| signals.catch_end(*signal))
            .and_then(|()| flag::register(SIGHUP, Arc::clone(&signals.reload)).map(drop))
            .and_then(|()| flag::register(SIGHUP, Arc::clone(&signals.stop)).map(drop));
        caught.map_err(|error| Failure::new(code::INTERNAL, anyhow::anyhow!("catch signals: {error}")))?;
        Ok(signals)
    }

    /// In this order: the number is there when the flag is seen. A second signal ends at once.
    fn catch_end(&self, signal: i32) -> io::Result<()> {
        flag::register_conditional_shutdown(signal, i32::from(code::SIGNAL) + signal, Arc::clone(&self.end))?;
        flag::register_usize(signal, Arc::clone(&self.number), signal as usize)?;
        flag::register(signal, Arc::clone(&self.end))?;
        flag::register(signal, Arc::clone(&self.stop)).map(drop)
    }

    /// Whether another run is to begin; it may, then.
    fn take_reload(&self) -> bool {
        let reload = self.reload.swap(false, Ordering::Relaxed) && !self.end.load(Ordering::Relaxed);
        if reload {
            self.stop.store(false, Ordering::Relaxed);
            // The end may have come in between.
            self.stop.fetch_or(self.end.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        reload
    }

    fn code(&self) -> u8 {
        code::SIGNAL + self.number.load(Ordering::Relaxed) as u8
    }
}
