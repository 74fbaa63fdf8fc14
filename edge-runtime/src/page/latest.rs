//! The newest messages, which all viewers share, and what each of them has had.

use std::collections::VecDeque;
use std::io::Write as _;

use axum::body::Bytes;
use serde::Serialize;

/// States that may wait for a viewer.
const STATES: usize = 32;

/// Memory that a message begins with: one with a face has some 700 bytes.
const USUAL_BYTES: usize = 1024;

/// One message, as server-sent events have it.
#[derive(Clone)]
pub(super) struct Message {
    pub(super) name: &'static str,
    pub(super) event: Bytes,
}

impl Message {
    /// `None` for what cannot be written as JSON.
    pub(super) fn new(name: &'static str, data: &impl Serialize) -> Option<Self> {
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

    pub(super) fn beat() -> Self {
        Self {
            name: "beat",
            event: Bytes::from_static(b"event: beat\ndata: {}\n\n"),
        }
    }

    /// What it tells, as JSON.
    pub(super) fn data(&self) -> &str {
        let text = str::from_utf8(&self.event).unwrap_or_default();
        text.split_once("\ndata: ").map_or("", |(_, data)| data.trim_end())
    }
}

/// The last message of a kind, and how many there were so far.
#[derive(Default)]
pub(super) struct Last {
    pub(super) count: u64,
    message: Option<Message>,
}

impl Last {
    pub(super) fn put(&mut self, message: Option<Message>) {
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
pub(super) struct Latest {
    /// The last states, the newest at the end.
    states: VecDeque<Message>,
    /// How many states there were so far.
    count: u64,
    pub(super) triggers: Last,
    pub(super) snapshots: Last,
    pub(super) faces: Last,
}

impl Latest {
    pub(super) fn put_state(&mut self, message: Message) {
        if self.states.len() == STATES {
            self.states.pop_front();
        }
        self.states.push_back(message);
        self.count += 1;
    }
}

/// How many messages of each kind a viewer has had.
#[derive(Clone, Copy, Default)]
pub(super) struct Had {
    states: u64,
    triggers: u64,
    pub(super) snapshots: u64,
    faces: u64,
}

impl Had {
    /// Everything up to now.
    pub(super) fn all(latest: &Latest) -> Self {
        Self {
            states: latest.count,
            triggers: latest.triggers.count,
            snapshots: latest.snapshots.count,
            faces: latest.faces.count,
        }
    }

    /// The next one. States come first and all of them, but for the oldest where too many wait; of all else the newest.
    pub(super) fn next(&mut self, latest: &Latest) -> Option<Message> {
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
