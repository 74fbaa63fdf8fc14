//! What the parts of a run share.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};

use durable::outbox::Shelf;
use shared_model::Text;
use update::Networks;

use crate::counts::Board;
use crate::pipeline::Progress;
use crate::service::LivenessSet;
use crate::sink::outlet::OutletStatus;
use crate::sink::updates::Updates;
use crate::switches::Switches;

/// How the way to the broker is.
#[cfg_attr(not(feature = "page"), expect(dead_code, reason = "only pages tell it"))]
#[derive(Debug, Clone, Copy)]
pub(super) struct BrokerStatus {
    /// Whether the broker is there.
    pub(super) connected: bool,
    /// Events that were not confirmed yet.
    pub(super) waiting: u64,
    /// Events that made room for newer ones.
    pub(super) dropped: u64,
}

/// Reads how the way to the broker is; nothing where there is none.
pub(super) type ReadBroker = Arc<dyn Fn() -> Option<BrokerStatus> + Send + Sync>;

/// How the ways out of the kiosk fare.
#[cfg_attr(not(feature = "page"), expect(dead_code, reason = "only pages tell it"))]
pub(super) struct Ways {
    pub(super) broker: ReadBroker,
    /// Those who are told over a network or a cable, by their names.
    pub(super) outlets: Vec<(&'static str, Arc<OutletStatus>)>,
}

/// Is told what went wrong, and what helps.
pub(super) type Warn = Arc<dyn Fn(&str, Option<&str>) + Send + Sync>;

/// The bundle that runs, as it is told.
#[cfg_attr(
    not(all(feature = "mqtt", feature = "page")),
    allow(dead_code, reason = "the broker and pages are told")
)]
#[derive(Debug, Default)]
pub(super) struct Running {
    /// Name and version.
    pub(super) bundle: String,
    /// Smoothed probability from which on an emotion is told.
    pub(super) threshold: f32,
    /// Whether the bundle finds faces by a network of its own.
    pub(super) has_detector: bool,
}

impl Running {
    /// Of these networks, where a configuration begins emotions at `enter`.
    pub(super) fn of(networks: &Networks, enter: f32) -> Self {
        let manifest = networks.bundle.manifest();
        Self {
            bundle: format!("{} {}", manifest.name, manifest.version),
            threshold: enter.max(manifest.decision.abstain_below),
            has_detector: networks.predictor.detector().is_some(),
        }
    }
}

/// Where the outboxes lie while no sink has them.
#[cfg_attr(
    not(all(feature = "mqtt", feature = "webhook")),
    allow(dead_code, reason = "a program without these sinks keeps nothing")
)]
#[derive(Default)]
pub(super) struct Shelves {
    /// What the broker has not confirmed.
    pub(super) mqtt: Shelf,
    /// What the web server has not taken.
    pub(super) webhook: Shelf,
}

/// What goes on when the configuration changes.
pub(super) struct Shared {
    /// Identifies this start of the program; differs from start to start.
    pub(super) boot: Text<32>,
    pub(super) progress: Arc<Progress>,
    pub(super) switches: Arc<Switches>,
    pub(super) shelves: Shelves,
    /// The bundles on offer, and the requests to install one.
    pub(super) updates: Arc<Updates>,
    /// What was counted of visitors, if it is.
    pub(super) counts: Arc<Board>,
    /// The bundle that runs.
    pub(super) running: Arc<Mutex<Running>>,
    /// Whether the program was asked to stop.
    pub(super) stop: Arc<AtomicBool>,
    /// Signs of life of the loop.
    pub(super) beats: Arc<AtomicU64>,
    /// Those of the thread that answers `/metrics`, if there is one.
    pub(super) metrics: Option<Arc<AtomicU64>>,
    /// The parts that the watchdog watches.
    pub(super) liveness: Arc<LivenessSet>,
}

impl Shared {
    /// Notes the networks that run from now on.
    pub(super) fn note(running: &Mutex<Running>, networks: &Networks, enter: f32) {
        *running.lock().unwrap_or_else(PoisonError::into_inner) = Running::of(networks, enter);
    }

    /// The state before the first configuration runs.
    pub(super) fn new(boot: Text<32>, stop: Arc<AtomicBool>) -> Self {
        Self {
            boot,
            progress: Arc::default(),
            switches: Arc::default(),
            shelves: Shelves::default(),
            updates: Arc::default(),
            counts: Arc::default(),
            running: Arc::default(),
            stop,
            beats: Arc::default(),
            metrics: None,
            liveness: Arc::default(),
        }
    }
}
