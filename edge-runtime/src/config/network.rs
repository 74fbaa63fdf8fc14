//! `[sink.osc]` and `[sink.udp]`: where datagrams go.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::sink::osc::OscConfig;
use crate::sink::udp::UdpConfig;

/// `[sink.osc]`, read into the sink's own settings.
pub(super) fn osc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<OscConfig>, D::Error> {
    let section = Option::<RawOsc>::deserialize(deserializer)?;
    Ok(section.map(|RawOsc { target }| OscConfig { target }))
}

/// `[sink.udp]`, likewise.
pub(super) fn udp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<UdpConfig>, D::Error> {
    let section = Option::<RawUdp>::deserialize(deserializer)?;
    Ok(section.map(|RawUdp { target }| UdpConfig { target }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOsc {
    /// Address and port of the receiver, such as 127.0.0.1:8338.
    #[serde(deserialize_with = "target")]
    #[schemars(with = "String", regex(pattern = r"^[0-9A-Fa-f.:\[\]]+:[0-9]+$"))]
    target: SocketAddr,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUdp {
    /// Address and port of the receiver, such as 127.0.0.1:9000.
    #[serde(deserialize_with = "target")]
    #[schemars(with = "String", regex(pattern = r"^[0-9A-Fa-f.:\[\]]+:[0-9]+$"))]
    target: SocketAddr,
}

/// An address, and no name: to look one up may take as long as the watchdog waits.
fn target<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.contains("://") {
        let expected = "must be an address and a port alone, such as 127.0.0.1:8338, without a scheme";
        return Err(D::Error::custom(expected));
    }
    let usable = |address: &SocketAddr| address.port() != 0 && !address.ip().is_unspecified();
    text.parse().ok().filter(usable).ok_or_else(|| {
        D::Error::custom("must be an address and a port, such as 192.168.1.20:8338; names are not looked up")
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parse(target: &str) -> Result<Config, String> {
        let text = format!("schema = 1\nsource.uri = \"-\"\n[sink.osc]\ntarget = \"{target}\"\n");
        Config::parse(&text).map_err(|place| place.to_string())
    }

    #[test]
    fn a_target_is_an_address_and_a_port() {
        let osc = parse("192.168.1.20:8338").unwrap().sink.osc.unwrap();
        assert_eq!(osc.target.port(), 8338);
        assert!(parse("[::1]:8338").is_ok() && parse("192.168.1.255:8338").is_ok());
        for (target, expected) in [
            ("osc.udp://127.0.0.1:8338", "without a scheme"),
            ("localhost:8338", "names are not looked up"),
            ("127.0.0.1", "an address and a port"),
            ("127.0.0.1:0", "an address and a port"),
            ("0.0.0.0:8338", "an address and a port"),
            ("", "an address and a port"),
        ] {
            let error = parse(target).unwrap_err();
            assert!(
                error.starts_with("4:10: `target`") && error.contains(expected),
                "{error}"
            );
        }
    }
}
