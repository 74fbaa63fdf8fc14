//! A kiosk from its start to its end: watches a source and signals what holds, through every new configuration.
//!
//! [`run`] is a function of a [configuration](Config) and of the machine around it ([`RunContext`]): clock, output,
//! flags that signals raise, service manager and update program are handed in. It catches no signal, reads no argument
//! and ends no process.

mod agent;
mod bundles;
mod context;
mod error;
mod input;
mod lines;
mod shared;
mod sinks;
mod updater;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{SystemTime, UNIX_EPOCH};

use shared_model::Text;
use update::Networks;

use crate::config::Config;
use crate::decide::Decider;
use crate::metrics::{self, Counts};
use crate::pipeline::{End, Pipeline, Progress, Stages, Surroundings, Trouble};
use crate::service::Service;
use crate::source::{Fault, Held, Pausable};

use agent::Agent;
use bundles::{Bundles, Outcome};
use input::{source, timing, watch};
use shared::Shared;
use sinks::sinks;

pub use context::{Flags, RunContext, SharedClock};
pub use error::DaemonError;
pub use lines::{lines, open as open_lines};
pub use updater::{Errand, ProgramUpdater, Updater, Work};

/// How a run ended that was not ended by an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was asked to end.
    Stopped,
    /// The source had no more frames, or nobody reads the output any more.
    Done,
    /// The source had not a single frame, and this was wrong with it, if it said so.
    NoFrame(Option<Fault>),
}

/// Watches a source until it ends or the flags say so; on a reload, goes on with the new configuration.
///
/// A camera that stays the same stays open, and the lamp lit. The lamp is lit before the camera opens and goes out after
/// it; every other line is left at its safe level.
///
/// # Errors
/// What keeps the program from starting, or from going on with a new configuration. A new configuration that cannot be
/// read is told, and the old one goes on.
pub fn run(mut config: Config, context: &RunContext<'_>) -> Result<Ending, DaemonError> {
    let mut shared = Shared::new(boot_id(), Arc::clone(&context.flags.stop));
    let progress = Arc::clone(&shared.progress);
    let ready = move || progress.inferred() > 0;
    let mut service =
        Service::start(&context.manager, Arc::clone(&shared.vitals), ready).map_err(DaemonError::Thread)?;
    shared.metrics = measure(&config, &shared.progress)?;
    // Before the camera, so that it goes out after it.
    let mut lamp = lines::lamp(&config, context)?;
    let mut camera = Held::new(source(&config.source, context)?);
    loop {
        let ended = run_once(&config, camera.clone(), &shared, context);
        if !context.flags.take_reload() {
            service.stopping();
            return ended;
        }
        service.reloading();
        shared.boot = boot_id();
        match (context.reload)() {
            Ok(new) => {
                // The same camera goes on; only another one is opened anew.
                if new.source != config.source {
                    camera = Held::new(source(&new.source, context)?);
                }
                if lines::lamp_wiring(&new) != lines::lamp_wiring(&config) {
                    // Let go first: the same line may be wired the other way now.
                    drop(lamp.take());
                    lamp = lines::lamp(&new, context)?;
                }
                config = new;
            }
            Err(error) => tracing::warn!("{error}; going on with the configuration as it was"),
        }
    }
}

/// Offers counts where the configuration at the start wants them; gives the signs of life of who does.
fn measure(config: &Config, progress: &Arc<Progress>) -> Result<Option<Arc<AtomicU64>>, DaemonError> {
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
    let failed = |source| DaemonError::Metrics {
        address: metrics.listen,
        source,
    };
    served.map(|_| Some(beats)).map_err(failed)
}

/// Runs with one configuration, until the source ends or a flag is raised.
fn run_once(config: &Config, camera: Held, shared: &Shared, context: &RunContext<'_>) -> Result<Ending, DaemonError> {
    let agent = Agent::new(config, Arc::clone(&context.updater), &shared.updates);
    let mut bundles = Bundles::new(config, context);
    let stages = stages(config, bundles.start(config)?, shared, context)?;
    let (watcher, swaps) = bundles.watch(config, stages.classes.clone(), shared, agent)?;
    let mut pipeline = Pipeline::new(stages).swapping(swaps);
    // A source without a single frame is an error of the source, not a run without faces.
    let mut first = None;
    let mut report = |trouble: &Trouble| {
        tell(trouble);
        if let Trouble::Source(error) = trouble {
            first.get_or_insert(error.fault());
        }
    };
    let mut around = Surroundings {
        clock: &context.clock.restarted(),
        stop: &context.flags.stop,
        report: &mut report,
    };
    let source = Pausable::new(camera, Arc::clone(&shared.switches));
    let end = pipeline.run(Box::new(source), timing(&config.source), &mut around);
    watcher.end(if end.is_ok() { Outcome::Clean } else { Outcome::Failed });
    tracing::info!("{}", pipeline.stats());
    Ok(match end? {
        End::Stopped => Ending::Stopped,
        End::Exhausted if pipeline.stats().frames == 0 => Ending::NoFrame(first),
        End::Exhausted | End::Closed => Ending::Done,
    })
}

/// Tells what went wrong with a frame or a sink; each kind and each sink is counted by itself.
fn tell(trouble: &Trouble) {
    match trouble {
        Trouble::Sink { name, .. } => tracing::warn!(target: "edge_runtime::sink", about = name, "{trouble}"),
        Trouble::Source(_) => tracing::warn!(target: "edge_runtime::source", "{trouble}"),
        Trouble::Predict(_) => tracing::warn!(target: "inference", "{trouble}"),
        Trouble::Follow(_) | Trouble::Picture(_) => tracing::warn!(target: "vision", "{trouble}"),
    }
}

fn stages(
    config: &Config,
    networks: Networks,
    shared: &Shared,
    context: &RunContext<'_>,
) -> Result<Stages, DaemonError> {
    let manifest = networks.bundle.manifest();
    let classes = manifest.classes.clone();
    let decider = Decider::new(config.decide.0, classes.clone(), manifest.decision.abstain_below)?;
    Ok(Stages {
        watch: watch(config)?,
        predictor: networks.predictor.on(config.threads),
        sinks: sinks(config, &classes, shared, context)?,
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
