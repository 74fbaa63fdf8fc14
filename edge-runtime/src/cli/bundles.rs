//! The bundles of a run: which one it starts with, and which it swaps to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use edge_runtime::clock::{Clock, SystemClock};
use edge_runtime::config::Config;
use edge_runtime::decide::DecideConfig;
use edge_runtime::pipeline::{Progress, Swap};
use edge_runtime::predict::Threads;
use edge_runtime::update::{Counts, Keeper, Networks};
use shared_model::emotion::ClassSet;

use super::Verbosity;
use super::agent::Agent;
use super::failure::{Failure, code};

/// How often a new bundle is looked for, and one on trial judged.
const PERIOD: Duration = Duration::from_secs(1);

/// Chooses bundles; nothing but the configured bundle where the configuration has no [update].
pub(super) struct Bundles {
    keeper: Option<Keeper>,
    verbosity: Verbosity,
}

impl Bundles {
    pub(super) fn new(config: &Config, verbosity: Verbosity) -> Self {
        let keeper = config.update.as_ref().and_then(|settings| {
            let keeper = Keeper::new(
                &settings.state,
                &config.bundle,
                config.precision,
                settings.confirm_after,
            );
            // A device that cannot keep bundles still runs the one that it came with.
            keeper.map_err(|error| eprintln!("warning: {error}")).ok()
        });
        Self { keeper, verbosity }
    }

    /// The bundle to start with.
    ///
    /// A trial that lacks classes that the configuration names is given up, if another bundle has them.
    pub(super) fn start(&mut self, config: &Config) -> Result<Networks, Failure> {
        let verbosity = self.verbosity;
        let mut report = |news: String| verbosity.say(&news);
        let Some(keeper) = &mut self.keeper else {
            return Ok(Networks::load(&config.bundle, config.precision)?);
        };
        let networks = keeper.start(&mut report)?;
        if !keeper.is_trial() || fits(config, &networks.bundle.manifest().classes) {
            return Ok(networks);
        }
        match keeper.classes_without_trial() {
            Some(classes) if fits(config, &classes) => {
                Ok(keeper.refuse("it lacks classes that the configuration names", &mut report)?)
            }
            // It is the configuration that is wrong, and says so soon.
            _ => Ok(networks),
        }
    }

    /// Watches over the bundles from now on, beside the loop; gives what the loop swaps to.
    pub(super) fn watch(
        self,
        config: &Config,
        classes: ClassSet,
        progress: Arc<Progress>,
        agent: Option<Agent>,
    ) -> Result<(Watcher, Receiver<Swap>), Failure> {
        let (sender, swaps) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let Some(keeper) = self.keeper else {
            return Ok((Watcher { stop, thread: None }, swaps));
        };
        let job = Job {
            keeper,
            agent,
            verbosity: self.verbosity,
            decide: config.decide.0,
            threads: config.threads,
            classes,
            progress,
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("bundles".to_owned())
            .spawn(move || job.work(&sender))
            .map_err(|error| Failure::new(code::INTERNAL, error))?;
        let thread = Some(thread);
        Ok((Watcher { stop, thread }, swaps))
    }
}

/// Whether a bundle has every class that the configuration names.
fn fits(config: &Config, classes: &ClassSet) -> bool {
    let lines = config.sink.gpio.iter().flat_map(|gpio| &gpio.lines);
    lines.into_iter().all(|line| classes.index(&line.emotion).is_some())
}

/// The thread that watches over the bundles.
pub(super) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Keeper>>,
}

impl Watcher {
    /// The run is over.
    pub(super) fn end(self, outcome: Outcome) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread else { return };
        thread.thread().unpark();
        if let Ok(mut keeper) = thread.join()
            && outcome == Outcome::Clean
        {
            keeper.stop(&mut |news| eprintln!("warning: {news}"));
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should: a bundle on trial is not to blame.
    Clean,
    /// With an error.
    Failed,
}

struct Job {
    keeper: Keeper,
    agent: Option<Agent>,
    verbosity: Verbosity,
    decide: DecideConfig,
    threads: Threads,
    classes: ClassSet,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
}

impl Job {
    fn work(mut self, swaps: &Sender<Swap>) -> Keeper {
        let clock = SystemClock::start();
        let verbosity = self.verbosity;
        let mut last = String::new();
        let mut report = |news: String| {
            // What stays wrong is said once.
            if news != last {
                verbosity.say(&news);
                last = news;
            }
        };
        while !self.stop.load(Ordering::Relaxed) {
            let counts = Counts {
                judged: self.progress.inferred(),
                failed: self.progress.failed(),
            };
            let next = self.keeper.tick(clock.now(), counts, &self.classes, &mut report);
            if let Some(Networks { bundle, predictor }) = next {
                let swap = Swap {
                    predictor: predictor.on(self.threads),
                    decide: self.decide,
                    abstain_below: bundle.manifest().decision.abstain_below,
                };
                // A loop that is over swaps nothing.
                let _ = swaps.send(swap);
            }
            if let Some(agent) = &mut self.agent {
                agent.tick(clock.now(), self.keeper.offer(), &mut report);
            }
            thread::park_timeout(PERIOD);
        }
        self.keeper
    }
}
