//! The stream of messages: made once, given to every viewer, who gets the newest that they have time for.
//!
//! Waking the server's thread costs more than a message, so that it wakes seldom: once for each frame that is sent, and
//! twice a second for everything else.

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

/// Most viewers at a time.
pub(super) const VIEWERS: usize = 32;

/// Of these, places that only this machine's own browser gets.
const OWN: usize = 4;

/// Time after which a viewer is told that the stream lives.
const BEAT: Duration = Duration::from_secs(5);

/// Longest time until something is noticed that nobody announced.
const TICK: Duration = Duration::from_millis(500);

/// Longest time that a viewer's socket may take no byte.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Time between two checks of the machine while somebody watches.
const CHECK: Duration = Duration::from_secs(10);

/// How long after the last question somebody counts as watching.
const WATCHED: Duration = Duration::from_secs(30);

/// How much of the board was made into messages.
#[derive(Default)]
struct Progress {
    states: u64,
    triggers: u64,
    frames: u64,
    /// Frames at the last tick.
    frames_before: u64,
    outline: Option<Outline>,
    checked: Option<Instant>,
}

impl Progress {
    /// What is new on the board. A frame that was not announced, since it came too soon after another, is new when a tick
    /// sees that no other has followed.
    fn news(&mut self, newest: &Newest, is_watched: bool, is_tick: bool) -> News {
        let states = newest.states.saturating_sub(self.states) as usize;
        let skipped = newest.recent.len().saturating_sub(states);
        let has_fired = self.triggers != newest.triggers;
        let has_ended = self.frames_before == newest.frames;
        let is_due = is_watched && self.frames != newest.frames && (!is_tick || has_ended);
        (self.states, self.triggers) = (newest.states, newest.triggers);
        if is_tick {
            self.frames_before = newest.frames;
        }
        if is_due {
            self.frames = newest.frames;
        }
        News {
            states: newest.recent.iter().skip(skipped).cloned().collect(),
            trigger: newest.trigger.clone().filter(|_| has_fired),
            faces: is_due.then(|| newest.faces.clone()),
        }
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

impl Live {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            latest: watch::Sender::default(),
            places: Arc::new(Semaphore::new(VIEWERS)),
            common: Arc::new(Semaphore::new(VIEWERS - OWN)),
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
        let mut beat = interval(BEAT);
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

    /// Makes messages of what the loop leaves on the board, and looks after everything else; never ends.
    pub(super) async fn pump(&self) {
        let mut progress = Progress::default();
        let mut tick = pin!(sleep(Duration::ZERO));
        loop {
            let is_tick = tokio::select! {
                () = self.hub.board.changed() => false,
                () = &mut tick => true,
            };
            self.hub.tick();
            self.publish(&mut progress, is_tick);
            if is_tick {
                self.check_machine(&mut progress.checked);
                tick.as_mut().reset(Instant::now() + TICK);
            }
        }
    }

    /// Gives viewers what is new.
    fn publish(&self, progress: &mut Progress, is_tick: bool) {
        let is_watched = self.hub.board.viewers() > 0;
        let news = progress.news(&self.hub.board.read(), is_watched, is_tick);
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
        if checked.is_some_and(|at| at.elapsed() < CHECK) {
            return;
        }
        let Some(check) = self.hub.checks_wanted(WATCHED) else {
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
            let sent = timeout(PATIENCE, socket.send(ws::Message::Text(text.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}
