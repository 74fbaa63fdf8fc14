//! The MQTT sink at a real broker.

mod convention;
mod faults;
mod former;
mod home_assistant;
mod hostile;
mod names;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use durable::outbox::Shelf;
use edge_runtime::config::Config;
use edge_runtime::sink::SignalSink;
use edge_runtime::sink::mqtt::{Broker, Counting, MqttContext, MqttSink, Status};
use edge_runtime::sink::settings::MqttConfig;
use edge_runtime::sink::updates::Updates;
use edge_runtime::switches::Switches;
use shared_model::Text;
use shared_model::emotion::{ClassSet, Label};
use shared_model::message::{State, Verdict};
use tempfile::TempDir;

use crate::support::told::Told;
use crate::support::{until, until_none};

/// A sink with all that it needs.
pub(crate) struct Kiosk {
    sink: MqttSink,
    status: Arc<Status>,
    switches: Arc<Switches>,
    updates: Arc<Updates>,
    told: Told,
    /// States that were shown.
    shown: u64,
    /// Lives as long as the sink.
    _outbox: Option<TempDir>,
}

const BOOT: &str = "boot-1";

fn config(port: u16, outbox: &Path, more: &str) -> MqttConfig {
    let text = format!(
        "schema = 1\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {port}\ndevice = \"hall\"\n\
         support_url = \"https://example.org/kiosk\"\nstats_s = 1\noutbox = {{ dir = '{}', max_events = 1000000, max_bytes = 268435456, sync_ms = 200 }}\n{more}",
        outbox.display()
    );
    Config::parse(&text).unwrap().sink.mqtt.unwrap()
}

impl Kiosk {
    pub(crate) fn start(port: u16) -> Self {
        let outbox = tempfile::tempdir().unwrap();
        let config = config(port, outbox.path(), "");
        Self {
            _outbox: Some(outbox),
            ..Self::with(&config)
        }
    }

    fn with(config: &MqttConfig) -> Self {
        let (switches, updates, told): (Arc<Switches>, Arc<Updates>, Told) = <_>::default();
        let context = MqttContext {
            switches: Arc::clone(&switches),
            updates: Some(Arc::clone(&updates)),
            counting: Counting::Off,
            shelf: Shelf::default(),
            former_dirs: Vec::new(),
            hardware: Some("Board".to_owned()),
            stats: Box::new(serde_json::Map::new),
            fault: Box::new(|_| {}),
            alive: Box::new(|| {}),
        };
        let boot = Text::try_from(BOOT).unwrap();
        let sink = told
            .hear(|| MqttSink::start(&Broker::read(config).unwrap(), &boot, &ClassSet::product(), context))
            .unwrap();
        Self {
            status: sink.status(),
            sink,
            switches,
            updates,
            told,
            shown: 0,
            _outbox: None,
        }
    }

    /// Shows so many more states.
    pub(crate) fn show(&mut self, count: u64) {
        for _ in 0..count {
            let state = state(self.shown);
            while self.sink.show(&state).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            self.sink.flush();
            self.shown += 1;
        }
    }

    pub(crate) fn until_connected(&self) {
        until("the kiosk connects", || self.status.connected.load(Ordering::Relaxed));
    }

    fn until_lost(&self) {
        until("the kiosk loses the broker", || {
            !self.status.connected.load(Ordering::Relaxed)
        });
    }

    /// Events that the broker has confirmed: the oldest.
    fn confirmed(&self) -> u64 {
        let waiting = self.status.waiting.load(Ordering::SeqCst);
        self.status.accepted.load(Ordering::SeqCst).saturating_sub(waiting)
    }

    /// Waits until the broker has confirmed everything.
    pub(crate) fn until_delivered(&self) {
        let left = || {
            let accepted = self.status.accepted.load(Ordering::SeqCst);
            self.shown - accepted + self.status.waiting.load(Ordering::SeqCst)
        };
        until_none("the broker confirms every event", left);
    }
}

fn state(sequence: u64) -> State {
    let label = if sequence.is_multiple_of(2) { "Happy" } else { "Sad" };
    State {
        boot: Text::try_from(BOOT).unwrap(),
        sequence,
        time_ms: sequence * 100,
        emotion: Verdict::Emotion(Label::try_from(label).unwrap()),
        confidence: 0.75,
        face: true,
        reason: None,
    }
}
