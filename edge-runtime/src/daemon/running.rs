//! What the operator's page checks again and again while somebody watches.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::shared::{Shared, Ways};
use crate::config::Config;
use crate::machine;
use crate::page::Check;
use crate::pipeline::Progress;
use crate::preflight::{Running, RunningOutlet, beside};
use crate::switches::Switch;

/// Shortest time over which frames and searches are measured.
const WINDOW: Duration = Duration::from_secs(2);

/// Looks at the machine, at what the configuration needs of it, and at how the run fares.
pub(super) fn checks(config: Config, shared: &Shared, ways: Ways) -> Arc<dyn Fn() -> Vec<Check> + Send + Sync> {
    let (progress, running) = (Arc::clone(&shared.progress), Arc::clone(&shared.running));
    let switches = Arc::clone(&shared.switches);
    let measured = Mutex::new(Measured::start(&progress, Instant::now()));
    Arc::new(move || {
        let (bundle, has_detector) = {
            let running = running.lock().unwrap_or_else(PoisonError::into_inner);
            (running.bundle.clone(), running.has_detector)
        };
        let mut measured = measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured.update(&progress, Instant::now());
        let running = Running {
            bundle,
            has_detector,
            paused: switches.is_on(Switch::Pause),
            captured_fps: measured.captured_fps,
            silent: measured.moved.elapsed(),
            search: measured.search,
            connected: (ways.broker)().is_some_and(|broker| broker.connected),
            outlets: outlets(&ways),
        };
        drop(measured);
        let findings = machine::check().into_iter().chain(beside(&config, &running));
        findings.map(Check::from).collect()
    })
}

fn outlets(ways: &Ways) -> Vec<RunningOutlet> {
    let outlets = ways.outlets.iter().map(|(name, status)| RunningOutlet {
        name,
        sent: status.sent.load(Ordering::Relaxed),
        fault: status.fault(),
        waiting: status.waiting.load(Ordering::Relaxed),
        discarded: status.discarded.load(Ordering::Relaxed),
    });
    outlets.collect()
}

/// Frames and searches from one check to the next.
struct Measured {
    at: Instant,
    captured: u64,
    searches: (u64, Duration),
    /// When the count of frames was last seen to have grown.
    moved: Instant,
    captured_fps: f32,
    search: Option<Duration>,
}

impl Measured {
    fn start(progress: &Progress, now: Instant) -> Self {
        Self {
            at: now,
            captured: progress.captured(),
            searches: (progress.searches(), progress.find()),
            moved: now,
            captured_fps: 0.0,
            search: None,
        }
    }

    /// Takes in how far the run has come.
    fn update(&mut self, progress: &Progress, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let frames = progress.captured().saturating_sub(self.captured);
        if frames > 0 {
            self.moved = now;
        }
        if passed < WINDOW {
            return;
        }
        let searches = progress.searches().saturating_sub(self.searches.0);
        let took = progress.find().saturating_sub(self.searches.1);
        *self = Self {
            moved: self.moved,
            captured_fps: frames as f32 / passed.as_secs_f32(),
            search: (searches > 0).then(|| took.div_f64(searches as f64)),
            ..Self::start(progress, now)
        };
    }
}
