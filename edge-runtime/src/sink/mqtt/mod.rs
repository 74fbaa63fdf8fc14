//! Messages to an MQTT broker: availability, state, events, counts, and Home Assistant's discovery.
//!
//! The sink hands states to a thread of its own and never waits. Each state is also an event, which stays
//! in the [outbox](durable::outbox) until the broker has confirmed it. From outside come the
//! [switches](crate::switches), and nothing else.

mod clean;
mod discovery;
mod fault;
mod identity;
mod link;
mod probe;
mod reports;
mod session;
mod tls;
mod topics;
mod worker;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustls::ClientConfig;
use serde_json::{Map, Value};
use shared_model::Text;
use shared_model::emotion::ClassSet;
use shared_model::message::{State, Verdict};
use tokio::sync::mpsc::{OwnedPermit, Sender, channel, error::TrySendError};

use super::settings::{Discovery, MqttConfig};
use super::updates::Updates;
use super::{LAST_WAIT, SignalSink, SinkError};
use crate::switches::Switches;
use durable::outbox::{OutboxError, Shelf};

use discovery::{Extras, Updating};
use identity::Identity;
use link::Link;
use reports::Reports;
use session::{Announcement, Session};
use topics::Topics;
use worker::{Pacing, Worker, serve};

pub use clean::{CleanError, clean};
pub use fault::Fault;
pub use probe::probe;
pub use tls::TlsError;

/// States that may wait for the thread; it takes them within moments.
const INBOX: usize = 4096;

/// Why the sink cannot be started. That the broker cannot be reached is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The outbox cannot be opened, so events cannot be kept.
    #[error(transparent)]
    Outbox(#[from] OutboxError),
    /// Secure connections cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The file of user name and password cannot be read.
    #[error("read credentials {path}: {source}")]
    Credentials {
        /// Path of the file, as configured.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The file of user name and password has another form.
    #[error("read credentials {path}: it must hold the user name on the first line and the password on the second")]
    Form {
        /// Path of the file, as configured.
        path: PathBuf,
    },
    /// The thread cannot be started.
    #[error("start mqtt: {0}")]
    Start(io::Error),
}

/// Whether the program counts visitors of the kiosk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// They are: the stats have an entry `counts`.
    On,
    /// They are not; the stats have no such entry.
    Off,
}

/// What the rest of the program hands to the sink.
pub struct MqttContext {
    /// Set by messages from outside.
    pub switches: Arc<Switches>,
    /// The updates on offer, where the device checks for some by itself.
    pub updates: Option<Arc<Updates>>,
    /// Whether the program counts visitors of the kiosk.
    pub counting: Counting,
    /// Where the outbox lies before and after.
    pub shelf: Shelf,
    /// Directories of the outbox in earlier configurations, which may know former names.
    pub former_dirs: Vec<PathBuf>,
    /// What kind of machine this is, where it says so.
    pub hardware: Option<String>,
    /// Counts to publish beside the sink's own.
    pub stats: Box<dyn Fn() -> Map<String, Value> + Send>,
    /// Takes what keeps the device and its broker apart, when it changes.
    pub fault: Box<dyn Fn(&Fault) + Send>,
    /// Is called ten times a second while the thread is alive.
    pub alive: Box<dyn Fn() + Send>,
}

/// Counts of the sink, for everyone to read.
#[derive(Debug, Default)]
pub struct Status {
    /// Whether the broker is there.
    pub connected: AtomicBool,
    /// Events taken into the outbox since the start; the other counts are at least as new as this one.
    pub accepted: AtomicU64,
    /// Events that were not confirmed yet.
    pub waiting: AtomicU64,
    /// Events that made room for newer ones, over all starts.
    pub dropped: AtomicU64,
    /// Events that were found damaged on the disk.
    pub lost: AtomicU64,
    /// Failed writes to the disk.
    pub errors: AtomicU64,
    /// Messages from outside that mean nothing.
    pub refused: AtomicU64,
}

/// What the sink asks of its thread.
enum Command {
    /// A new state.
    Show(State),
    /// The sink is closed: say goodbye and end.
    Stop,
}

/// Where to connect, and as whom: what the files of a configuration say, which are not needed again.
#[derive(Clone)]
pub struct Broker {
    config: MqttConfig,
    credentials: Option<(String, String)>,
    tls: Option<ClientConfig>,
    will_topic: String,
}

impl Broker {
    /// Reads the files that a configuration names; nothing is connected or made.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read, or has another form.
    pub fn read(config: &MqttConfig) -> Result<Self, MqttError> {
        Ok(Self {
            credentials: config.credentials_file.as_deref().map(credentials).transpose()?,
            tls: config.tls.as_ref().map(tls::client_config).transpose()?,
            will_topic: Topics::new(&config.device, &config.discovery_prefix).availability(),
            config: config.clone(),
        })
    }
}

/// Whether credentials and certificates of a configuration can be used; nothing is connected or made.
///
/// # Errors
///
/// The first file that cannot be read, or has another form.
pub fn check(config: &MqttConfig) -> Result<(), MqttError> {
    Broker::read(config).map(drop)
}

/// Publishes states, events and counts to a broker.
pub struct MqttSink {
    inbox: Sender<Command>,
    /// States that the thread was not woken for, each with its place in the inbox.
    waiting: Vec<(OwnedPermit<Command>, State)>,
    /// Hears when the thread has ended.
    ended: mpsc::Receiver<()>,
    status: Arc<Status>,
    closed: bool,
}

impl MqttSink {
    /// Takes the outbox and starts the thread, which connects on its own time.
    ///
    /// `boot` identifies this start of the program; `classes` are what the emotion can be.
    ///
    /// # Errors
    ///
    /// When the outbox cannot be had, or the thread cannot be started.
    pub fn start(
        broker: &Broker,
        boot: &Text<32>,
        classes: &ClassSet,
        context: MqttContext,
    ) -> Result<Self, MqttError> {
        let config = &broker.config;
        let topics = Topics::new(&config.device, &config.discovery_prefix);
        // 0 to 1, different on each start.
        let chance = RandomState::new().hash_one(&config.device) as f64 / u64::MAX as f64;
        let (link, requests) = Link::new(broker, 0.75 + chance / 2.0);
        let status = Arc::new(Status::default());
        let updating = if context.updates.is_some() {
            Updating::Looks
        } else {
            Updating::Never
        };
        let extras = Extras {
            updating,
            counting: context.counting,
            hardware: context.hardware.clone(),
            support_url: config.support_url.clone().or_else(discovery::homepage),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MqttError::Start)?;
        let before: Vec<_> = context.former_dirs.iter().cloned().chain(context.shelf.dir()).collect();
        let outbox = context.shelf.take(&config.outbox.dir, config.outbox.limits())?;
        let identity = Identity::note(&config.outbox.dir, &before, &config.device, &config.discovery_prefix);
        let former = identity.former();
        let worker = Worker {
            outbox,
            session: Session::new(Announcement {
                former,
                ..announcement(config, topics, boot, classes, &extras, chance)
            }),
            reports: Reports::new(client_name(&config.device)),
            identity,
            context,
            status: Arc::clone(&status),
            stats_every: config.stats_every,
            sync_every: config.outbox.sync_every,
            pacing: Pacing::start(),
        };
        let (inbox, commands) = channel(INBOX);
        let (end, ended) = mpsc::channel();
        let work = move || {
            runtime.block_on(serve(worker, link, requests, commands));
            // Nobody may listen any more.
            let _ = end.send(());
        };
        diagnostics::spawn("mqtt", work).map_err(MqttError::Start)?;
        Ok(Self {
            inbox,
            waiting: Vec::new(),
            ended,
            status,
            closed: false,
        })
    }

    /// How the sink is doing.
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }
}

impl Drop for MqttSink {
    /// Says goodbye also where something else went wrong: a program that panics is no program that vanished.
    fn drop(&mut self) {
        if !self.closed {
            // Nobody is left to be told.
            let _ = self.close();
        }
    }
}

impl SignalSink for MqttSink {
    fn name(&self) -> &'static str {
        "mqtt"
    }

    fn show(&mut self, state: &State) -> Result<(), SinkError> {
        let place = self.inbox.clone().try_reserve_owned();
        let place = place.map_err(|error| match error {
            TrySendError::Full(_) => SinkError::Mqtt("the thread takes no more states"),
            TrySendError::Closed(_) => SinkError::Mqtt("the thread has ended"),
        })?;
        self.waiting.push((place, state.clone()));
        Ok(())
    }

    fn flush(&mut self) {
        for (place, state) in self.waiting.drain(..) {
            place.send(Command::Show(state));
        }
    }

    fn close(&mut self) -> Result<(), SinkError> {
        self.closed = true;
        self.flush();
        let asked = self.inbox.try_send(Command::Stop).is_ok();
        if asked && self.ended.recv_timeout(LAST_WAIT).is_ok() {
            return Ok(());
        }
        self.status.connected.store(false, Ordering::Relaxed);
        Err(SinkError::Mqtt("the thread did not end in time"))
    }
}

/// The name of a device at its broker.
fn client_name(device: &str) -> String {
    format!("edge-runtime-{device}")
}

fn announcement(
    config: &MqttConfig,
    topics: Topics,
    boot: &Text<32>,
    classes: &ClassSet,
    extras: &Extras,
    chance: f64,
) -> Announcement {
    let unknown = State {
        boot: boot.clone(),
        sequence: 0,
        time_ms: 0,
        emotion: Verdict::Unknown,
        confidence: 0.0,
        face: false,
        reason: None,
    };
    Announcement {
        discovery: match config.discovery {
            Discovery::Announce => discovery::payload(&topics, &config.name, classes, extras),
            Discovery::Remove => Vec::new(),
        },
        topics,
        former: Vec::new(),
        updating: extras.updating,
        // Not all devices at once.
        delay: Duration::from_millis(1000 + (chance * 4000.0) as u64),
        // A state of fixed fields always has a text.
        unknown: serde_json::to_vec(&unknown).unwrap_or_default(),
    }
}

fn credentials(path: &Path) -> Result<(String, String), MqttError> {
    let text = durable::read_text(path).map_err(|source| MqttError::Credentials {
        path: path.to_path_buf(),
        source,
    })?;
    // Editors of Windows put the mark in front of everything they save.
    let mut lines = text.strip_prefix('\u{feff}').unwrap_or(&text).lines();
    match (lines.next(), lines.next(), lines.next()) {
        (Some(user), Some(password), None) if !user.is_empty() => Ok((user.to_owned(), password.to_owned())),
        _ => Err(MqttError::Form {
            path: path.to_path_buf(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn credentials_are_two_lines_whoever_saved_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("login");
        for text in ["user\npass word\n", "\u{feff}user\r\npass word\r\n", "user\npass word"] {
            fs::write(&path, text).unwrap();
            assert_eq!(credentials(&path).unwrap(), ("user".to_owned(), "pass word".to_owned()));
        }
        for text in ["", "user\n", "\u{feff}\npass\n", "user\npass\nmore\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(credentials(&path), Err(MqttError::Form { .. })), "{text:?}");
        }
        let error = credentials(dir.path()).unwrap_err();
        assert!(error.to_string().contains("no regular file"), "{error}");
    }
}
