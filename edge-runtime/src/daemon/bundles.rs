//! The bundles of a run: which one it starts with, and which it swaps to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::decide::DecideConfig;
use crate::pipeline::{ModelSwap, Progress};
use crate::service::Liveness;
use inference::Threads;
use inference::bundle::Bundle;
use shared_model::emotion::ClassSet;
use update::{BundleManager, Counts, Networks};
use vision::clock::Clock;

use super::context::{RunContext, SharedClock};
use super::error::DaemonError;
use super::page::Pages;
use super::shared::Shared;
use super::update_poller::UpdatePoller;

/// Time between two checks for a new bundle, and for the health of one on trial.
const PERIOD: Duration = Duration::from_secs(1);

/// Number of heartbeats within one period.
const BEATS: u32 = 4;

/// Longest time that one check may take: a new bundle is loaded and tried in it, while the old one runs.
const LONGEST_CHECK: Duration = Duration::from_secs(30);

/// Chooses bundles; nothing but the configured bundle where the configuration has no [update].
pub(super) struct Bundles {
    manager: Option<BundleManager>,
    clock: SharedClock,
}

impl Bundles {
    pub(super) fn new(config: &Config, context: &RunContext<'_>) -> Self {
        let manager = config.update.as_ref().and_then(|settings| {
            let manager = BundleManager::new(
                &settings.state,
                &config.bundle,
                config.precision,
                settings.confirm_after,
            );
            // A device that cannot keep bundles still runs the one that it came with.
            manager
                .map_err(|error| tracing::warn!(target: "update", "{error}"))
                .ok()
        });
        let mut manager = manager;
        if let Some(warning) = manager.as_mut().and_then(BundleManager::take_warning) {
            tracing::warn!(target: "update", "{warning}");
        }
        Self {
            manager,
            clock: context.clock.clone(),
        }
    }

    /// Goes on with a manager that ran before.
    pub(super) fn resumed(manager: Option<BundleManager>, shared: &Shared, context: &RunContext<'_>) -> Self {
        let counts = counts(&shared.progress);
        let mut manager = manager;
        if let Some(manager) = &mut manager {
            manager.resume(counts, &mut |message| tracing::warn!(target: "update", "{message}"));
        }
        Self {
            manager,
            clock: context.clock.clone(),
        }
    }

    /// A start that did not come to pass: a trial is not to blame.
    pub(super) fn stop(mut self) -> Option<BundleManager> {
        if let Some(manager) = &mut self.manager {
            manager.stop(&mut |message| tracing::warn!(target: "update", "{message}"));
        }
        self.manager
    }

    /// The bundle to start with.
    ///
    /// A trial that lacks classes that the configuration names is given up, if another bundle has them.
    pub(super) fn start(&mut self, config: &Config) -> Result<Networks, DaemonError> {
        let mut log = |message: String| tracing::info!(target: "update", "{message}");
        let Some(manager) = &mut self.manager else {
            return Ok(Networks::load_to_run(&config.bundle, config.precision)?);
        };
        let networks = manager.start(&mut log)?;
        if !manager.is_trial() || fits(config, &networks.bundle.manifest().classes) {
            return Ok(networks);
        }
        match manager.classes_without_trial() {
            Some(classes) if fits(config, &classes) => {
                Ok(manager.refuse("it lacks classes that the configuration names", &mut log)?)
            }
            // It is the configuration that is wrong, and says so soon.
            _ => Ok(networks),
        }
    }

    /// Watches over the bundles from now on, beside the loop; gives what the loop swaps to. Where no thread can be had, the
    /// bundle stays the one that runs.
    pub(super) fn watch(
        self,
        config: &Config,
        classes: ClassSet,
        shared: &Shared,
        pages: &Pages,
        poller: Option<UpdatePoller>,
    ) -> (Watcher, Receiver<ModelSwap>) {
        let (sender, swaps) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let Some(manager) = self.manager else {
            return (Watcher { stop, thread: None }, swaps);
        };
        let pulse = Arc::new(Pulse::new());
        let (swapped, running, enter) = (pages.swapped(), Arc::clone(&shared.running), config.decide.0.enter);
        let job = Job {
            told: Box::new(move |networks| {
                Shared::note(&running, networks, enter);
                swapped(networks);
            }),
            manager,
            newest: None,
            poller,
            pulse: Arc::clone(&pulse),
            clock: self.clock,
            decide: config.decide.0,
            threads: config.threads,
            classes,
            progress: Arc::clone(&shared.progress),
            stop: Arc::clone(&stop),
        };
        let thread = diagnostics::spawn("bundles", move || job.work(&sender));
        let thread = thread.map_err(|error| tracing::warn!(target: "update", "no bundle is tried: {error}"));
        if thread.is_ok() {
            shared.liveness.add(Liveness::new("bundles", move || pulse.count()));
        }
        let thread = thread.ok();
        (Watcher { stop, thread }, swaps)
    }
}

/// What the loop has counted so far.
fn counts(progress: &Progress) -> Counts {
    Counts {
        judged: progress.inferred(),
        failed: progress.failed(),
    }
}

/// Whether a bundle has every class that the configuration names.
fn fits(config: &Config, classes: &ClassSet) -> bool {
    let lines = config.sink.gpio.iter().flat_map(|gpio| &gpio.lines);
    let mut labels = lines.filter_map(|line| line.emotion());
    labels.all(|label| classes.index(label).is_some())
}

/// The thread that watches over the bundles.
pub(super) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<(BundleManager, Option<Bundle>)>>,
}

impl Watcher {
    /// Ends the thread after a run; a clean end spares a trial. Gives the manager, and the newest bundle that was swapped to.
    pub(super) fn end(self, outcome: Outcome) -> (Option<BundleManager>, Option<Bundle>) {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread else { return (None, None) };
        thread.thread().unpark();
        let Ok((mut manager, newest)) = thread.join() else {
            return (None, None);
        };
        if outcome == Outcome::Clean {
            manager.stop(&mut |message| tracing::warn!(target: "update", "{message}"));
        }
        (Some(manager), newest)
    }
}

/// Whether a run ended as it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// As it should: a bundle on trial is not to blame.
    Clean,
    /// With an error, for which a trial may be to blame.
    Failed,
}

/// Signs of life of the thread.
struct Pulse {
    start: Instant,
    beats: AtomicU64,
    /// When the check began that is under way, in milliseconds since the start; 0 while none is.
    check_ms: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            beats: AtomicU64::new(0),
            check_ms: AtomicU64::new(0),
        }
    }

    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64 + 1
    }

    fn begin_check(&self) {
        self.check_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    fn end_check(&self) {
        self.check_ms.store(0, Ordering::Relaxed);
    }

    fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Grows while the thread works, a check that takes its time included.
    fn count(&self) -> u64 {
        let beats = self.beats.load(Ordering::Relaxed);
        let ran_ms = match self.check_ms.load(Ordering::Relaxed) {
            0 => 0,
            began => self.now_ms() - began,
        };
        beats + ran_ms.min(LONGEST_CHECK.as_millis() as u64)
    }
}

struct Job {
    /// Is told of the networks that the loop swaps to.
    told: Box<dyn Fn(&Networks) + Send>,
    manager: BundleManager,
    /// The bundle that the loop swapped to last.
    newest: Option<Bundle>,
    poller: Option<UpdatePoller>,
    pulse: Arc<Pulse>,
    clock: SharedClock,
    decide: DecideConfig,
    threads: Threads,
    classes: ClassSet,
    progress: Arc<Progress>,
    stop: Arc<AtomicBool>,
}

impl Job {
    fn work(mut self, swaps: &Sender<ModelSwap>) -> (BundleManager, Option<Bundle>) {
        let clock = self.clock.restarted();
        let mut last = String::new();
        let mut log = |message: String| {
            // What stays wrong is logged once.
            if message != last {
                tracing::info!(target: "update", "{message}");
                last = message;
            }
        };
        while !self.stop.load(Ordering::Relaxed) {
            let counts = counts(&self.progress);
            self.pulse.begin_check();
            let next = self.manager.tick(clock.now(), counts, &self.classes, &mut log);
            if let Some(next) = next {
                (self.told)(&next);
                let Networks { bundle, predictor } = next;
                let swap = ModelSwap {
                    predictor: predictor.with_threads(self.threads),
                    decide: self.decide,
                    abstain_below: bundle.manifest().decision.abstain_below,
                };
                // A loop that is over takes it all the same, for the one that comes next.
                let _ = swaps.send(swap);
                self.newest = Some(bundle);
            }
            if let Some(poller) = &mut self.poller {
                poller.tick(clock.now(), self.manager.offer(), &mut log);
            }
            self.pulse.end_check();
            self.pause();
        }
        (self.manager, self.newest)
    }

    fn pause(&self) {
        for _ in 0..BEATS {
            self.pulse.beat();
            if !self.stop.load(Ordering::Relaxed) {
                thread::park_timeout(PERIOD / BEATS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_may_take_long_but_not_for_ever() {
        let pulse = Pulse::new();
        assert_eq!(pulse.count(), pulse.count());
        pulse.beat();
        assert_eq!(pulse.count(), 1);
        pulse.begin_check();
        let now_ms = pulse.now_ms();
        while pulse.now_ms() < now_ms + 3 {}
        assert!(pulse.count() >= 3);
        let early = Pulse {
            start: Instant::now().checked_sub(2 * LONGEST_CHECK).unwrap(),
            beats: AtomicU64::new(7),
            check_ms: AtomicU64::new(1),
        };
        assert_eq!(early.count(), 7 + LONGEST_CHECK.as_millis() as u64);
        early.end_check();
        assert_eq!(early.count(), 7);
    }
}
