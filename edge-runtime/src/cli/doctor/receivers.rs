//! Who is told over a network: whether somebody listens there. UDP tells it only of machines nearby.

use std::io;
use std::net::SocketAddr;

use edge_runtime::config::SinkConfig;
use edge_runtime::sink::webhook::WebhookConfig;
use edge_runtime::sink::{datagram, osc};

use super::Finding;

/// What a program that reads the datagrams may ignore.
const HELLO: &[u8] = br#"{"event":"hello"}"#;

pub(super) fn receivers(config: &SinkConfig) -> Vec<Finding> {
    let osc = config.osc.map(|osc| listener("osc receiver", osc.target, osc::hello()));
    let udp = config
        .udp
        .map(|udp| listener("udp receiver", udp.target, Ok(HELLO.to_vec())));
    let webhook = config.webhook.as_ref().map(server);
    [osc, udp, webhook].into_iter().flatten().collect()
}

/// Asks the server for nothing, as the poster would reach it.
#[cfg(feature = "webhook")]
fn server(config: &WebhookConfig) -> Finding {
    match edge_runtime::sink::webhook::probe(config) {
        Ok(status) => Finding::good("webhook server", format!("{} answers ({status})", config.url)),
        Err(reason) => Finding::bad(
            "webhook server",
            format!("{}: {reason}", config.url),
            "check `url`, `ca_file`, the network and firewalls; the service needs a drop-in for other networks",
        ),
    }
}

#[cfg(not(feature = "webhook"))]
fn server(_: &WebhookConfig) -> Finding {
    Finding::bad(
        "webhook server",
        "this program was built without it",
        "build with `--features webhook`",
    )
}

fn listener(check: &'static str, target: SocketAddr, hello: io::Result<Vec<u8>>) -> Finding {
    match hello.and_then(|hello| datagram::probe(target, &hello)) {
        Ok(()) => Finding::good(check, format!("{target} refuses no datagram")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Finding::bad(
            check,
            format!("nobody listens on {target}"),
            "start the receiver, or set its port as `target`; it may also come later",
        ),
        Err(error) => Finding::bad(
            check,
            format!("{target}: {error}"),
            "check `target`, the network and firewalls",
        ),
    }
}
