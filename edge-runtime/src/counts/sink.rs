//! Where frames come in: everything here happens between two frames, and takes no disk and no waiting.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::thread::Thread;
use std::time::Duration;

use durable::SystemDisk;
use shared_model::message::{Face, FaceLine, RejectReason, State};
use vision::tracking::pose::Pose;

use super::board::Board;
use super::dating::{Dated, Dating, Quarter};
use super::error::CountsError;
use super::inbox::Pending;
use super::lock::CountsLock;
use super::settings::CountsSettings;
use super::visit::{Rules, SETTINGS, Sight, Visits};
use super::wall::WallClock;
use super::worker::{Between, Worker};
use crate::decide::{DecideConfig, Observation};
use crate::sink::{FrameFacts, LAST_WAIT, SignalSink, SinkError};

/// How often what was counted goes to the thread that writes.
const LEAVE_EVERY: Duration = Duration::from_secs(1);

/// Time without a judged frame after which all visits are over.
const SILENCE: Duration = Duration::from_millis(2 * SETTINGS.gone_ms);

/// Most faces of a frame.
const MAX_FACES: usize = 64;

/// Everything that counting needs from its start.
pub struct Start {
    /// The directory of the counts, and how long days are kept.
    pub settings: CountsSettings,
    /// Keeps other programs out of that directory.
    pub lock: CountsLock,
    /// How emotions are told. They must be valid.
    pub rules: Rules,
    /// Shows the sums to the other sinks.
    pub board: Arc<Board>,
    /// Tells the date and time of what is counted.
    pub wall: Box<dyn WallClock>,
}

/// Counts visitors by the faces that it is shown.
pub struct CountsSink {
    counter: Counter,
    between: Arc<Between>,
    /// The thread that writes counts to disk.
    writer: Thread,
    /// Hears when it has ended.
    ended: Receiver<()>,
    closed: bool,
}

impl CountsSink {
    /// Opens what was counted so far, and starts the thread that writes.
    ///
    /// # Errors
    /// A directory that cannot be made or read, or that a thread still writes to; a thread that cannot be started.
    pub fn start(start: Start) -> Result<Self, CountsError> {
        let Start {
            settings,
            lock,
            rules,
            board,
            mut wall,
        } = start;
        let writing = lock.write()?;
        let today = Quarter::of(wall.read().unix_s).day();
        let worker = Worker::open(SystemDisk::default(), &settings, board, today)?;
        let visits = Visits::new(rules).map_err(|error| CountsError::Start(std::io::Error::other(error)))?;
        let between = Arc::new(Between::default());
        let (end, ended) = channel();
        let shared = Arc::clone(&between);
        let thread =
            diagnostics::spawn("counts", move || worker.work(&shared, &end, writing)).map_err(CountsError::Start)?;
        Ok(Self {
            counter: Counter::new(visits, wall),
            between,
            writer: thread.thread().clone(),
            ended,
            closed: false,
        })
    }
}

impl SignalSink for CountsSink {
    fn name(&self) -> &'static str {
        "counts"
    }

    fn show(&mut self, _: &State) -> Result<(), SinkError> {
        Ok(())
    }

    fn frame(&mut self, line: &FaceLine<'_>) -> Result<(), SinkError> {
        self.counter.face(line);
        Ok(())
    }

    fn measured(&mut self, facts: &FrameFacts<'_>) -> Result<(), SinkError> {
        if self.counter.count(facts.time_ms) {
            self.between.inbox.try_leave(&mut self.counter.pending);
        }
        Ok(())
    }

    fn adopt(&mut self, decide: DecideConfig, abstain_below: f32) {
        self.counter.visits.adopt(decide, abstain_below);
    }

    fn beat(&mut self) -> Result<(), SinkError> {
        if self.counter.rest() {
            self.between.inbox.try_leave(&mut self.counter.pending);
        }
        Ok(())
    }

    /// Ends all visits and waits for the last write, but not for ever: counts keep no kiosk from ending.
    fn close(&mut self) -> Result<(), SinkError> {
        self.closed = true;
        self.counter.end();
        self.between.inbox.leave(&mut self.counter.pending);
        self.between.stop.store(true, Ordering::Release);
        self.writer.unpark();
        if self.ended.recv_timeout(LAST_WAIT).is_err() {
            tracing::warn!(about = "counts", "the last counts could not be written in time");
        }
        Ok(())
    }
}

impl Drop for CountsSink {
    /// Lets the thread write and end also where something else went wrong.
    fn drop(&mut self) {
        if !self.closed {
            // It never fails.
            let _ = self.close();
        }
    }
}

/// From frames to what waits to be written.
pub(super) struct Counter {
    visits: Visits,
    wall: Box<dyn WallClock>,
    dating: Dating,
    /// Faces of the frame that is being told, and its number.
    faces: (u64, Vec<Sight>),
    pub(super) pending: Pending,
    /// When something went to the thread last, and when a frame came, by the clock that never jumps.
    left: Duration,
    seen: Duration,
    /// Whether a frame came since the last rest: the clocks need not be read again.
    is_fresh: bool,
}

impl Counter {
    pub(super) fn new(visits: Visits, wall: Box<dyn WallClock>) -> Self {
        Self {
            visits,
            wall,
            dating: Dating::default(),
            faces: (0, Vec::with_capacity(MAX_FACES)),
            pending: Pending::default(),
            left: Duration::ZERO,
            seen: Duration::ZERO,
            is_fresh: false,
        }
    }

    /// Takes in one face of a frame; one that nobody tracks is not counted.
    pub(super) fn face(&mut self, line: &FaceLine<'_>) {
        let (frame, faces) = &mut self.faces;
        if *frame != line.frame {
            *frame = line.frame;
            faces.clear();
        }
        let sight = line.face.as_ref().and_then(sight);
        if faces.len() < MAX_FACES {
            faces.extend(sight);
        }
    }

    /// Counts the frame whose faces were told; says whether it is time to leave something for the thread.
    pub(super) fn count(&mut self, time_ms: u64) -> bool {
        let (dated, passed) = self.date();
        (self.seen, self.is_fresh) = (passed, true);
        let faces = std::mem::take(&mut self.faces.1);
        if !(faces.is_empty() && self.visits.is_empty()) {
            let tally = self.pending.at(dated.quarter, dated.doubtful);
            self.visits.see(time_ms, &faces, tally);
        }
        self.faces.1 = faces;
        self.faces.1.clear();
        self.is_due(passed)
    }

    /// While no frame comes: ends visits after a while; says the same.
    pub(super) fn rest(&mut self) -> bool {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        if is_fresh || (self.visits.is_empty() && self.pending.is_empty()) {
            return false;
        }
        let (dated, passed) = self.date();
        if passed >= self.seen + SILENCE {
            self.visits.end_all(self.pending.at(dated.quarter, dated.doubtful));
        }
        self.is_due(passed)
    }

    /// Ends every visit and counts it.
    pub(super) fn end(&mut self) {
        if !self.visits.is_empty() {
            let (dated, _) = self.date();
            self.visits.end_all(self.pending.at(dated.quarter, dated.doubtful));
        }
    }

    fn is_due(&mut self, passed: Duration) -> bool {
        let due = !self.pending.is_empty() && passed >= self.left + LEAVE_EVERY;
        if due {
            self.left = passed;
        }
        due
    }

    fn date(&mut self) -> (Dated, Duration) {
        let now = self.wall.read();
        let dated = self.dating.date(now);
        if let Some(jump) = dated.jump {
            // What was counted just before may stand in the wrong quarter, too.
            self.pending.at(jump.from, true);
            tracing::warn!(
                about = "clock",
                "the clock jumped by {} s: what was counted around that time is marked as doubtful",
                jump.by_s
            );
        }
        (dated, now.passed)
    }
}

/// What counts of a face.
fn sight(face: &Face<'_>) -> Option<Sight> {
    let turned = || Pose::of(&face.keypoints).is_some_and(|pose| pose.is_within(SETTINGS.facing_degrees));
    let (towards, observation) = match face.reject_reason {
        None => (Some(turned()), Observation::Face(face.scores.clone())),
        Some(why @ RejectReason::TurnedAway) => (Some(false), Observation::Rejected(why)),
        Some(why) => (None, Observation::Rejected(why)),
    };
    Some(Sight {
        id: face.id?,
        towards,
        observation,
    })
}
