//! `[update]`: where bundles come from and where they are kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::ranges;
use crate::sink::settings::is_plain_text;

/// The section `[update]`: where bundles come from, and where they are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpdateConfig {
    /// Directory of the slots and of the record that says which of them runs.
    pub state: PathBuf,
    /// Directory with the public root key `root.pub`, and the first key list `keys.json` if there is one.
    pub keys: PathBuf,
    /// Where updates come from when none is named: an address or a directory.
    pub channel: Option<String>,
    /// Name of this device among those that share a channel; else the machine's own.
    #[serde(deserialize_with = "device")]
    #[schemars(length(min = 1, max = 200))]
    pub device: Option<String>,
    /// Certificates in PEM that vouch for web servers, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// How long a new bundle must work before it stays.
    #[serde(
        rename = "confirm_after_s",
        deserialize_with = "ranges::day",
        serialize_with = "ranges::as_seconds"
    )]
    #[schemars(with = "u64", range(max = 86_400))]
    pub confirm_after: Duration,
    /// Time from one check of the channel to the next, while the program runs; 0 is never.
    #[serde(
        rename = "check_interval_s",
        alias = "look_every_s",
        deserialize_with = "ranges::month",
        serialize_with = "ranges::as_seconds"
    )]
    #[schemars(with = "u64", range(max = 2_592_000))]
    pub check_interval: Duration,
}

impl Default for UpdateConfig {
    fn default() -> Self {
        Self {
            state: PathBuf::from("/var/lib/edge-runtime"),
            keys: PathBuf::from("/usr/share/edge-runtime/keys"),
            channel: None,
            device: None,
            ca_file: None,
            confirm_after: Duration::from_mins(1),
            check_interval: Duration::from_hours(6),
        }
    }
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let good = |name: &Option<String>| {
        name.as_ref()
            .is_none_or(|name| (1..=200).contains(&name.len()) && is_plain_text(name))
    };
    ranges::held(deserializer, good, "a name of 1 to 200 bytes, of letters that are seen")
}

impl UpdateConfig {
    /// With relative paths that start from this directory.
    pub(super) fn beside(mut self, dir: &Path) -> Self {
        self.state = dir.join(&self.state);
        self.keys = dir.join(&self.keys);
        self.ca_file = self.ca_file.map(|path| dir.join(path));
        self.channel = self.channel.map(|channel| {
            let is_address = channel.contains("://");
            if is_address {
                channel
            } else {
                dir.join(channel).to_string_lossy().into_owned()
            }
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_that_shows_what_it_is() {
        let device = |name: &str| toml::from_str::<UpdateConfig>(&format!("device = \"{name}\"\n"));
        let longest = "a".repeat(200);
        for name in ["kiosk-1", "Eingang Süd", "入口", &longest] {
            assert_eq!(device(name).unwrap().device.as_deref(), Some(name));
        }
        let longer = "a".repeat(201);
        for name in [
            "",
            "a\\u0000",
            "a\\nb",
            "a\\u001b[2J",
            "a\\u202eb",
            "a\\u2066b",
            &longer,
        ] {
            let error = device(name).unwrap_err().to_string();
            assert!(error.contains("a name of 1 to 200 bytes"), "{name:?}: {error}");
        }
    }
}
