//! `[sink.webhook]`: where verdicts are posted, and what waits for the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::ranges::held;
use crate::sink::settings::OutboxConfig;
use crate::sink::webhook::{WebhookConfig, is_web_address};

/// Where events wait by default.
const OUTBOX: &str = "/var/lib/edge-runtime/webhook";

/// Bytes that an event takes at most, for the size of the outbox.
const EVENT: usize = 512;

/// Longest time before an event outlasts a power cut.
const SYNC: Duration = Duration::from_secs(1);

/// `[sink.webhook]`, read into the sink's own settings.
pub(super) fn webhook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<WebhookConfig>, D::Error> {
    let section = Option::<RawWebhook>::deserialize(deserializer)?;
    Ok(section.map(WebhookConfig::from))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    /// Where verdicts are posted: `https://` and the address, or `http://` within a network that is trusted.
    #[serde(deserialize_with = "url")]
    #[schemars(regex(pattern = r"^https?://[!-~]+$"))]
    url: String,
    /// File with the secret that signs them, in one line: `whsec_` and base64, or 24 bytes or more.
    secret_file: PathBuf,
    /// Authorities that are trusted besides the system's, in PEM.
    ca_file: Option<PathBuf>,
    /// Directory of the events that wait.
    #[serde(default = "default_dir")]
    dir: PathBuf,
    /// Most events that wait; a full outbox drops the oldest.
    #[serde(default = "default_events", deserialize_with = "events")]
    #[schemars(range(min = 16, max = 100_000))]
    max_events: usize,
}

impl From<RawWebhook> for WebhookConfig {
    fn from(raw: RawWebhook) -> Self {
        Self {
            url: raw.url,
            secret_file: raw.secret_file,
            ca_file: raw.ca_file,
            outbox: OutboxConfig {
                dir: raw.dir,
                max_events: raw.max_events,
                max_bytes: EVENT * raw.max_events,
                sync_every: SYNC,
            },
        }
    }
}

/// With relative paths that start from this directory.
pub(super) fn beside(webhook: &mut WebhookConfig, dir: &Path) {
    let paths = [&mut webhook.secret_file, &mut webhook.outbox.dir];
    for path in paths.into_iter().chain(webhook.ca_file.as_mut()) {
        *path = dir.join(&*path);
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let expected = "an address such as \"https://example.org/kiosk\", without user and password";
    held(deserializer, |url: &String| is_web_address(url), expected)
}

fn events<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let expected = "a number of events from 16 to 100000";
    held(deserializer, |n| (16..=100_000).contains(n), expected)
}

fn default_dir() -> PathBuf {
    PathBuf::from(OUTBOX)
}

fn default_events() -> usize {
    10_000
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(more: &str) -> Result<Config, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[sink.webhook]\nsecret_file = \"secret\"\n{more}\n");
        Config::parse(&text).map_err(|place| place.to_string())
    }

    #[test]
    fn an_address_and_a_secret_are_enough() {
        let webhook = parse("url = \"https://example.org/kiosk\"")
            .unwrap()
            .sink
            .webhook
            .unwrap();
        assert_eq!(webhook.outbox.dir, Path::new("/var/lib/edge-runtime/webhook"));
        assert_eq!(webhook.secret_file, Path::new("secret"));
    }

    #[test]
    fn what_cannot_be_posted_to_is_named_and_its_password_is_not() {
        for (line, expected) in [
            ("url = \"example.org\"", "5:7: `url`: must be an address"),
            (
                "url = \"https://user:hunter2@example.org/\"",
                "without user and password",
            ),
            ("url = \"https://a/\"\nmax_events = 1", "from 16 to 100000"),
            ("", "missing field `url`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(
                error.contains(expected) && !error.contains("hunter2"),
                "{error} instead of {expected}"
            );
        }
    }
}
