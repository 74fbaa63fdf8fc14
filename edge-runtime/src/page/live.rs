//! The stream of messages: made once, given to every viewer, who gets the newest that they have time for.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use axum::response::sse::Event;
use futures_util::stream::{Stream, unfold};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};

use super::board::Board;
use super::hub::Hub;

/// Most viewers at a time.
pub(super) const VIEWERS: usize = 32;

/// Of these, places that only this machine's own browser gets.
const OWN: usize = 4;

/// Shortest time from one message with faces to the next: 15 a second.
const FACES_EVERY: Duration = Duration::from_micros(66_667);

/// Time after which a viewer is told that the stream lives.
const BEAT: Duration = Duration::from_secs(5);

/// How often it is seen whether a new snapshot is due.
const OUTLINE: Duration = Duration::from_millis(250);

/// Longest time that a viewer's socket may take no byte.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// States that may wait for a viewer.
const STATES: usize = 32;

/// Hands every message to all viewers.
pub(super) struct Live {
    hub: Arc<Hub>,
    states: broadcast::Sender<Arc<str>>,
    faces: watch::Sender<Option<Arc<str>>>,
    triggers: watch::Sender<Option<Arc<str>>>,
    snapshots: watch::Sender<Option<Arc<str>>>,
    places: Arc<Semaphore>,
    common: Arc<Semaphore>,
}

impl Live {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            states: broadcast::channel(STATES).0,
            faces: watch::Sender::new(None),
            triggers: watch::Sender::new(None),
            snapshots: watch::Sender::new(None),
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
        Some(Feed {
            states: self.states.subscribe(),
            faces: self.faces.subscribe(),
            triggers: self.triggers.subscribe(),
            snapshots: self.snapshots.subscribe(),
            beat,
            first: true,
            hub: Arc::clone(&self.hub),
            _counted: Counted(Arc::clone(&self.hub.board)),
            _places: (place, common),
        })
    }

    /// Makes messages of what the loop leaves on the board; never ends.
    pub(super) async fn pump(&self) {
        let board = &self.hub.board;
        let (mut states, mut frames) = (board.read().states, 0);
        let mut triggers = board.read().triggers;
        let mut next_faces = Instant::now();
        let mut due = false;
        loop {
            tokio::select! {
                () = board.changed() => {}
                () = sleep_until(next_faces), if due => {}
            }
            for told in self.new_states(&mut states) {
                // Nobody may be there any more.
                let _ = self.states.send(told);
            }
            if let Some(trigger) = new_trigger(board, &mut triggers) {
                self.triggers.send_replace(Some(trigger));
            }
            let newest = board.read().frames;
            due = newest != frames;
            if due && Instant::now() >= next_faces {
                (frames, due) = (newest, false);
                next_faces = Instant::now() + FACES_EVERY;
                let message = board.read().faces.clone();
                self.faces.send_replace(json(&message));
            }
        }
    }

    fn new_states(&self, seen: &mut u64) -> Vec<Arc<str>> {
        let newest = self.hub.board.read();
        let new = newest.states.saturating_sub(*seen) as usize;
        *seen = newest.states;
        let skipped = newest.recent.len().saturating_sub(new);
        let states = newest.recent.iter().skip(skipped);
        states.filter_map(|told| json(&told.state)).collect()
    }

    /// Sends a snapshot to everybody when something changed that no other message tells; never ends.
    pub(super) async fn outline(&self) {
        let mut outline = String::new();
        let mut ticks = interval(OUTLINE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.hub.tick();
            let new = self.hub.outline();
            // Whoever comes later begins with a snapshot anyway.
            if new != outline && self.hub.board.viewers() > 0 {
                self.snapshots.send_replace(self.hub.snapshot().map(Arc::from));
            }
            outline = new;
        }
    }
}

/// The last trigger, if it fired since.
fn new_trigger(board: &Board, seen: &mut u64) -> Option<Arc<str>> {
    let newest = board.read();
    let new = std::mem::replace(seen, newest.triggers) != newest.triggers;
    newest.trigger.as_ref().filter(|_| new).and_then(json)
}

fn json(message: &impl serde::Serialize) -> Option<Arc<str>> {
    serde_json::to_string(message).ok().map(Arc::from)
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
    states: broadcast::Receiver<Arc<str>>,
    faces: watch::Receiver<Option<Arc<str>>>,
    triggers: watch::Receiver<Option<Arc<str>>>,
    snapshots: watch::Receiver<Option<Arc<str>>>,
    beat: Interval,
    /// Nothing was told so far.
    first: bool,
    hub: Arc<Hub>,
    _counted: Counted,
    _places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
}

/// A message: its name, and its JSON.
type Told = (&'static str, Arc<str>);

impl Feed {
    /// The next message; `None` when the server ends.
    async fn next(&mut self) -> Option<Told> {
        if self.first {
            self.first = false;
            self.beat.reset();
            if let Some(snapshot) = self.hub.snapshot() {
                self.snapshots.mark_unchanged();
                return Some(("snapshot", snapshot.into()));
            }
        }
        loop {
            tokio::select! {
                biased;
                state = self.states.recv() => match state {
                    Ok(state) => return Some(("state", state)),
                    // Too slow for all of them: the newest are still to come.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
                changed = self.triggers.changed() => {
                    changed.ok()?;
                    if let Some(message) = self.triggers.borrow_and_update().clone() {
                        return Some(("trigger", message));
                    }
                }
                changed = self.snapshots.changed() => {
                    changed.ok()?;
                    if let Some(message) = self.snapshots.borrow_and_update().clone() {
                        return Some(("snapshot", message));
                    }
                }
                changed = self.faces.changed() => {
                    changed.ok()?;
                    if let Some(message) = self.faces.borrow_and_update().clone() {
                        return Some(("faces", message));
                    }
                }
                _ = self.beat.tick() => return Some(("beat", Arc::from("{}"))),
            }
        }
    }

    /// The same messages, as server-sent events.
    pub(super) fn events(self) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
        unfold(self, |mut feed| async move {
            let (name, data) = feed.next().await?;
            Some((Ok(Event::default().event(name).data(data)), feed))
        })
    }

    /// Over a WebSocket: `{"event": "state", "data": {…}}`. What the other side says is not read.
    pub(super) async fn talk(mut self, mut socket: WebSocket) {
        loop {
            let message = tokio::select! {
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => continue,
                },
                told = self.next() => told,
            };
            let Some((name, data)) = message else { return };
            let text = format!(r#"{{"event":"{name}","data":{data}}}"#);
            let sent = timeout(PATIENCE, socket.send(Message::Text(text.into()))).await;
            if !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}
