//! What the broker's sink is set up with; a configuration is read into it.

use std::path::PathBuf;
use std::time::Duration;

use diagnostics::is_hidden;
use durable::outbox::Limits;

/// Longest identifier of a device.
pub const MAX_ID: usize = 64;

/// Name of the file in the directory of an outbox that says which names the device had at the broker.
pub const NAMES: &str = "names";

/// Whether a text can identify a device: 1 to 64 of `[a-zA-Z0-9_-]`, as Home Assistant wants it.
pub fn is_device_id(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=MAX_ID).contains(&text.len()) && text.chars().all(plain)
}

/// Whether a name shows what it is: no control character, no end of line, and none of the marks that turn the direction of
/// text round or are not seen at all.
pub fn is_plain_text(text: &str) -> bool {
    !text.chars().any(is_hidden) && !text.trim().is_empty()
}

/// The broker, the device, and the outbox of its events.
#[derive(Debug, Clone, PartialEq)]
pub struct MqttConfig {
    /// Name or address of the broker.
    pub host: String,
    /// TCP port of the broker.
    pub port: u16,
    /// Identifies the device, in topics and at the broker.
    pub device: String,
    /// What people call the device.
    pub name: String,
    /// User name and password, one a line.
    pub credentials_file: Option<PathBuf>,
    /// How the connection is encrypted; plain text where it is `None`.
    pub tls: Option<TlsConfig>,
    /// Whether Home Assistant learns of the device.
    pub discovery: Discovery,
    /// First level of Home Assistant's own topics.
    pub discovery_prefix: String,
    /// Where people find help, for Home Assistant.
    pub support_url: Option<String>,
    /// Time between two messages of counts.
    pub stats_every: Duration,
    /// What waits for the broker.
    pub outbox: OutboxConfig,
}

/// What Home Assistant is told of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discovery {
    /// What it is, so that it shows up by itself.
    Announce,
    /// That it is gone, should it have been announced before.
    Remove,
}

/// How connections to the broker are encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// Certificates that are trusted, in PEM; those of the system without.
    pub ca_file: Option<PathBuf>,
    /// What proves to the broker who this is.
    pub identity: Option<Identity>,
}

/// A client's certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, and those between it and one that the broker trusts.
    pub cert_file: PathBuf,
    /// Path of the private key that belongs to it, in PEM.
    pub key_file: PathBuf,
}

/// Where events wait for the broker, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxConfig {
    /// Directory that holds the outbox's segments.
    pub dir: PathBuf,
    /// Most events that may wait; the oldest make room.
    pub max_events: usize,
    /// Most bytes that waiting events may take; the oldest make room.
    pub max_bytes: usize,
    /// Longest time before an event outlasts a power cut.
    pub sync_every: Duration,
}

impl OutboxConfig {
    /// How much waits at most.
    pub fn limits(&self) -> Limits {
        Limits {
            events: self.max_events,
            bytes: self.max_bytes,
        }
    }
}
