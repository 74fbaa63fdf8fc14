//! `[sink.serial]`: a serial port that gets a line for each verdict.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::ranges::held;
use crate::sink::serial::SerialConfig;

/// Speeds that serial ports and boards have in common.
const SPEEDS: [u32; 9] = [1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200, 230_400];

/// `[sink.serial]`, read into the sink's own settings.
pub(super) fn serial<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SerialConfig>, D::Error> {
    let section = Option::<RawSerial>::deserialize(deserializer)?;
    Ok(section.map(|RawSerial { device, baud }| SerialConfig { device, baud }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSerial {
    /// The device, such as `/dev/ttyACM0`, or its name below `/dev/serial/by-id`, which stays the same.
    #[serde(deserialize_with = "device")]
    #[schemars(regex(pattern = r"^/.+$"))]
    device: PathBuf,
    /// Bits a second.
    #[serde(default = "default_baud", deserialize_with = "baud")]
    #[schemars(range(min = 1200, max = 230_400))]
    baud: u32,
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    held(
        deserializer,
        |path: &PathBuf| path.is_absolute(),
        "a device such as \"/dev/ttyACM0\"",
    )
}

fn baud<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let expected = format!("one of {SPEEDS:?}");
    held(deserializer, |baud| SPEEDS.contains(baud), &expected)
}

fn default_baud() -> u32 {
    9600
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    fn parse(more: &str) -> Result<Config, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[sink.serial]\n{more}\n");
        Config::parse(&text).map_err(|place| place.to_string())
    }

    #[test]
    fn a_port_has_a_device_and_a_speed() {
        let serial = parse("device = \"/dev/ttyACM0\"").unwrap().sink.serial.unwrap();
        assert_eq!(
            (serial.device.as_path(), serial.baud),
            (Path::new("/dev/ttyACM0"), 9600)
        );
        for (line, expected) in [
            ("device = \"ttyACM0\"", "must be a device such as"),
            ("device = \"/dev/ttyACM0\"\nbaud = 9601", "must be one of [1200, 2400"),
            ("baud = 9600", "missing field `device`"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }
}
