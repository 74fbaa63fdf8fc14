//! The broker: whether it takes this device, by a connection made as `run` makes it.

use edge_runtime::sink::settings::MqttConfig;

use super::Finding;

#[cfg(feature = "mqtt")]
pub(super) fn broker(config: &MqttConfig) -> Finding {
    let place = format!("{}:{}", config.host, config.port);
    match edge_runtime::sink::mqtt::probe(config) {
        Ok(()) => Finding::good("broker", format!("{place} takes this device")),
        Err(fault) => Finding::bad("broker", format!("{place}: {fault}"), fault.cure()),
    }
}

#[cfg(not(feature = "mqtt"))]
pub(super) fn broker(_: &MqttConfig) -> Finding {
    Finding::bad(
        "broker",
        "this program was built without it",
        "build with `--features mqtt`",
    )
}
