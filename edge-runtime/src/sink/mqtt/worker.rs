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
use super::link::{LINK, Link, LinkEvent, Message, Requests};
use super::reports::Reports;
use super::session::{FormerNews, PATIENCE, Session};
use super::{Command, LAST_WAIT, MqttContext, Status};
use crate::switches::{Switch, Switches};
use durable::outbox::Outbox;
use update::Offer;

/// Time between two ticks of the thread.
const TICK: Duration = Duration::from_millis(100);

/// Shortest time between two messages of counts.
const STATS: Duration = Duration::from_secs(1);

/// Longest time that the end takes: the sink still waits when the thread says that it has ended.
const END: Duration = LAST_WAIT.saturating_sub(Duration::from_millis(500));

/// Longest wait for the farewell to go out.
const FAREWELL: Duration = Duration::from_millis(200);

/// A broker misses a device after one and a half times the time in which it must show a sign of life.
const _: () = assert!(2 * PATIENCE.as_secs() > 3 * LINK.keep_alive_s as u64);

/// What the thread works with.
pub(super) struct Worker {
    pub(super) session: Session,
    pub(super) outbox: Outbox,
    pub(super) context: MqttContext,
    pub(super) reports: Reports,
    pub(super) identity: Identity,
    pub(super) status: Arc<Status>,
    pub(super) stats_every: Duration,
    pub(super) sync_every: Duration,
    pub(super) pacing: Pacing,
}

/// When what was done last, and how much.
pub(super) struct Pacing {
    start: Instant,
    stats: Option<Duration>,
    /// What updates the last counts told of.
    offer: Offer,
    /// How the switches stood in them; a line and the pages set them as well.
    switches: [bool; 2],
    synced: Duration,
    /// Events that were taken into the outbox so far.
    accepted: u64,
    /// When the end began, since the start of the thread.
    ending: Option<Duration>,
    /// Whether the counts are wanted soon.
    stats_due: bool,
}

impl Pacing {
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
        let event = {
            // Kept while other things happen: dropped, it would give up a connection that is being made.
            let mut event = pin!(link.next_event());
            loop {
                tokio::select! {
                    event = &mut event => break Some(event),
                    command = inbox.recv(), if worker.pacing.ending.is_none() => worker.execute(command),
                    _ = ticks.tick() => worker.tick(),
                }
                worker.send_requests(&requests);
                if worker.is_over() || worker.session.is_stalled(worker.now()) {
                    break None;
                }
            }
        };
        let stalled = || LinkEvent::Lost(Fault::NoAnswer);
        if event.is_none() {
            link.reset();
        }
        worker.handle(event.unwrap_or_else(stalled));
        worker.send_requests(&requests);
    }
    worker.outbox.sync();
    worker.publish_status();
    requests.disconnect();
    let gone = async { while !matches!(link.next_event().await, LinkEvent::Lost(_)) {} };
    // Late or not, the program ends.
    let _ = timeout(FAREWELL, gone).await;
    worker.context.shelf.put(worker.outbox);
}

impl Worker {
    fn now(&self) -> Duration {
        self.pacing.start.elapsed()
    }

    fn is_over(&self) -> bool {
        let late = self.pacing.ending.is_some_and(|at| self.now() >= at + END);
        late || self.session.is_over()
    }

    /// Takes a command; `None` is the end as well.
    fn execute(&mut self, command: Option<Command>) {
        match command {
            Some(Command::Show(state)) => {
                // A state of fixed fields always has a text.
                let Ok(state) = serde_json::to_vec(&state) else { return };
                self.pacing.accepted += u64::from(self.outbox.push(state.clone()).is_some());
                self.session.show(state);
            }
            Some(Command::Stop) | None => {
                self.pacing.ending = Some(self.now());
                self.session.stop(self.now());
            }
        }
    }

    fn handle(&mut self, event: LinkEvent) {
        let now = self.now();
        match event {
            LinkEvent::Connected => {
                self.session.connected(now);
                // The switches can be read at once.
                self.pacing.stats_due = true;
                if let Some(message) = self.reports.connected(now) {
                    tracing::info!("{message}");
                }
            }
            LinkEvent::Sent(packet) => self.session.sent(packet),
            LinkEvent::Confirmed(packet) => {
                if let Some(event) = self.session.confirmed(packet, now) {
                    self.outbox.delivered(event);
                }
            }
            LinkEvent::Subscribed(granted) => {
                if self.session.subscribed(&granted, now) {
                    tracing::warn!(
                        "mqtt: the broker refuses to pass on what is sent to this device: pause, mute and updates cannot be \
                         asked for; let its user read emotion/<device>/set/# (and homeassistant/status)",
                    );
                }
            }
            LinkEvent::Message(message) => self.read(&message),
            LinkEvent::Lost(fault) => self.lost(fault),
            LinkEvent::Other => {}
        }
        self.status
            .connected
            .store(self.session.is_connected(), Ordering::Relaxed);
    }

    fn lost(&mut self, fault: Fault) {
        self.session.disconnected();
        let now = self.now();
        if self.pacing.ending.is_some() {
            return;
        }
        (self.context.fault)(&fault);
        if let Some(message) = self.reports.lost(fault, now) {
            // Each line is wanted: there is no more than one a minute.
            tracing::warn!(about = now.as_secs(), "{message}");
        }
    }

    /// A message from outside: a switch, or Home Assistant's birth. Anything else is counted, no more.
    fn read(&mut self, message: &Message) {
        if self.session.is_birth(&message.topic) {
            self.session.birth(&message.payload, self.now());
            return;
        }
        if self.session.is_of_former(&message.topic, &message.payload) {
            return;
        }
        // Nobody asks now for what was retained from earlier.
        if !message.retained && self.follow(message) {
            self.pacing.stats_due = true;
            if let Some(warning) = self.context.switches.take_warning() {
                tracing::warn!(about = %warning, "{warning}");
            }
        } else {
            self.status.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn follow(&self, message: &Message) -> bool {
        let context = &self.context;
        if self.session.is_install(&message.topic) {
            let updates = context.updates.as_ref();
            return updates.is_some_and(|it| it.request(&message.payload));
        }
        let switch = self.session.switch(&message.topic);
        switch.is_some_and(|it| context.switches.apply(it, &message.payload))
    }

    fn tick(&mut self) {
        let now = self.now();
        let offer = self.context.updates.as_ref().map(|it| it.offer()).unwrap_or_default();
        if self.session.tick(now) || offer != self.pacing.offer || self.switched() {
            self.pacing.stats_due = true;
        }
        if let Some(message) = self.reports.lasts(now) {
            tracing::info!("{message}");
        }
        self.keep_identity();
        if now >= self.pacing.synced + self.sync_every {
            self.pacing.synced = now;
            self.outbox.sync();
            self.identity.keep();
        }
        // However often a switch is turned, whoever reads along gets its last position within a second.
        let wait = if self.pacing.stats_due { STATS } else { self.stats_every };
        if self
            .pacing
            .stats
            .is_none_or(|last| now >= last + wait.min(self.stats_every))
        {
            self.publish_stats();
        }
        self.publish_status();
        (self.context.alive)();
    }

    /// Whether the pause is another than was told last.
    fn switched(&self) -> bool {
        switches(&self.context.switches) != self.pacing.switches
    }

    /// Once nothing is left under former names, they are forgotten here too.
    fn keep_identity(&mut self) {
        match self.session.take_former_news() {
            None => {}
            Some(FormerNews::Gone { removed, others }) => {
                self.identity.cleaned();
                if removed {
                    tracing::info!("mqtt: what the broker kept of this device's former name is removed");
                }
                for name in others {
                    tracing::info!("mqtt: another device is online as {name}: what the broker keeps of it stays");
                }
            }
            Some(FormerNews::Hidden(names)) => tracing::warn!(
                "mqtt: the broker does not let this device see whether another is online as {}, so what it keeps of it stays; \
                 `edge-runtime mqtt-clean --device NAME` removes it",
                names.join(", ")
            ),
            Some(FormerNews::GivenUp) => tracing::warn!(
                "mqtt: connections ended while what the broker keeps of this device's former name was to be removed, so it \
                 stays until the next start; `edge-runtime mqtt-clean --device NAME` removes it",
            ),
        }
    }

    fn publish_stats(&mut self) {
        if !self.session.is_connected() {
            return;
        }
        (self.pacing.stats, self.pacing.stats_due) = (Some(self.now()), false);
        self.publish_status();
        self.pacing.switches = switches(&self.context.switches);
        let mut stats = (self.context.stats)();
        if let Some(updates) = &self.context.updates {
            self.pacing.offer = updates.offer();
            stats.insert("update".to_owned(), shown(self.pacing.offer));
        }
        stats.extend(own_stats(&self.status, &self.context.switches, self.now()));
        self.session
            .publish_stats(Value::Object(stats).to_string().into_bytes());
    }

    fn publish_status(&self) {
        let counts = self.outbox.counts();
        let status = &self.status;
        status.waiting.store(counts.waiting, Ordering::SeqCst);
        status.dropped.store(counts.dropped, Ordering::Relaxed);
        status.lost.store(counts.lost, Ordering::Relaxed);
        status.errors.store(counts.errors, Ordering::Relaxed);
        status.accepted.store(self.pacing.accepted, Ordering::SeqCst);
    }

    /// Asks for everything that may be said now.
    fn send_requests(&mut self, requests: &Requests) {
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

#[cfg(test)]
mod fuzz;
