//! The stream of messages: made once, given to every viewer, who gets the newest that they have time for.
//!
//! Waking the server's thread costs more than a message, so that it wakes seldom: once for each frame that is sent, and
//! twice a second for everything else.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{self, WebSocket};
use futures_util::stream::{Stream, unfold};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};

use super::board::Board;
use super::hub::{Hub, Outline};

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

/// States that may wait for a viewer.
const STATES: usize = 32;

/// Time between two checks of the machine while somebody watches.
const CHECK: Duration = Duration::from_secs(10);

/// How long after the last question somebody counts as watching.
const WATCHED: Duration = Duration::from_secs(30);

/// Memory that a message begins with: one with a face has some 700 bytes.
const USUAL_BYTES: usize = 1024;

/// One message, as server-sent events have it.
#[derive(Clone)]
struct Message {
    name: &'static str,
    event: Bytes,
}

impl Message {
    /// `None` for what cannot be written as JSON.
    fn new(name: &'static str, data: &impl Serialize) -> Option<Self> {
        let mut event = Vec::with_capacity(USUAL_BYTES);
        // JSON of this form has no line breaks.
        write!(event, "event: {name}\ndata: ").ok()?;
        serde_json::to_writer(&mut event, data).ok()?;
        event.extend_from_slice(b"\n\n");
        Some(Self {
            name,
            event: event.into(),
        })
    }

    fn beat() -> Self {
        Self {
            name: "beat",
            event: Bytes::from_static(b"event: beat\ndata: {}\n\n"),
        }
    }

    /// What it tells, as JSON.
    fn data(&self) -> &str {
        let text = str::from_utf8(&self.event).unwrap_or_default();
        text.split_once("\ndata: ").map_or("", |(_, data)| data.trim_end())
    }
}

/// The last message of a kind, and how many there were so far.
#[derive(Default)]
struct Last {
    count: u64,
    message: Option<Message>,
}

impl Last {
    fn put(&mut self, message: Option<Message>) {
        if message.is_some() {
            (self.count, self.message) = (self.count + 1, message);
        }
    }

    /// The message, for those who have had only so many.
    fn after(&self, had: &mut u64) -> Option<Message> {
        let new = std::mem::replace(had, self.count) != self.count;
        self.message.as_ref().filter(|_| new).cloned()
    }
}

/// What all viewers are given.
#[derive(Default)]
struct Latest {
    /// The last states, the newest at the end.
    states: VecDeque<Message>,
    /// How many states there were so far.
    count: u64,
    triggers: Last,
    snapshots: Last,
    faces: Last,
}

impl Latest {
    fn put_state(&mut self, message: Message) {
        if self.states.len() == STATES {
            self.states.pop_front();
        }
        self.states.push_back(message);
        self.count += 1;
    }
}

/// How many messages of each kind a viewer has had.
#[derive(Clone, Copy, Default)]
struct Had {
    states: u64,
    triggers: u64,
    snapshots: u64,
    faces: u64,
}

impl Had {
    /// Everything up to now.
    fn all(latest: &Latest) -> Self {
        Self {
            states: latest.count,
            triggers: latest.triggers.count,
            snapshots: latest.snapshots.count,
            faces: latest.faces.count,
        }
    }

    /// The next one. States come first and all of them, but for the oldest where too many wait; of all else the newest.
    fn next(&mut self, latest: &Latest) -> Option<Message> {
        if self.states < latest.count {
            let oldest = latest.count - latest.states.len() as u64;
            let number = self.states.max(oldest);
            self.states = number + 1;
            return latest.states.get((number - oldest) as usize).cloned();
        }
        let other = latest.triggers.after(&mut self.triggers);
        let other = other.or_else(|| latest.snapshots.after(&mut self.snapshots));
        other.or_else(|| latest.faces.after(&mut self.faces))
    }
}

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

    /// Gives viewers what is new. A frame that was not announced, since it came too soon after another, is given when a
    /// tick sees that no other has followed.
    fn publish(&self, progress: &mut Progress, is_tick: bool) {
        let board = &self.hub.board;
        let is_watched = board.viewers() > 0;
        let newest = board.read();
        let states = newest
            .states
            .saturating_sub(std::mem::replace(&mut progress.states, newest.states));
        let skipped = newest.recent.len().saturating_sub(states as usize);
        let states: Vec<_> = newest.recent.iter().skip(skipped).cloned().collect();
        let is_new = std::mem::replace(&mut progress.triggers, newest.triggers) != newest.triggers;
        let trigger = newest.trigger.clone().filter(|_| is_new);
        let has_ended = progress.frames_before == newest.frames;
        if is_tick {
            progress.frames_before = newest.frames;
        }
        let is_due = is_watched && progress.frames != newest.frames && (!is_tick || has_ended);
        let faces = is_due.then(|| newest.faces.clone());
        if is_due {
            progress.frames = newest.frames;
        }
        drop(newest);
        let outline = Some(self.hub.outline());
        let has_changed = std::mem::replace(&mut progress.outline, outline) != outline;
        // Whoever comes later begins with a snapshot.
        if !is_watched || (states.is_empty() && trigger.is_none() && faces.is_none() && !has_changed) {
            return;
        }
        let snapshot = has_changed.then(|| self.hub.snapshot()).flatten();
        let states = states.iter().filter_map(|told| Message::new("state", &told.state));
        let states: Vec<_> = states.collect();
        let trigger = trigger.and_then(|trigger| Message::new("trigger", &trigger));
        let snapshot = snapshot.and_then(|snapshot| Message::new("snapshot", &snapshot));
        let faces = faces.and_then(|faces| Message::new("faces", &faces));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: u64) -> Option<Message> {
        Message::new("state", &number)
    }

    #[test]
    fn a_message_is_an_event_and_its_data_is_json() {
        let message = Message::new("faces", &["a\nb"]).unwrap();
        assert_eq!(message.event, "event: faces\ndata: [\"a\\nb\"]\n\n");
        assert_eq!(message.data(), r#"["a\nb"]"#);
        assert_eq!(Message::beat().data(), "{}");
    }

    #[test]
    fn a_slow_viewer_gets_the_newest_states_in_order_and_of_all_else_the_last() {
        let mut latest = Latest::default();
        let mut had = Had::all(&latest);
        for number in 0..40 {
            latest.put_state(numbered(number).unwrap());
            latest.faces.put(numbered(100 + number));
        }
        let told = std::iter::from_fn(|| had.next(&latest));
        let told: Vec<String> = told.map(|message| message.data().to_owned()).collect();
        let expected: Vec<String> = (8..40).chain([139]).map(|number| number.to_string()).collect();
        assert_eq!(told, expected);
        assert!(Had::all(&latest).next(&latest).is_none());
    }
}
