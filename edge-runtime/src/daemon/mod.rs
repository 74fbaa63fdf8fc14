//! A kiosk from its start to its end: watches a source and signals what holds, through every new configuration.
//!
//! [`run`] is a function of a [configuration](Config) and of the machine around it ([`RunContext`]): clock, output,
//! flags that signals raise, service manager and update program are handed in. It catches no signal, reads no argument
//! and ends no process.

#[cfg(feature = "page")]
mod aim;
mod bundles;
mod context;
mod error;
mod input;
mod kiosk;
mod lines;
mod outlets;
mod owner;
#[cfg(not(feature = "page"))]
#[path = "no_page.rs"]
mod page;
#[cfg(feature = "page")]
mod page;
mod reload;
#[cfg(feature = "page")]
mod running;
mod secrets;
mod shared;
mod sinks;
mod update_poller;
mod updater;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use shared_model::Text;

use crate::config::Config;
use crate::counts;
use crate::left_behind;
use crate::metrics::{self, Counts};
use crate::pipeline::{End, FrameError, PipelineContext, Stats, Timing};
use crate::preflight;
use crate::service::Service;
use crate::source::{Fault, FrameSource, Pausable};
use crate::switches::Switch;

use bundles::Outcome;
use input::timing;
use kiosk::{Halted, Kiosk, Ready};
use reload::{Next, Over, Reloader};
use shared::Shared;

#[cfg(feature = "page")]
pub use aim::{LONGEST, aim};
pub use context::{Flags, RunContext, SharedClock};
pub use error::DaemonError;
pub use lines::{lines, open as open_lines};
pub use update::Task;
pub use updater::{ProgramUpdater, Updater, Work};

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
/// it; every other line is left at its safe level. A new configuration is checked and prepared while the old one runs, and
/// taken up only if nothing is wrong with it; should it fail all the same, the old one goes on with what it has in memory.
///
/// # Errors
/// What keeps the program from starting, or what runs from going on.
pub fn run(config: Config, context: &RunContext<'_>) -> Result<Ending, DaemonError> {
    if let Some(path) = preflight::untrusted_as_root(&config) {
        return Err(DaemonError::Untrusted(path));
    }
    let mut shared = Shared::new(boot_id(), Arc::clone(&context.flags.stop));
    keep_pause(&config, &shared);
    if shared.switches.is_on(Switch::Pause) {
        tracing::info!("paused, as it was at the end; nothing is judged");
    }
    let (progress, switches, beats) = (
        Arc::clone(&shared.progress),
        Arc::clone(&shared.switches),
        Arc::clone(&shared.beats),
    );
    // Who starts paused is ready once the loop goes round.
    let ready = move || {
        let paused = switches.is_on(Switch::Pause) && beats.load(Ordering::Relaxed) > 0;
        paused || progress.inferred() > 0
    };
    let mut service =
        Service::start(&context.manager, Arc::clone(&shared.liveness), ready).map_err(DaemonError::Thread)?;
    shared.metrics = measure(&config, &shared)?;
    let (running, next, over) = (Mutex::new(config.clone()), Next::default(), AtomicBool::new(false));
    let reloader = Reloader {
        flags: &context.flags,
        load: &*context.reload,
        running: &running,
        next: &next,
        over: &over,
    };
    let ended = thread::scope(|scope| {
        let _over = Over(&over);
        let beside = thread::Builder::new().name("reload".to_owned());
        let told = tracing::dispatcher::get_default(Clone::clone);
        beside
            .spawn_scoped(scope, move || {
                tracing::dispatcher::with_default(&told, || reloader.work());
            })
            .map_err(DaemonError::Thread)?;
        let (mut kiosk, mut ready) = Kiosk::start(config, &shared, context)?;
        tell_left_behind(&kiosk.config);
        loop {
            let (ended, mut halted) = go(ready, &kiosk, &shared, context);
            ready = loop {
                let new = next.take();
                let Some(new) = new.filter(|_| context.flags.begin_anew()) else {
                    return ended;
                };
                service.reloading();
                shared.boot = boot_id();
                match kiosk.change(new, halted, &shared, context) {
                    ControlFlow::Break(ready) => break ready,
                    ControlFlow::Continue(as_before) => halted = as_before,
                }
            };
            running
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&kiosk.config);
            keep_pause(&kiosk.config, &shared);
            tell_left_behind(&kiosk.config);
        }
    });
    service.stopping();
    ended
}

/// The pause is kept where the configuration says.
fn keep_pause(config: &Config, shared: &Shared) {
    shared.switches.keep_in(&config.state);
    if let Some(warning) = shared.switches.take_warning() {
        tracing::warn!(about = %warning, "{warning}");
    }
}

/// Notes where events are kept, and warns of those that wait where no sink takes them.
fn tell_left_behind(config: &Config) {
    for left in left_behind::note(config) {
        let found = left.found();
        tracing::warn!(about = %found, "{found}; {}", left_behind::CURE);
    }
}

/// Offers counts where the configuration at the start wants them; gives the signs of life of who does.
fn measure(config: &Config, shared: &Shared) -> Result<Option<Arc<AtomicU64>>, DaemonError> {
    let Some(metrics) = &config.metrics else {
        return Ok(None);
    };
    let (progress, board) = (Arc::clone(&shared.progress), Arc::clone(&shared.counts));
    let counts = move || Counts {
        captured: progress.captured(),
        judged: progress.inferred(),
        inference: progress.inference(),
        searches: progress.searches(),
        find: progress.find(),
    };
    let visitors = move || board.total().as_ref().map(counts::text).unwrap_or_default();
    let beats = Arc::default();
    let served = metrics::serve(metrics.listen, Arc::clone(&beats), counts, visitors);
    let failed = |source| DaemonError::Metrics {
        address: metrics.listen,
        source,
    };
    served.map(|_| Some(beats)).map_err(failed)
}

/// Runs with one configuration, until the source ends or a flag is raised; gives what another run can go on with.
fn go(
    mut ready: Ready,
    kiosk: &Kiosk,
    shared: &Shared,
    context: &RunContext<'_>,
) -> (Result<Ending, DaemonError>, Halted) {
    // A source without a single frame is an error of the source, not a run without faces.
    let mut first = None;
    let warn = kiosk.pages.warn();
    let mut report = |error: &FrameError| {
        warn(&error.to_string(), error.cure());
        log(error);
        if let FrameError::Source(source) = error {
            first.get_or_insert(source.fault());
        }
    };
    let mut run = PipelineContext {
        clock: &context.clock.restarted(),
        stop: &context.flags.stop,
        report: &mut report,
    };
    let (camera, timing) = (kiosk.camera.clone(), timing(&kiosk.config.source));
    let source: Box<dyn FrameSource> = match timing {
        Timing::Live => Box::new(Pausable::new(camera, Arc::clone(&shared.switches))),
        // A recording is read no faster than it is judged, and waits while nothing is.
        Timing::Recorded | Timing::Paced => Box::new(camera),
    };
    let end = ready.pipeline.run(source, timing, &mut run);
    let (halted, stats) = ready.halt(if end.is_ok() { Outcome::Clean } else { Outcome::Failed });
    tracing::info!("{stats}");
    let ended = end.map(|end| ending(end, &stats, first));
    (ended.map_err(DaemonError::from), halted)
}

/// What the end of a pipeline means; `first` is the first thing that was wrong with the source.
fn ending(end: End, stats: &Stats, first: Option<Fault>) -> Ending {
    match end {
        End::Stopped => Ending::Stopped,
        End::Exhausted if stats.frames == 0 => Ending::NoFrame(first),
        End::Exhausted | End::Closed => Ending::Done,
    }
}

/// Logs what went wrong with a frame or a sink; each kind and each sink is counted by itself.
fn log(error: &FrameError) {
    match error {
        FrameError::Sink { name, .. } => tracing::warn!(target: "edge_runtime::sink", about = name, "{error}"),
        FrameError::Source(_) => tracing::warn!(target: "edge_runtime::source", "{error}"),
        FrameError::Predict(_) => tracing::warn!(target: "inference", "{error}"),
        FrameError::Track(_) | FrameError::Picture(_) => tracing::warn!(target: "vision", "{error}"),
    }
}

/// Differs from start to start: the time in nanoseconds and the process.
fn boot_id() -> Text<32> {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{:x}-{:x}", time.as_nanos() as u64, std::process::id());
    // 16 and 8 digits at most.
    Text::try_from(id.as_str()).unwrap_or_default()
}
