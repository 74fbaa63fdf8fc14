//! What the server knows: the board, and the rest of the program by what was handed in.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use shared_model::emotion::ClassSet;

use super::board::Board;
use super::facts::{BundleFacts, CameraFacts, Frames, UpdateFacts};
use super::message::{Broker, Check, Outbox, Page, Snapshot, Today, Trigger};
use super::sink::PageSink;
use super::status::{FrameRates, Parts, latencies};
use super::warnings::Warnings;
use crate::sink::updates::Updates;
use crate::switches::{Switch, Switches};

/// What does not change while a configuration runs.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Identifies this start of the program; differs from start to start.
    pub boot: String,
    /// What people call the device.
    pub device: String,
    /// The bundle's classes, in its order.
    pub classes: Vec<String>,
    /// The camera or other source of the run.
    pub camera: CameraFacts,
    /// The bundle that the run began with.
    pub bundle: BundleFacts,
}

/// Gives what was counted since a day, or since ever, as JSON, or says why it cannot be read. May take a while.
pub type ReadCounts = Arc<dyn Fn(Option<Date>) -> Result<String, String> + Send + Sync>;

/// What the pages know of the rest of the program, while a configuration runs.
pub struct PageContext {
    /// What stays the same while a configuration runs.
    pub about: About,
    /// Pause and mute, which the operator sets.
    pub switches: Arc<Switches>,
    /// The updates on offer, where the device checks for some by itself.
    pub updates: Option<Arc<Updates>>,
    /// Reads how many frames there were so far.
    pub frames: Box<dyn Fn() -> Frames + Send>,
    /// How far each part has come: numbers that change while it works.
    pub parts: Box<dyn Fn() -> Vec<(&'static str, u64)> + Send>,
    /// How the way to the broker is, where there is one.
    pub outbox: Box<dyn Fn() -> Option<Outbox> + Send>,
    /// The visitors of today, where they are counted.
    pub today: Box<dyn Fn() -> Option<Today> + Send>,
    /// What was counted since a day, where somebody counts.
    pub counted: Option<ReadCounts>,
    /// When the pages end by themselves, if they do.
    pub left: Option<Instant>,
    /// Checks the machine; may take up to seconds.
    pub checks: Arc<dyn Fn() -> Vec<Check> + Send + Sync>,
}

/// What makes a new snapshot worth sending.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Outline {
    /// Configurations, bundles and settings of the page so far.
    changes: u64,
    switches: Option<[bool; Switch::ALL.len()]>,
    offer: Option<UpdateFacts>,
}

/// What the server has read of the rest of the program.
#[derive(Default)]
struct State {
    /// See [`Outline`].
    changes: u64,
    context: Option<PageContext>,
    parts: Parts,
    rates: FrameRates,
    checks: Vec<Check>,
    warnings: Warnings,
    page: Option<Page>,
}

/// Shared by the loop's side and the server's.
pub struct Hub {
    pub(super) board: Arc<Board>,
    start: Instant,
    state: Mutex<State>,
    /// Signs of life of the server.
    beats: AtomicU64,
    /// When somebody last asked for a snapshot, in seconds since the start, from 1; 0 while nobody has.
    asked_s: AtomicU64,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            board: Arc::default(),
            start: Instant::now(),
            state: Mutex::default(),
            beats: AtomicU64::new(0),
            asked_s: AtomicU64::new(0),
        }
    }
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// A sink for the loop.
    pub fn sink(&self, classes: &ClassSet) -> PageSink {
        PageSink::new(Arc::clone(&self.board), classes)
    }

    /// Another configuration runs from now on.
    pub fn attach(&self, context: PageContext) {
        let mut state = self.state();
        state.context = Some(context);
        state.changes += 1;
        drop(state);
        self.board.announce();
    }

    /// The loop swaps to the networks of another bundle.
    pub fn swapped(&self, bundle: BundleFacts) {
        let mut state = self.state();
        if let Some(context) = &mut state.context {
            context.about.bundle = bundle;
        }
        state.changes += 1;
        drop(state);
        self.board.announce();
    }

    /// Something went wrong; `cure` is what helps.
    pub fn warn(&self, text: &str, cure: Option<&str>) {
        let now = self.now();
        self.state().warnings.add(now, text, cure);
    }

    /// Shows the media of a name on the visitor's page for a while; never waits. While the board is taken, for the time of a
    /// copy, nothing is shown.
    pub fn show(&self, name: &str, length: Duration) {
        let Some(mut newest) = self.board.try_write() else {
            return;
        };
        newest.trigger = Some(Trigger {
            name: name.to_lowercase(),
            show_ms: length.as_millis() as u64,
        });
        newest.triggers += 1;
        drop(newest);
        self.board.announce();
    }

    /// Signs of life of the server so far.
    pub fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    /// How the visitor's page is set up.
    pub(super) fn set_page(&self, page: Page) {
        let mut state = self.state();
        state.page = Some(page);
        state.changes += 1;
    }

    /// A sign of life; reads the counters.
    pub(super) fn tick(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let mut state = self.state();
        let State {
            context, parts, rates, ..
        } = &mut *state;
        let Some(context) = context else { return };
        parts.update(now, &(context.parts)());
        rates.update(now, (context.frames)());
    }

    /// Checks the machine, if somebody asked lately.
    pub(super) fn checks_wanted(&self, within: Duration) -> Option<Arc<dyn Fn() -> Vec<Check> + Send + Sync>> {
        let asked = self.asked_s.load(Ordering::Relaxed);
        let was_asked = asked > 0 && self.now() < Duration::from_secs(asked) + within;
        let lately = was_asked || self.board.viewers() > 0;
        let state = self.state();
        let context = state.context.as_ref()?;
        lately.then(|| Arc::clone(&context.checks))
    }

    pub(super) fn set_checks(&self, checks: Vec<Check>) {
        self.state().checks = checks;
    }

    /// Compared with an earlier one, says whether a new snapshot is worth sending.
    pub(super) fn outline(&self) -> Outline {
        let state = self.state();
        let context = state.context.as_ref();
        Outline {
            changes: state.changes,
            switches: context.map(|it| Switch::ALL.map(|switch| it.switches.is_on(switch))),
            offer: context.and_then(offer),
        }
    }

    /// Sets a switch; false for a message that means nothing.
    pub(super) fn set(&self, switch: Switch, message: &[u8]) -> bool {
        let state = self.state();
        let context = state.context.as_ref();
        let is_set = context.is_some_and(|it| it.switches.apply(switch, message));
        drop(state);
        self.board.announce();
        is_set
    }

    /// Requests an update; false for a message that means nothing, or where there is nothing newer.
    pub(super) fn update(&self, message: &[u8]) -> bool {
        let state = self.state();
        let updates = state.context.as_ref().and_then(|it| it.updates.as_ref());
        updates.is_some_and(|it| it.request(message))
    }

    /// Reads what was counted; `None` where nobody counts.
    pub(super) fn counted(&self) -> Option<ReadCounts> {
        let state = self.state();
        state.context.as_ref()?.counted.clone()
    }

    /// Everything at once; `None` before the first configuration runs.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let now = self.now();
        self.asked_s.store(now.as_secs().max(1), Ordering::Relaxed);
        let state = self.state();
        let context = state.context.as_ref()?;
        let outbox = (context.outbox)();
        let (recent, faces, stages, bad, dropped) = {
            let newest = self.board.read();
            let faces = newest.faces.classes.is_some().then(|| newest.faces.clone());
            let recent: Vec<_> = newest.recent.iter().rev().cloned().collect();
            (recent, faces, newest.stages.clone(), newest.bad, newest.dropped)
        };
        let About {
            boot,
            device,
            classes,
            camera,
            bundle,
        } = context.about.clone();
        // A state of a run before this one holds no more.
        let shown = recent.first().map(|told| told.state.clone());
        Some(Snapshot {
            state: shown.filter(|state| state.boot.as_str() == boot),
            boot,
            device,
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: now.as_secs(),
            classes,
            faces,
            page: state.page.clone()?,
            switches: Switch::ALL
                .map(|switch| (switch.name(), context.switches.is_on(switch)))
                .into(),
            recent,
            camera,
            rates: state.rates.rates(dropped, bad),
            latency_ms: latencies(&stages),
            parts: state.parts.list(now),
            checks: state.checks.clone(),
            broker: outbox.map(|Outbox { connected, .. }| Broker { connected }),
            outbox,
            bundle,
            update: offer(context),
            counts: (context.today)(),
            warnings: state.warnings.list(now),
            left_s: context
                .left
                .map(|end| end.saturating_duration_since(Instant::now()).as_secs()),
        })
    }
}

fn offer(context: &PageContext) -> Option<UpdateFacts> {
    let offer = context.updates.as_ref()?.offer();
    Some(UpdateFacts {
        installed: offer.installed,
        latest: offer.latest,
        in_progress: offer.in_progress,
    })
}
