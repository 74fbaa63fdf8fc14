//! `[sink.mqtt]`: the broker, the device, and the outbox of its events.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::ranges::held;
use crate::sink::settings::{
    Discovery, Identity, MAX_ID, MqttConfig, OutboxConfig, TlsConfig, is_device_id, is_plain_text,
};
use crate::sink::webhook::is_web_address;

/// Where events wait by default.
const OUTBOX: &str = "/var/lib/edge-runtime/outbox";

/// `[sink.mqtt]`, read into the sink's own settings.
pub(super) fn mqtt<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<MqttConfig>, D::Error> {
    let section = Option::<Mqtt>::deserialize(deserializer)?;
    Ok(section.map(|Mqtt(config)| config))
}

#[derive(Deserialize)]
#[serde(from = "RawMqtt")]
struct Mqtt(MqttConfig);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMqtt {
    /// Name or address of the broker.
    #[serde(deserialize_with = "host")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:\[\]-]{1,253}$"))]
    host: String,
    /// Its port; 1883, or 8883 with `tls`.
    #[serde(default, deserialize_with = "port")]
    #[schemars(range(min = 1))]
    port: Option<u16>,
    /// Identifies the device, in topics and at the broker.
    #[serde(deserialize_with = "device")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]{1,64}$"))]
    device: String,
    /// What people call the device.
    #[serde(default, deserialize_with = "name")]
    #[schemars(length(min = 1, max = 200))]
    name: Option<String>,
    /// File with the user name on the first line and the password on the second.
    credentials_file: Option<PathBuf>,
    #[schemars(with = "Option<RawTls>")]
    tls: Option<Tls>,
    /// Whether Home Assistant learns of the device; `false` removes it there.
    #[serde(default = "yes")]
    discovery: bool,
    /// First level of Home Assistant's own topics.
    #[serde(default = "default_prefix", deserialize_with = "prefix")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"), length(max = 64))]
    discovery_prefix: String,
    /// Where people find help with this kiosk, for Home Assistant; the program's own homepage without, where it has one.
    #[serde(default, deserialize_with = "support_url")]
    #[schemars(regex(pattern = r"^https?://[!-~]+$"))]
    support_url: Option<String>,
    /// Seconds between two messages of counts.
    #[serde(default = "default_stats", deserialize_with = "stats")]
    #[schemars(range(min = 1, max = 86_400))]
    stats_s: u64,
    #[serde(default)]
    outbox: RawOutbox,
}

/// The section `[sink.mqtt.tls]`: encryption on the way to the broker.
#[derive(Deserialize)]
#[serde(try_from = "RawTls")]
struct Tls(TlsConfig);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawTls {
    /// Certificates that are trusted, in PEM; those of the system without.
    #[serde(rename = "ca_file")]
    ca: Option<PathBuf>,
    /// What proves to the broker who this is, in PEM.
    #[serde(rename = "cert_file")]
    cert: Option<PathBuf>,
    /// Path of the private key that belongs to it, in PEM.
    #[serde(rename = "key_file")]
    key: Option<PathBuf>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct RawOutbox {
    /// Directory that holds the outbox's segments.
    dir: PathBuf,
    /// Most events that may wait; the oldest make room.
    #[serde(deserialize_with = "events")]
    #[schemars(range(min = 16, max = 1_000_000))]
    max_events: usize,
    /// Most bytes that waiting events may take; the oldest make room.
    #[serde(deserialize_with = "bytes")]
    #[schemars(range(min = 65_536, max = 268_435_456))]
    max_bytes: usize,
    /// Longest time before an event outlasts a power cut.
    #[serde(deserialize_with = "sync")]
    #[schemars(range(max = 60_000))]
    sync_ms: u64,
}

impl Default for RawOutbox {
    fn default() -> Self {
        Self {
            dir: PathBuf::from(OUTBOX),
            max_events: 10_000,
            max_bytes: 4 * 1024 * 1024,
            sync_ms: 1000,
        }
    }
}

impl MqttConfig {
    /// Lets relative paths start from `dir`.
    pub(super) fn beside(&mut self, dir: &Path) {
        let tls = self.tls.iter_mut();
        let tls = tls.flat_map(|TlsConfig { ca_file, identity }| {
            let identity = identity.iter_mut();
            let identity = identity.flat_map(|it| [&mut it.cert_file, &mut it.key_file]);
            ca_file.iter_mut().chain(identity)
        });
        for path in self
            .credentials_file
            .iter_mut()
            .chain([&mut self.outbox.dir])
            .chain(tls)
        {
            *path = dir.join(&*path);
        }
    }
}

impl From<RawMqtt> for Mqtt {
    fn from(raw: RawMqtt) -> Self {
        let port = if raw.tls.is_some() { 8883 } else { 1883 };
        Self(MqttConfig {
            host: raw.host,
            port: raw.port.unwrap_or(port),
            name: raw.name.unwrap_or_else(|| raw.device.clone()),
            device: raw.device,
            credentials_file: raw.credentials_file,
            tls: raw.tls.map(|Tls(config)| config),
            discovery: if raw.discovery {
                Discovery::Announce
            } else {
                Discovery::Remove
            },
            discovery_prefix: raw.discovery_prefix,
            support_url: raw.support_url,
            stats_every: Duration::from_secs(raw.stats_s),
            outbox: raw.outbox.into(),
        })
    }
}

impl TryFrom<RawTls> for Tls {
    type Error = &'static str;

    fn try_from(raw: RawTls) -> Result<Self, Self::Error> {
        let identity = match (raw.cert, raw.key) {
            (Some(cert_file), Some(key_file)) => Some(Identity { cert_file, key_file }),
            (None, None) => None,
            _ => return Err("`cert_file` and `key_file` need each other"),
        };
        Ok(Self(TlsConfig {
            ca_file: raw.ca,
            identity,
        }))
    }
}

impl From<RawOutbox> for OutboxConfig {
    fn from(raw: RawOutbox) -> Self {
        Self {
            dir: raw.dir,
            max_events: raw.max_events,
            max_bytes: raw.max_bytes,
            sync_every: Duration::from_millis(raw.sync_ms),
        }
    }
}

fn host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let host = String::deserialize(deserializer)?;
    if host.contains("://") || host.contains('@') {
        return Err(D::Error::custom(
            "must be the host alone: no scheme, no user and no password; `tls` encrypts, `credentials_file` logs in",
        ));
    }
    if let Some((name, port)) = host.rsplit_once(':')
        && (!name.contains(':') || name.starts_with('['))
        && !port.ends_with(']')
    {
        return Err(D::Error::custom(format!(
            "must be the host alone: write host = \"{}\" and port = {port}",
            name.trim_matches(['[', ']'])
        )));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    // Brackets around an address of IPv6 are a habit of addresses with a port.
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(&host);
    if (1..=253).contains(&bare.len()) && bare.chars().all(allowed) {
        Ok(bare.to_owned())
    } else {
        Err(D::Error::custom(
            "must be a host name or an address, without scheme and port",
        ))
    }
}

fn port<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    held(deserializer, |port| *port != Some(0), "a port from 1 to 65535")
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    held(
        deserializer,
        |id: &String| is_device_id(id),
        "1 to 64 ASCII letters, digits, '-' or '_'",
    )
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let good = |name: &Option<String>| {
        name.as_ref()
            .is_none_or(|name| (1..=200).contains(&name.len()) && is_plain_text(name))
    };
    held(
        deserializer,
        good,
        "a name of 1 to 200 bytes, of letters that are seen: no control characters, line ends or marks that turn text round",
    )
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let plain = |prefix: &String| {
        let levels = prefix.split('/');
        levels.into_iter().all(is_device_id) && prefix.len() <= MAX_ID
    };
    held(
        deserializer,
        plain,
        "a topic of ASCII letters, digits, '-' or '_', without wildcards",
    )
}

fn support_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let good = |url: &Option<String>| url.as_deref().is_none_or(is_web_address);
    held(
        deserializer,
        good,
        "an address such as \"https://example.org/kiosk\", without user and password",
    )
}

fn stats<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    held(
        deserializer,
        |s| (1..=86_400).contains(s),
        "a number of seconds from 1 to 86400",
    )
}

fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    held(
        deserializer,
        |n| (16..=1_000_000).contains(n),
        "a number of events from 16 to 1000000",
    )
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let good = |n: &usize| (64 * 1024..=256 * 1024 * 1024).contains(n);
    held(deserializer, good, "a number of bytes from 65536 to 268435456")
}

fn sync<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    held(deserializer, |ms| *ms <= 60_000, "a number of milliseconds up to 60000")
}

fn default_prefix() -> String {
    "homeassistant".to_owned()
}

fn default_stats() -> u64 {
    60
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
