//! What to say to the broker next: pure, without clock or network.
//!
//! A *token* stands for a message that the broker has not confirmed. Messages are confirmed by packet
//! number, which the client library gives when it sends one; it sends in the order in which it was asked.
//! A lost connection takes all tokens with it, and everything unconfirmed is said again on the next one:
//! the library itself forgets what it was asked when the broker does not know the session any more.

mod former;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::discovery::Updating;
use super::topics::Topics;
use crate::switches::Switch;
use durable::Disk;
use durable::outbox::Outbox;
use former::Former;

pub(super) use former::{FormerNews, PATIENCE};

/// Most messages that wait for a confirmation at a time; brokers allow 20 by default.
const WINDOW: usize = 16;

/// Time without any confirmation after which a connection counts as dead.
const STALL: Duration = Duration::from_secs(15);

/// Longest time that is spent on waiting events at the end.
const DRAIN: Duration = Duration::from_secs(1);

/// Whether the broker keeps a message for those who come later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retain {
    Keep,
    Pass,
}

/// What the client library is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// Subscribe to all of these topics.
    Subscribe(Vec<String>),
    /// Send this, at least once.
    Publish {
        topic: String,
        payload: Vec<u8>,
        retain: Retain,
    },
}

/// A message that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// An event of the outbox.
    Event(u64),
    /// The last message of all.
    Stopped,
    /// One that removes what the broker keeps under a former name.
    Former,
    /// Anything else: newer ones take its place.
    Other,
}

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    No,
    /// Events are still sent until this time.
    Draining(Duration),
    /// The farewell `stopped` was sent.
    Said,
    /// The broker has confirmed the farewell.
    Done,
}

/// What the broker hears about the device.
pub(super) struct Announcement {
    pub(super) topics: Topics,
    /// For Home Assistant; empty to remove the device there.
    pub(super) discovery: Vec<u8>,
    /// Wait after Home Assistant has started, 1 to 5 s.
    pub(super) delay: Duration,
    /// The state while nothing is known.
    pub(super) unknown: Vec<u8>,
    /// Names that it had before; what is kept under them is removed, unless another device has them.
    pub(super) former: Vec<Topics>,
    /// Whether it checks for updates, one of which can be requested.
    pub(super) updating: Updating,
}

/// One device at one broker.
pub(super) struct Session {
    device: Announcement,
    connected: bool,
    ending: Ending,
    /// The newest state, as JSON.
    state: Vec<u8>,
    /// Requests other than events that are due, in order.
    due: VecDeque<(Request, Token)>,
    /// Whether the newest state was not asked for yet.
    state_due: bool,
    /// Number of the next event to send.
    cursor: u64,
    /// Asked for, not yet sent.
    asked: VecDeque<Token>,
    /// What was sent and not confirmed, by packet number.
    flight: HashMap<u16, Token>,
    /// Last time that there was nothing to wait for, or a confirmation.
    progress: Duration,
    /// When Home Assistant is told anew.
    announce_at: Option<Duration>,
    former: Former,
}

impl Session {
    pub(super) fn new(mut device: Announcement) -> Self {
        Self {
            former: Former::new(std::mem::take(&mut device.former), &device.topics),
            state: device.unknown.clone(),
            device,
            connected: false,
            ending: Ending::No,
            due: VecDeque::new(),
            state_due: false,
            cursor: 0,
            asked: VecDeque::new(),
            flight: HashMap::new(),
            progress: Duration::ZERO,
            announce_at: None,
        }
    }

    /// The broker has accepted a connection.
    pub(super) fn connected(&mut self, now: Duration) {
        self.clear();
        self.connected = true;
        self.progress = now;
        self.former.connected();
        let mut heard = self.heard();
        heard.extend(self.former.heard());
        self.due.push_back((Request::Subscribe(heard), Token::Other));
        let (topic, online) = (self.device.topics.availability(), b"online".to_vec());
        self.enqueue(topic, online, Retain::Keep);
        self.announce();
    }

    /// The topics that are listened to as long as the device is there.
    fn heard(&self) -> Vec<String> {
        let topics = &self.device.topics;
        let mut heard: Vec<String> = Switch::ALL.into_iter().map(|switch| topics.set(switch)).collect();
        if self.device.updating == Updating::Looks {
            heard.push(topics.install());
        }
        if !self.device.discovery.is_empty() {
            heard.push(topics.birth());
        }
        heard
    }

    /// The broker has taken the subscription, and says for each topic whether it passes that on. Gives whether it refuses one
    /// of those that the device needs.
    pub(super) fn subscribed(&mut self, granted: &[bool], now: Duration) -> bool {
        let (own, former) = granted.split_at(granted.len().min(self.heard().len()));
        self.former.subscribed(former, now);
        own.contains(&false)
    }

    /// What has become of former names, once.
    pub(super) fn take_former_news(&mut self) -> Option<FormerNews> {
        self.former.take_news()
    }

    /// Whether a message is about a former name.
    pub(super) fn is_of_former(&mut self, topic: &str, message: &[u8]) -> bool {
        self.former.said(topic, message)
    }

    /// Notes that the connection is gone.
    pub(super) fn disconnected(&mut self) {
        self.clear();
        if std::mem::take(&mut self.connected) {
            self.former.lost();
        }
    }

    fn clear(&mut self) {
        self.due.clear();
        self.asked.clear();
        self.flight.clear();
        self.cursor = 0;
        self.announce_at = None;
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// A new state; older ones that were not sent yet are left out.
    pub(super) fn show(&mut self, state: Vec<u8>) {
        self.state = state;
        self.state_due = true;
    }

    /// Numbers of the run, not kept for anybody.
    pub(super) fn publish_stats(&mut self, stats: Vec<u8>) {
        if self.connected && self.ending == Ending::No {
            self.enqueue(self.device.topics.stats(), stats, Retain::Pass);
        }
    }

    /// The client library has sent the oldest message that it was asked for.
    pub(super) fn sent(&mut self, packet: u16) {
        if let Some(token) = self.asked.pop_front() {
            self.flight.insert(packet, token);
        }
    }

    /// The broker has confirmed a message; gives the number of the event that it was.
    pub(super) fn confirmed(&mut self, packet: u16, now: Duration) -> Option<u64> {
        self.progress = now;
        match self.flight.remove(&packet)? {
            Token::Event(id) => Some(id),
            Token::Stopped => {
                self.ending = Ending::Done;
                None
            }
            Token::Former => {
                self.former.confirmed();
                None
            }
            Token::Other => None,
        }
    }

    /// Home Assistant has said something on its own topic.
    pub(super) fn birth(&mut self, message: &[u8], now: Duration) {
        if message == b"online" {
            self.announce_at = Some(now + self.device.delay);
        }
    }

    /// The switch that a topic stands for.
    pub(super) fn switch(&self, topic: &str) -> Option<Switch> {
        self.device.topics.switch(topic)
    }

    /// Whether a topic takes the request for an update.
    pub(super) fn is_install(&self, topic: &str) -> bool {
        self.device.updating == Updating::Looks && self.device.topics.install() == topic
    }

    pub(super) fn is_birth(&self, topic: &str) -> bool {
        self.device.topics.birth() == topic
    }

    /// Lets time pass; says whether Home Assistant is told anew, which reads switches and updates from the counts.
    pub(super) fn tick(&mut self, now: Duration) -> bool {
        let anew = self.connected && self.announce_at.is_some_and(|at| at <= now);
        if anew {
            self.announce_at = None;
            self.announce();
        }
        if self.connected && self.ending == Ending::No {
            // An empty message takes the place of what is kept.
            let (payload, retain) = (Vec::new(), Retain::Keep);
            let publish = |topic| Request::Publish {
                topic,
                payload: payload.clone(),
                retain,
            };
            let due = self.former.due(now).into_iter();
            self.due.extend(due.map(|topic| (publish(topic), Token::Former)));
        }
        if self.waiting() == 0 {
            self.progress = now;
        }
        anew
    }

    /// Whether the broker takes messages without ever confirming one.
    pub(super) fn is_stalled(&self, now: Duration) -> bool {
        self.connected && self.waiting() > 0 && now > self.progress + STALL
    }

    /// Begins the end: what is known becomes unknown, waiting events go out, then `stopped`.
    pub(super) fn stop(&mut self, now: Duration) {
        if self.ending == Ending::No {
            self.ending = Ending::Draining(now + DRAIN);
            self.show(self.device.unknown.clone());
        }
    }

    /// Whether nothing is left to say: the broker knows, or cannot be told.
    pub(super) fn is_over(&self) -> bool {
        match self.ending {
            Ending::No => false,
            Ending::Draining(_) | Ending::Said => !self.connected,
            Ending::Done => true,
        }
    }

    /// The next request for the client library, if one may go now.
    pub(super) fn next<D: Disk>(&mut self, outbox: &Outbox<D>, now: Duration) -> Option<Request> {
        if !self.connected || matches!(self.ending, Ending::Said | Ending::Done) {
            return None;
        }
        let late = matches!(self.ending, Ending::Draining(until) if now >= until);
        let due = if self.waiting() < WINDOW {
            self.ordinary(outbox, late)
        } else {
            None
        };
        let (request, token) = match due {
            Some(due) => due,
            None => self.last_word(late || outbox.from(0).is_none())?,
        };
        if matches!(request, Request::Publish { .. }) {
            self.asked.push_back(token);
        }
        Some(request)
    }

    fn ordinary<D: Disk>(&mut self, outbox: &Outbox<D>, late: bool) -> Option<(Request, Token)> {
        match self.due.pop_front() {
            Some(due) => Some(due),
            None if self.state_due => Some(self.state_request()),
            None if late => None,
            None => self.event(outbox),
        }
    }

    /// `stopped`, once events had their time.
    fn last_word(&mut self, drained: bool) -> Option<(Request, Token)> {
        if !drained || !matches!(self.ending, Ending::Draining(_)) {
            return None;
        }
        self.ending = Ending::Said;
        let request = Request::Publish {
            topic: self.device.topics.availability(),
            payload: b"stopped".to_vec(),
            retain: Retain::Keep,
        };
        Some((request, Token::Stopped))
    }

    fn waiting(&self) -> usize {
        self.asked.len() + self.flight.len()
    }

    fn enqueue(&mut self, topic: String, payload: Vec<u8>, retain: Retain) {
        self.due
            .push_back((Request::Publish { topic, payload, retain }, Token::Other));
    }

    fn announce(&mut self) {
        self.enqueue(
            self.device.topics.discovery(),
            self.device.discovery.clone(),
            Retain::Keep,
        );
        self.state_due = true;
    }

    fn state_request(&mut self) -> (Request, Token) {
        self.state_due = false;
        let request = Request::Publish {
            topic: self.device.topics.state(),
            payload: self.state.clone(),
            retain: Retain::Keep,
        };
        (request, Token::Other)
    }

    /// The next event, not too far ahead of the oldest that is unconfirmed: a broker that skips one must not
    /// come round to its packet number again.
    fn event<D: Disk>(&mut self, outbox: &Outbox<D>) -> Option<(Request, Token)> {
        let (id, payload) = outbox.from(self.cursor)?;
        let oldest = self
            .asked
            .iter()
            .chain(self.flight.values())
            .filter_map(|token| match token {
                Token::Event(id) => Some(*id),
                _ => None,
            });
        if oldest.min().is_some_and(|oldest| id >= oldest + WINDOW as u64) {
            return None;
        }
        self.cursor = id + 1;
        let request = Request::Publish {
            topic: self.device.topics.event(),
            payload: payload.to_vec(),
            retain: Retain::Pass,
        };
        Some((request, Token::Event(id)))
    }
}

#[cfg(test)]
mod tests;
