//! What stands while configurations come and go, and how one takes the place of another.
//!
//! What can be had twice is had while the old one still stands: networks, secrets, pages, the lock of counts. What cannot,
//! lines and ports, is let go by the old one first. Outboxes lie on a shelf meanwhile, with what is only in memory. Where the
//! new one fails, the old one goes on with what it has in memory. It needs no file for that; what it cannot take again at
//! once, it tries again and again.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use inference::bundle::Bundle;
use update::{BundleManager, Networks};
use vision::clock::Clock;

use super::bundles::{Bundles, Outcome, Watcher};
use super::context::RunContext;
use super::error::DaemonError;
use super::input::{face_source, source};
use super::lines::{Wiring, lamp, lamp_wiring};
use super::owner::Owned;
use super::page::{self, Pages};
use super::secrets::{Secrets, SinkResources};
use super::shared::Shared;
use super::sinks::{Sinks, sinks};
use super::update_poller::UpdatePoller;
use crate::config::Config;
use crate::counts::{self, CountsLock};
use crate::decide::Decider;
use crate::pipeline::{FaceSource, Pipeline, Stages, Stats};
use crate::sink::SignalSink;
use crate::sink::gpio::Lamp;
use crate::source::SharedSource;

/// Time between two attempts to go on as before.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is looked whether somebody asks for something else meanwhile.
const POLL: Duration = Duration::from_millis(50);

/// A configuration, and what of it can be had while another one still runs.
pub(super) struct Prepared {
    config: Config,
    /// Where no update chooses them.
    networks: Option<Networks>,
    resources: SinkResources,
}

impl Prepared {
    /// Loads and takes it all; the lock of counts is left where `running` has it already.
    pub(super) fn new(config: Config, running: Option<&Config>) -> Result<Self, DaemonError> {
        let networks = match config.update {
            Some(_) => None,
            None => Some(Networks::load_to_run(&config.bundle, config.precision)?),
        };
        let dir = |config: &Config| config.counts.as_ref().map(|counts| counts.dir.clone());
        let wanted = dir(&config).filter(|wanted| running.and_then(dir).as_ref() != Some(wanted));
        let resources = SinkResources {
            secrets: Secrets::read(&config.sink)?,
            counts: wanted.map(|dir| CountsLock::take(&dir)).transpose()?,
        };
        Ok(Self {
            config,
            networks,
            resources,
        })
    }
}

/// What goes on when the configuration changes, as long as it stays the same.
pub(super) struct Kiosk {
    pub(super) config: Config,
    /// Before the camera, so that it goes out after it.
    lit: Option<(Wiring, Lamp)>,
    pub(super) camera: SharedSource,
    pub(super) pages: Pages,
    resources: SinkResources,
    /// Only who aims asks; a run goes on whoever else has it.
    owned: io::Result<Option<Owned>>,
}

impl Kiosk {
    /// Serves the pages and lights the lamp, then sets up everything else.
    pub(super) fn start(
        config: Config,
        shared: &Shared,
        context: &RunContext<'_>,
    ) -> Result<(Self, Ready), DaemonError> {
        let mut kiosk = Self {
            lit: None,
            pages: Pages::default().beside(&config)?,
            camera: SharedSource::new(source(&config.source, context)?),
            resources: SinkResources::default(),
            owned: Owned::take(&config.bundle),
            config,
        };
        kiosk.light(&kiosk.config.clone(), context)?;
        let prepared = Prepared::new(kiosk.config.clone(), None)?;
        let ready = kiosk.take_up(prepared, shared, context)?;
        Ok((kiosk, ready))
    }

    /// Takes up a new configuration, or the old one again where that fails; gives back what ran before where somebody asks
    /// for something else before either stands.
    pub(super) fn change(
        &mut self,
        new: Prepared,
        halted: Halted,
        shared: &Shared,
        context: &RunContext<'_>,
    ) -> ControlFlow<Ready, Halted> {
        match self.take_up(new, shared, context) {
            Ok(ready) => ControlFlow::Break(ready),
            Err(error) => {
                tracing::warn!(about = %error, "{error}; going on with the configuration as it was");
                self.go_back(halted, shared, context)
            }
        }
    }

    fn take_up(&mut self, new: Prepared, shared: &Shared, context: &RunContext<'_>) -> Result<Ready, DaemonError> {
        let Prepared {
            config,
            networks,
            mut resources,
        } = new;
        let own = |lock: &CountsLock| (config.counts.as_ref()).is_some_and(|counts| lock.is_of(&counts.dir));
        resources.counts = resources.counts.or_else(|| self.resources.counts.clone().filter(own));
        // The same camera goes on; only another one is opened anew.
        let camera = if config.source == self.config.source {
            self.camera.clone()
        } else {
            SharedSource::new(source(&config.source, context)?)
        };
        let mut bundles = Bundles::new(&config, context);
        let networks = match networks {
            Some(networks) => networks,
            None => bundles.start(&config)?,
        };
        let stands = self.stand(&config, &resources, &networks, shared, context);
        let (parts, pages) = match stands {
            Ok(stands) => stands,
            Err(error) => {
                bundles.stop();
                return Err(error);
            }
        };
        if let Some(pages) = pages {
            self.pages = pages;
        }
        if config.bundle != self.config.bundle {
            // Let go first: a path may name the same directory in another way.
            self.owned = Ok(None);
            self.owned = Owned::take(&config.bundle);
        }
        (self.config, self.resources, self.camera) = (config, resources, camera);
        Ok(self.ready(parts, networks, bundles, shared, context))
    }

    /// Everything of a configuration that can fail; the pages are given where they are others.
    fn stand(
        &mut self,
        config: &Config,
        resources: &SinkResources,
        networks: &Networks,
        shared: &Shared,
        context: &RunContext<'_>,
    ) -> Result<(Parts, Option<Pages>), DaemonError> {
        let pages = if self.pages.fit(config) {
            None
        } else {
            Some(self.pages.beside(config)?)
        };
        self.light(config, context)?;
        let parts = Parts::new(
            config,
            resources,
            networks,
            shared,
            pages.as_ref().unwrap_or(&self.pages),
            context,
        )?;
        Ok((parts, pages))
    }

    /// Goes on as before, with what is in memory; what is away is tried again until it is there.
    fn go_back(&mut self, mut halted: Halted, shared: &Shared, context: &RunContext<'_>) -> ControlFlow<Ready, Halted> {
        let (config, resources) = (self.config.clone(), self.resources.clone());
        loop {
            match self.stand(&config, &resources, &halted.networks, shared, context) {
                Ok((parts, pages)) => {
                    if let Some(pages) = pages {
                        self.pages = pages;
                    }
                    let bundles = Bundles::resumed(halted.manager.take(), shared, context);
                    return ControlFlow::Break(self.ready(parts, halted.networks, bundles, shared, context));
                }
                Err(error) => tracing::warn!(
                    about = %error,
                    "{error}; the configuration as it was cannot go on without it, and tries again every second"
                ),
            }
            // Nothing moves, and that is as it should be.
            shared.liveness.replace(Vec::new());
            if wait(context).is_break() {
                return ControlFlow::Continue(halted);
            }
        }
    }

    /// From here on nothing can fail.
    fn ready(
        &self,
        parts: Parts,
        networks: Networks,
        bundles: Bundles,
        shared: &Shared,
        context: &RunContext<'_>,
    ) -> Ready {
        let config = &self.config;
        let poller = UpdatePoller::new(config, Arc::clone(&context.updater), &shared.updates);
        let classes = networks.bundle.manifest().classes.clone();
        let (watcher, swaps) = bundles.watch(config, classes.clone(), shared, &self.pages, poller);
        let stages = Stages {
            faces: parts.faces,
            predictor: networks.predictor.with_threads(config.threads),
            sinks: parts.sinks,
            classes,
            decider: parts.decider,
            boot: shared.boot.clone(),
            progress: Arc::clone(&shared.progress),
        };
        let pipeline = Pipeline::new(stages)
            .swapping(swaps)
            .pausing(Arc::clone(&shared.switches));
        Ready {
            pipeline,
            watcher,
            bundle: networks.bundle,
        }
    }

    /// The lamp of a configuration: the one that is lit, where it is the same.
    fn light(&mut self, config: &Config, context: &RunContext<'_>) -> Result<(), DaemonError> {
        let wiring = lamp_wiring(config);
        if self.lit.as_ref().map(|(lit, _)| lit) != wiring.as_ref() {
            // Let go first: the same line may be wired the other way now.
            drop(self.lit.take());
            self.lit = wiring.map(|wiring| lamp(wiring, context)).transpose()?;
        }
        Ok(())
    }
}

/// Waits until the next attempt, unless somebody asks for something else.
fn wait(context: &RunContext<'_>) -> ControlFlow<()> {
    let until = context.clock.now() + RETRY;
    while context.clock.now() < until {
        if context.flags.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        context.clock.sleep(POLL);
    }
    ControlFlow::Continue(())
}

/// What of a configuration can fail, and has not.
struct Parts {
    sinks: Vec<Box<dyn SignalSink>>,
    faces: FaceSource,
    decider: Decider,
}

impl Parts {
    fn new(
        config: &Config,
        resources: &SinkResources,
        networks: &Networks,
        shared: &Shared,
        pages: &Pages,
        context: &RunContext<'_>,
    ) -> Result<Self, DaemonError> {
        let manifest = networks.bundle.manifest();
        let rules = counts::Rules {
            decide: config.decide.0,
            classes: manifest.classes.clone(),
            abstain_below: manifest.decision.abstain_below,
        };
        let decider = Decider::new(rules.decide, rules.classes.clone(), rules.abstain_below)?;
        let faces = face_source(config, &networks.predictor)?;
        Shared::note(&shared.running, networks, config.decide.0.enter);
        let Sinks { all: sinks, ways } = sinks(config, resources, &rules, shared, pages, context)?;
        pages.attach(config, &rules.classes, page::bundle(networks), shared, ways);
        Ok(Self { sinks, faces, decider })
    }
}

/// What a configuration needs, set up.
pub(super) struct Ready {
    pub(super) pipeline: Pipeline,
    watcher: Watcher,
    /// The bundle that it begins with.
    bundle: Bundle,
}

impl Ready {
    /// Ends it after a run; gives what another run can go on with.
    pub(super) fn halt(self, outcome: Outcome) -> (Halted, Stats) {
        let (manager, newest) = self.watcher.end(outcome);
        let stats = self.pipeline.stats().clone();
        let networks = Networks {
            bundle: newest.unwrap_or(self.bundle),
            predictor: self.pipeline.into_predictor(),
        };
        (Halted { networks, manager }, stats)
    }
}

/// What a run leaves in memory.
pub(super) struct Halted {
    networks: Networks,
    manager: Option<BundleManager>,
}
