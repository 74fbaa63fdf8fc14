//! The stream of messages: made once, given to every viewer, who gets the newest that they have time for.
//!
//! Waking the server's thread costs the loop more than a message, so that the loop does it for a new state alone. The server
//! looks by itself for all else: five times a second while somebody watches, and once a second otherwise.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{self, WebSocket};
use futures_util::stream::{Stream, unfold};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use super::board::{Board, Newest};
use super::hub::{Hub, Outline};
use super::latest::{Had, Latest, Message};
use super::message::{Told, Trigger};
use crate::sink::gathered::FrameFaces;

/// How many viewers there may be, and how often they are told something.
pub(super) struct LiveSettings {
    /// Most viewers at a time.
    pub(super) viewers: usize,
    /// Of these, places that only this machine's own browser gets.
    own: usize,
    /// Time after which a viewer is told that the stream lives.
    beat: Duration,
    /// Of what length the timers of tokio are slots, counted from the start of its runtime: a timer that ends with a slot wakes
    /// the thread once, any other twice.
    slot: Duration,
    /// How much before a slot's end a timer is set: tokio rounds up to the next millisecond.
    rounded: Duration,
    /// Slots from one look at the board to the next while somebody watches; with each look goes the newest frame.
    look: u32,
    /// Slots until something else is noticed that nobody announced.
    tick: u32,
    /// Longest time that a viewer's socket may take no byte.
    pub(super) patience: Duration,
    /// Time between two checks of the machine while somebody watches.
    check: Duration,
    /// How long after the last question somebody counts as watching.
    watched: Duration,
}

pub(super) const LIVE: LiveSettings = LiveSettings {
    viewers: 32,
    own: 4,
    beat: Duration::from_secs(5),
    slot: Duration::from_millis(64),
    rounded: Duration::from_micros(500),
    look: 3,
    tick: 15,
    patience: Duration::from_secs(10),
    check: Duration::from_secs(10),
    watched: Duration::from_secs(30),
};

/// How much of the board was made into messages.
#[derive(Default)]
struct Progress {
    states: u64,
    triggers: u64,
    frames: u64,
    outline: Option<Outline>,
    ticked: Option<Instant>,
    checked: Option<Instant>,
}

impl Progress {
    /// What is new on the board; the newest frame only when it is looked at.
    fn news(&mut self, newest: &Newest, is_watched: bool, is_look: bool) -> News {
        let states = newest.states.saturating_sub(self.states) as usize;
        let skipped = newest.recent.len().saturating_sub(states);
        let has_fired = self.triggers != newest.triggers;
        let has_frame = is_watched && is_look && self.frames != newest.frames;
        (self.states, self.triggers) = (newest.states, newest.triggers);
        if has_frame {
            self.frames = newest.frames;
        }
        News {
            states: newest.recent.iter().skip(skipped).cloned().collect(),
            trigger: newest.trigger.clone().filter(|_| has_fired),
            faces: has_frame.then(|| newest.faces.clone()),
        }
    }

    /// Whether it is time to look after everything else.
    fn is_tick(&mut self, now: Instant) -> bool {
        // Not all looks come after the very same time.
        let is_tick = self
            .ticked
            .is_none_or(|ticked| now + LIVE.slot / 2 >= ticked + LIVE.tick * LIVE.slot);
        if is_tick {
            self.ticked = Some(now);
        }
        is_tick
    }
}

/// What is new on the board.
struct News {
    states: Vec<Told>,
    trigger: Option<Trigger>,
    faces: Option<FrameFaces>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.states.is_empty() && self.trigger.is_none() && self.faces.is_none()
    }
}

/// Hands every message to all viewers.
pub(super) struct Live {
    hub: Arc<Hub>,
    latest: watch::Sender<Latest>,
    places: Arc<Semaphore>,
    common: Arc<Semaphore>,
}

/// When the slot ends that is the so many'th after this moment.
fn slot_end(start: Instant, now: Instant, slots: u32) -> Instant {
    let passed = now.saturating_duration_since(start).as_millis() / LIVE.slot.as_millis();
    start + LIVE.slot * (passed as u32).saturating_add(slots) - LIVE.rounded
}

impl Live {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            latest: watch::Sender::default(),
            places: Arc::new(Semaphore::new(LIVE.viewers)),
            common: Arc::new(Semaphore::new(LIVE.viewers - LIVE.own)),
        }
    }

    /// A place for a viewer; `None` when all are taken.
    pub(super) fn follow(&self, is_own: bool) -> Option<Feed> {
        let common = if is_own {
            None
        } else {
            Some(Arc::clone(&self.common).try_acquire_owned().ok()?)
        };
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let mut beat = interval(LIVE.beat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.hub.board.viewer_came();
        let latest = self.latest.subscribe();
        let had = Had::all(&latest.borrow());
        Some(Feed {
            latest,
            had,
            beat,
            first: true,
            hub: Arc::clone(&self.hub),
            _counted: Counted(Arc::clone(&self.hub.board)),
            _places: (place, common),
        })
    }

    /// Makes messages of what the loop leaves on the board, and looks after everything else; never ends. The runtime began at
    /// `start`.
    pub(super) async fn pump(&self, start: Instant) {
        let mut progress = Progress::default();
        let mut look = pin!(sleep(Duration::ZERO));
        loop {
            let is_look = tokio::select! {
                () = self.hub.board.changed() => false,
                () = &mut look => true,
            };
            let now = Instant::now();
            if progress.is_tick(now) {
                self.hub.tick();
                self.check_machine(&mut progress.checked);
            }
            let is_watched = self.hub.board.viewers() > 0;
            self.publish(&mut progress, is_watched, is_look);
            let next = slot_end(
                start,
                now + LIVE.slot / 2,
                if is_watched { LIVE.look } else { LIVE.tick },
            );
            // Whoever comes while nobody watches does not wait for the next tick.
            if is_look || next < look.deadline() {
                look.as_mut().reset(next);
            }
        }
    }

    /// Gives viewers what is new.
    fn publish(&self, progress: &mut Progress, is_watched: bool, is_look: bool) {
        let news = progress.news(&self.hub.board.read(), is_watched, is_look);
        let outline = Some(self.hub.outline());
        let has_changed = std::mem::replace(&mut progress.outline, outline) != outline;
        // Whoever comes later begins with a snapshot.
        if !is_watched || (news.is_empty() && !has_changed) {
            return;
        }
        let snapshot = has_changed.then(|| self.hub.snapshot()).flatten();
        let snapshot = snapshot.and_then(|snapshot| Message::new("snapshot", &snapshot));
        let states = news.states.iter();
        let states: Vec<_> = states.filter_map(|told| Message::new("state", &told.state)).collect();
        let trigger = news.trigger.and_then(|trigger| Message::new("trigger", &trigger));
        let faces = news.faces.and_then(|faces| Message::new("faces", &faces));
        self.latest.send_modify(|latest| {
            for state in states {
                latest.put_state(state);
            }
            latest.triggers.put(trigger);
            latest.snapshots.put(snapshot);
            latest.faces.put(faces);
        });
    }

    /// Checks the machine on a thread that may wait, if somebody wants to know and it was not done lately.
    fn check_machine(&self, checked: &mut Option<Instant>) {
        if checked.is_some_and(|at| at.elapsed() < LIVE.check) {
            return;
        }
        let Some(check) = self.hub.checks_wanted(LIVE.watched) else {
            return;
        };
        *checked = Some(Instant::now());
        let hub = Arc::clone(&self.hub);
        tokio::spawn(async move {
            if let Ok(checks) = spawn_blocking(move || check()).await {
                hub.set_checks(checks);
            }
        });
    }
}

/// Says that a viewer is gone, whichever way.
struct Counted(Arc<Board>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.viewer_went();
    }
}

/// The messages that one viewer gets.
pub(super) struct Feed {
    latest: watch::Receiver<Latest>,
    had: Had,
    beat: Interval,
    /// Nothing was told so far.
    first: bool,
    hub: Arc<Hub>,
    _counted: Counted,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

impl Feed {
    /// The next message; `None` when the server ends.
    async fn next(&mut self) -> Option<Message> {
        if self.first {
            self.first = false;
            self.beat.reset();
            let snapshot = self.hub.snapshot();
            if let Some(snapshot) = snapshot.and_then(|snapshot| Message::new("snapshot", &snapshot)) {
                self.had.snapshots = self.latest.borrow().snapshots.count;
                return Some(snapshot);
            }
        }
        loop {
            if let Some(message) = self.had.next(&self.latest.borrow_and_update()) {
                return Some(message);
            }
            tokio::select! {
                biased;
                changed = self.latest.changed() => changed.ok()?,
                _ = self.beat.tick() => return Some(Message::beat()),
            }
        }
    }

    /// All of them, as server-sent events.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        unfold(self, |mut feed| async move {
            let message = feed.next().await?;
            Some((Ok(message.event), feed))
        })
    }

    /// Over a WebSocket: `{"event": "state", "data": {…}}`. What the other side says is not read.
    pub(super) async fn talk(mut self, mut socket: WebSocket) {
        loop {
            let message = tokio::select! {
                heard = socket.recv() => match heard {
                    Some(Ok(ws::Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                told = self.next() => told,
            };
            let Some(message) = message else { return };
            let text = format!(r#"{{"event":"{}","data":{}}}"#, message.name, message.data());
            let sent = timeout(LIVE.patience, socket.send(ws::Message::Text(text.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_frame_goes_with_a_look_once_and_only_while_somebody_watches() {
        let (mut progress, mut newest) = (Progress::default(), Newest::default());
        let mut told = |newest: &Newest, is_watched, is_look| {
            let faces = progress.news(newest, is_watched, is_look).faces;
            faces.map(|faces| faces.frame)
        };
        for number in 1..=3 {
            (newest.frames, newest.faces.frame) = (number, number);
            assert_eq!(told(&newest, false, true), None);
            assert_eq!(told(&newest, true, false), None);
        }
        assert_eq!(told(&newest, true, true), Some(3));
        assert_eq!(told(&newest, true, true), None);
        assert!(progress.news(&newest, true, true).is_empty());
    }

    #[test]
    fn everything_else_is_looked_after_once_a_second_however_often_the_board_is_looked_at() {
        let (mut progress, start) = (Progress::default(), Instant::now());
        let looks = (0..100).map(|look| start + look * LIVE.look * LIVE.slot + look % 3 * Duration::from_millis(7));
        assert_eq!(looks.filter(|now| progress.is_tick(*now)).count(), 20);
    }

    #[test]
    fn looks_end_with_slots_whenever_they_begin() {
        let start = Instant::now();
        for late_ms in [0, 1, 30] {
            let mut now = start;
            for look in 1..=1000 {
                now = slot_end(start, now + LIVE.slot / 2, LIVE.look);
                let ms = (now - start).as_nanos().div_ceil(1_000_000);
                assert_eq!(ms, u128::from(look * LIVE.look) * LIVE.slot.as_millis());
                now += LIVE.rounded + Duration::from_millis(late_ms);
            }
        }
    }
}
