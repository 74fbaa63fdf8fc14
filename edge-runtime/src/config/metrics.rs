//! `[metrics]`: where counts can be read.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::ranges;

/// The section `[metrics]`: figures for Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricsConfig {
    /// An address of this machine alone, and a port.
    #[serde(deserialize_with = "listen")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
}

fn listen<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let address = ranges::listen(deserializer)?;
    if address.ip().is_loopback() {
        return Ok(address);
    }
    let expected = "must be an address of the loopback, such as 127.0.0.1:9464";
    Err(D::Error::custom(expected))
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn only_the_loopback_is_listened_on() {
        let parse = |listen: &str| {
            let text = format!("schema = 1\nsource.uri = \"-\"\n[metrics]\nlisten = \"{listen}\"\n");
            Config::parse(&text).map_err(|place| place.to_string())
        };
        assert_eq!(parse("127.0.0.1:9464").unwrap().metrics.unwrap().listen.port(), 9464);
        assert!(parse("[::1]:9464").is_ok());
        for address in ["0.0.0.0:9464", "192.168.1.2:80"] {
            assert!(
                parse(address)
                    .unwrap_err()
                    .contains("must be an address of the loopback"),
                "{address}"
            );
        }
        for name in ["localhost:9464", "http://127.0.0.1:9464", "9464"] {
            assert!(
                parse(name).unwrap_err().contains("an address and a port alone"),
                "{name}"
            );
        }
    }
}
