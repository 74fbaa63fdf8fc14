//! `edge-runtime run`: watches a source and signals what holds.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use edge_runtime::clock::SystemClock;
use edge_runtime::config::Config;
use edge_runtime::decide::Decider;
use edge_runtime::pipeline::{End, Pipeline, PipelineError, Stages, Surroundings, Trouble};
use edge_runtime::predict::Predictor;
use edge_runtime::source::Pausable;
use shared_model::Text;
use signal_hook::consts::TERM_SIGNALS;

use super::failure::{Failure, code, source_code};
use super::input::{source, timing, watch};
use super::sinks::{Shared, sinks};
use super::{Verbosity, open_bundle};

const AFTER: &str = "\
Standard output gets a JSON line for each new verdict:
  {\"boot\": \"…\", \"sequence\": 0, \"time_ms\": 1500, \"emotion\": \"Happy\", \"confidence\": 0.87, \"face\": true}
where the emotion can be `uncertain`, `no_face` or `unknown` as well. At the end, standard error gets the counts of
frames and the latencies.";

/// Watches a source, decides over time, and signals what holds
///
/// Ends with the source, or on SIGINT or SIGTERM, and leaves every line at its safe level.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

pub(crate) fn main(args: &Args, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let signals = Signals::catch()?;
    let shared = Shared {
        boot: boot_id(),
        progress: Arc::default(),
        switches: Arc::default(),
    };
    let mut pipeline = Pipeline::new(stages(&config, &shared)?);
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
    let source = Pausable::new(source(&config.source)?, Arc::clone(&shared.switches));
    let end = pipeline.run(Box::new(source), timing(&config.source), &mut around);
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

fn stages(config: &Config, shared: &Shared) -> Result<Stages, Failure> {
    let bundle = open_bundle(Some(&config.bundle))?;
    let manifest = bundle.manifest();
    let classes = manifest.classes.clone();
    let decider = Decider::new(config.decide.0, classes.clone(), manifest.decision.abstain_below)
        .map_err(|error| Failure::new(code::CONFIG, error))?;
    Ok(Stages {
        watch: watch(config)?,
        predictor: Predictor::load_in(&bundle, config.precision)?.on(config.threads),
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

/// The signals that end the program.
struct Signals {
    stop: Arc<AtomicBool>,
    /// Number of the signal that came; 0 before.
    number: Arc<AtomicUsize>,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(code::INTERNAL, anyhow::anyhow!("catch signals: {error}"));
        let signals = Self {
            stop: Arc::default(),
            number: Arc::default(),
        };
        for &signal in TERM_SIGNALS {
            // In this order: the number is there when the flag is seen. A second signal ends at once.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                i32::from(code::SIGNAL) + signal,
                Arc::clone(&signals.stop),
            )
            .map_err(failed)?;
            signal_hook::flag::register_usize(signal, Arc::clone(&signals.number), signal as usize).map_err(failed)?;
            signal_hook::flag::register(signal, Arc::clone(&signals.stop)).map_err(failed)?;
        }
        Ok(signals)
    }

    fn code(&self) -> u8 {
        code::SIGNAL + self.number.load(Ordering::Relaxed) as u8
    }
}
