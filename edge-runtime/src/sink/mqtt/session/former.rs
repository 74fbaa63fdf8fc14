//! What the broker keeps under names that the device had before, and whether it may go: pure.
//!
//! Another device may have such a name by now, as where two have exchanged theirs. So it is listened first whether anybody is
//! online under it; what the broker keeps of such a device stays.

use std::time::Duration;

use super::super::topics::Topics;

/// Wait for what the broker keeps, once it has taken the subscription: it sends that at once.
pub(super) const QUIET: Duration = Duration::from_secs(1);

/// Wait for a device that is online: one that has vanished seems to be, until the broker misses its signs of life.
pub(in super::super) const PATIENCE: Duration = Duration::from_secs(20);

/// Connections that may end meanwhile. A broker may refuse a message, or a subscription, by ending the connection, and must
/// not keep the device away by it.
const TRIES: u32 = 3;

/// What has become of former names.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum FormerNews {
    /// Nothing of this device is left under them, so they can be forgotten.
    Gone {
        /// Whether anything was removed.
        removed: bool,
        /// Names that other devices have now.
        others: Vec<String>,
    },
    /// The broker does not say whether others have these; what it keeps under them stays.
    Hidden(Vec<String>),
    /// Connections ended each time; what is kept stays.
    GivenUp,
}

#[derive(Debug)]
struct Name {
    topics: Topics,
    /// Somebody says so there.
    online: bool,
    /// The broker refuses to pass it on.
    hidden: bool,
}

/// The names, until they are dealt with.
#[derive(Debug)]
pub(super) struct Former {
    own: Topics,
    names: Vec<Name>,
    /// Nothing more becomes of them; what is said there may still come.
    done: bool,
    /// When the broker took the subscription of this connection.
    since: Option<Duration>,
    /// Whether what is kept was asked to go on this connection.
    asked: bool,
    /// Such messages that were not confirmed yet.
    open: usize,
    /// Connections that ended meanwhile.
    losses: u32,
    news: Option<FormerNews>,
}

impl Former {
    pub(super) fn new(names: Vec<Topics>, own: &Topics) -> Self {
        let name = |topics| Name {
            topics,
            online: false,
            hidden: false,
        };
        Self {
            own: own.clone(),
            done: names.is_empty(),
            names: names.into_iter().map(name).collect(),
            since: None,
            asked: false,
            open: 0,
            losses: 0,
            news: None,
        }
    }

    /// The topics to listen to, in order. The device's own name under another first level is nobody else's.
    pub(super) fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        for name in self.names.iter().filter(|_| !self.done) {
            let topic = name.topics.availability();
            if name.topics.id() != self.own.id() && !heard.contains(&topic) {
                heard.push(topic);
            }
        }
        heard
    }

    /// A connection begins, of which nothing is known.
    pub(super) fn connected(&mut self) {
        (self.since, self.asked, self.open) = (None, false, 0);
        for name in &mut self.names {
            (name.online, name.hidden) = (false, false);
        }
    }

    /// A connection has ended.
    pub(super) fn lost(&mut self) {
        if self.done {
            return;
        }
        self.losses += 1;
        if self.losses >= TRIES {
            self.done = true;
            self.news = Some(FormerNews::GivenUp);
        }
    }

    /// The broker has taken the subscription; `granted` says for each of [`heard`](Self::heard) whether it passes that on.
    pub(super) fn subscribed(&mut self, granted: &[bool], now: Duration) {
        self.since = Some(now);
        for (topic, granted) in self.heard().into_iter().zip(granted) {
            for name in self.names.iter_mut().filter(|name| name.topics.availability() == topic) {
                name.hidden = !granted;
            }
        }
    }

    /// Whether a message is about one of the names.
    pub(super) fn said(&mut self, topic: &str, message: &[u8]) -> bool {
        let about = |name: &&mut Name| name.topics.id() != self.own.id() && name.topics.availability() == topic;
        let mut is_about = false;
        for name in self.names.iter_mut().filter(about) {
            // From then on it is the device's own word that comes back.
            name.online = if self.asked { name.online } else { message == b"online" };
            is_about = true;
        }
        is_about
    }

    /// The topics that an empty message is due for, once it is known who has the names.
    pub(super) fn due(&mut self, now: Duration) -> Vec<String> {
        let wait = if self.names.iter().any(|name| name.online) {
            PATIENCE
        } else {
            QUIET
        };
        let is_known = self.since.is_some_and(|since| now >= since + wait);
        if self.done || self.asked || !is_known {
            return Vec::new();
        }
        self.asked = true;
        let own = self.own.kept();
        let left = self.names.iter().filter(|name| !name.online && !name.hidden);
        let mut due: Vec<String> = left.flat_map(|name| name.topics.kept()).collect();
        due.retain(|topic| !own.contains(topic));
        self.open = due.len();
        if due.is_empty() {
            self.end(false);
        }
        due
    }

    /// The broker has confirmed one of these messages.
    pub(super) fn confirmed(&mut self) {
        self.open = self.open.saturating_sub(1);
        if self.open == 0 {
            self.end(true);
        }
    }

    /// All was done that can be.
    fn end(&mut self, removed: bool) {
        let those = |is: fn(&Name) -> bool| {
            let names = self.names.iter().filter(|name| is(name));
            names.map(|name| name.topics.id().to_owned()).collect()
        };
        let (hidden, others): (Vec<String>, _) = (those(|name| name.hidden), those(|name| name.online));
        self.news = Some(if hidden.is_empty() {
            FormerNews::Gone { removed, others }
        } else {
            FormerNews::Hidden(hidden)
        });
        self.done = true;
    }

    /// What has become of them, once.
    pub(super) fn take_news(&mut self) -> Option<FormerNews> {
        self.news.take()
    }
}
