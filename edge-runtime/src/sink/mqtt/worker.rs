//! The thread of the sink: carries between session, outbox and link, and keeps the time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::fault::Fault;
use super::identity::Identity;
use super::link::{Link, Message, News, Requests};
use super::reports::Reports;
use super::session::Session;
use super::{Around, Command, Status};
use crate::switches::{Switch, Switches};
use durable::outbox::Outbox;
use update::Offer;

/// How often the time is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Shortest time between two messages of counts.
const STATS: Duration = Duration::from_secs(1);

/// Longest time that the end takes.
const END: Duration = Duration::from_millis(2500);

/// Longest wait for the farewell to go out.
const FAREWELL: Duration = Duration::from_millis(200);

/// What the thread works with.
pub(super) struct Worker {
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    pub(super) around: Around,
    pub(super) reports: Reports,
    pub(super) identity: Identity,
    pub(super) status: Arc<Status>,
    pub(super) stats_every: Duration,
    pub(super) sync_every: Duration,
    pub(super) pace: Pace,
}

/// When what was done last, and how much.
pub(super) struct Pace {
    start: Instant,
    stats: Option<Duration>,
    /// What updates the last counts told of.
    offer: Offer,
    /// How the switches stood in them; a line and the pages set them as well.
    switches: [bool; 2],
    synced: Duration,
    /// Events taken so far.
    accepted: u64,
    /// When the end began.
    ending: Option<Duration>,
    /// Whether the counts are wanted soon.
    stats_due: bool,
}

impl Pace {
    pub(super) fn start() -> Self {
        Self {
            start: Instant::now(),
            stats: None,
            offer: Offer::default(),
            switches: [false; 2],
            synced: Duration::ZERO,
            accepted: 0,
            ending: None,
            stats_due: true,
        }
    }
}

/// Works until the end was asked for, and said.
pub(super) async fn serve(mut worker: Worker, mut link: Link, requests: Requests, mut inbox: Receiver<Command>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !worker.is_over() {
        let news = {
            // Kept while other things happen: dropped, it would give up a connection that is being made.
            let mut news = pin!(link.news());
            loop {
                tokio::select! {
                    news = &mut news => break Some(news),
                    command = inbox.recv(), if worker.pace.ending.is_none() => worker.obey(command),
                    _ = ticks.tick() => worker.tick(),
                }
                worker.speak(&requests);
                if worker.is_over() || worker.session.is_stalled(worker.now()) {
                    break None;
                }
            }
        };
        let stalled = || News::Lost(Fault::NoAnswer);
        if news.is_none() {
            link.lose();
        }
        worker.hear(news.unwrap_or_else(stalled));
        worker.speak(&requests);
    }
    worker.outbox.sync();
    worker.publish_status();
    requests.disconnect();
    let gone = async { while !matches!(link.news().await, News::Lost(_)) {} };
    // Late or not, the program ends.
    let _ = timeout(FAREWELL, gone).await;
}

impl Worker {
    fn now(&self) -> Duration {
        self.pace.start.elapsed()
    }

    fn is_over(&self) -> bool {
        let late = self.pace.ending.is_some_and(|at| self.now() >= at + END);
        late || self.session.is_over()
    }

    /// Takes a command; `None` is the end as well.
    fn obey(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Show(state)) => {
                self.pace.accepted += u64::from(self.outbox.push(state.clone()).is_some());
                self.session.show(state);
            }
            Some(Command::Stop) | None => {
                self.pace.ending = Some(self.now());
                self.session.stop(self.now());
            }
        }
    }

    fn hear(&mut self, news: News) {
        let now = self.now();
        match news {
            News::Connected => {
                self.session.connected(now);
                // The switches can be read at once.
                self.pace.stats_due = true;
                if let Some(news) = self.reports.connected(now) {
                    tracing::info!("{news}");
                }
            }
            News::Sent(packet) => self.session.sent(packet),
            News::Confirmed(packet) => {
                if let Some(event) = self.session.confirmed(packet, now) {
                    self.outbox.delivered(event);
                }
            }
            News::Deaf => tracing::warn!(
                "mqtt: the broker refuses to pass on what is sent to this device: pause, mute and updates cannot be asked for; \
                 let its user read emotion/<device>/set/# (and homeassistant/status)",
            ),
            News::Message(message) => self.read(&message),
            News::Lost(fault) => self.lost(fault),
            News::Other => {}
        }
        self.status
            .connected
            .store(self.session.is_connected(), Ordering::Relaxed);
    }

    fn lost(&mut self, fault: Fault) {
        self.session.disconnected();
        let now = self.now();
        if self.pace.ending.is_some() {
            return;
        }
        (self.around.trouble)(&fault);
        if let Some(news) = self.reports.lost(fault, now) {
            // Each line is wanted: there is no more than one a minute.
            tracing::warn!(about = now.as_secs(), "{news}");
        }
    }

    /// A message from outside: a switch, or Home Assistant's birth. Anything else is counted, no more.
    fn read(&mut self, message: &Message) {
        if self.session.is_birth(&message.topic) {
            self.session.birth(&message.payload, self.now());
            return;
        }
        // What was kept from earlier is nobody's wish now.
        if !message.retained && self.follow(message) {
            self.pace.stats_due = true;
            if let Some(trouble) = self.around.switches.take_trouble() {
                tracing::warn!(about = %trouble, "{trouble}");
            }
        } else {
            self.status.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn follow(&self, message: &Message) -> bool {
        let around = &self.around;
        if self.session.is_install(&message.topic) {
            let updates = around.updates.as_ref();
            return updates.is_some_and(|it| it.obey(&message.payload));
        }
        let switch = self.session.switch(&message.topic);
        switch.is_some_and(|it| around.switches.obey(it, &message.payload))
    }

    fn tick(&mut self) {
        let now = self.now();
        let offer = self.around.updates.as_ref().map(|it| it.offer()).unwrap_or_default();
        if self.session.tick(now) || offer != self.pace.offer || self.switched() {
            self.pace.stats_due = true;
        }
        if let Some(news) = self.reports.lasts(now) {
            tracing::info!("{news}");
        }
        self.keep_identity();
        if now >= self.pace.synced + self.sync_every {
            self.pace.synced = now;
            self.outbox.sync();
        }
        // However often a switch is turned, whoever reads along gets its last position within a second.
        let wait = if self.pace.stats_due { STATS } else { self.stats_every };
        if self
            .pace
            .stats
            .is_none_or(|last| now >= last + wait.min(self.stats_every))
        {
            self.tell_stats();
        }
        self.publish_status();
        (self.around.alive)();
    }

    /// Whether the pause is another than was told last.
    fn switched(&self) -> bool {
        switches(&self.around.switches) != self.pace.switches
    }

    /// Once the topics of former names are gone, they are forgotten here too.
    fn keep_identity(&mut self) {
        if self.session.take_cleaned() {
            self.identity.cleaned();
            tracing::info!("mqtt: what the broker kept of this device's former name is removed");
        }
    }

    fn tell_stats(&mut self) {
        if !self.session.is_connected() {
            return;
        }
        (self.pace.stats, self.pace.stats_due) = (Some(self.now()), false);
        self.publish_status();
        self.pace.switches = switches(&self.around.switches);
        let mut stats = (self.around.stats)();
        if let Some(updates) = &self.around.updates {
            self.pace.offer = updates.offer();
            stats.insert("update".to_owned(), shown(self.pace.offer));
        }
        stats.extend(own_stats(&self.status, &self.around.switches, self.now()));
        self.session.tell_stats(Value::Object(stats).to_string().into_bytes());
    }

    fn publish_status(&self) {
        let counts = self.outbox.counts();
        let status = &self.status;
        status.waiting.store(counts.waiting, Ordering::SeqCst);
        status.dropped.store(counts.dropped, Ordering::Relaxed);
        status.lost.store(counts.lost, Ordering::Relaxed);
        status.errors.store(counts.errors, Ordering::Relaxed);
        status.accepted.store(self.pace.accepted, Ordering::SeqCst);
    }

    /// Asks for everything that may be said now.
    fn speak(&mut self, requests: &Requests) {
        let now = self.now();
        while let Some(request) = self.session.next(&self.outbox, now) {
            if !requests.ask(request) {
                // Never seen: the library holds more than the window. The session asks again when the
                // broker stalls.
                return;
            }
        }
    }
}

/// How the switches stand, whoever set them.
fn switches(switches: &Switches) -> [bool; 2] {
    Switch::ALL.map(|switch| switches.is_on(switch))
}

/// As Home Assistant reads it.
fn shown(offer: Offer) -> Value {
    json!({
        "installed_version": offer.installed.to_string(),
        "latest_version": offer.latest.max(offer.installed).to_string(),
        "in_progress": offer.in_progress,
    })
}

fn own_stats(status: &Status, switches: &Switches, uptime: Duration) -> Map<String, Value> {
    let mut stats = Map::new();
    stats.insert("uptime_s".to_owned(), json!(uptime.as_secs()));
    for switch in Switch::ALL {
        stats.insert(switch.name().to_owned(), json!(switches.is_on(switch)));
    }
    let of = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    stats.insert(
        "outbox".to_owned(),
        json!({
            "waiting": of(&status.waiting),
            "dropped": of(&status.dropped),
            "lost": of(&status.lost),
            "errors": of(&status.errors),
        }),
    );
    stats.insert("refused".to_owned(), json!(of(&status.refused)));
    stats
}
