//! Those who are told over a network or a cable: whether a way leads to them. Nothing is sent.

use std::io;
use std::net::SocketAddr;

use super::{Finding, paths};
use crate::config::SinkConfig;
use crate::sink::datagram;
use crate::sink::serial::{self, SerialConfig};
use crate::sink::webhook::WebhookConfig;

pub(super) fn check(config: &SinkConfig) -> Vec<Finding> {
    let mut findings = routes(config);
    findings.extend(config.serial.as_ref().map(port));
    if let Some(webhook) = &config.webhook {
        findings.push(files(webhook));
        findings.push(outbox(webhook));
    }
    findings
}

/// Whether a way leads to those who get datagrams.
pub(super) fn routes(config: &SinkConfig) -> Vec<Finding> {
    let osc = config.osc.map(|osc| route("osc", osc.target));
    let udp = config.udp.map(|udp| route("udp", udp.target));
    osc.into_iter().chain(udp).collect()
}

/// Whether events for the server can be kept.
pub(super) fn outbox(webhook: &WebhookConfig) -> Finding {
    let cure = "name another directory as `sink.webhook.dir`";
    paths::outbox("webhook outbox", &webhook.outbox.dir, cure)
}

/// Opens the port for a moment; nothing is written.
fn port(config: &SerialConfig) -> Finding {
    let shown = config.device.display();
    let error = match serial::check(config) {
        Ok(()) => return Finding::good("serial", format!("{shown} can be opened")),
        Err(error) => error,
    };
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "add the user to the group dialout; the service needs a drop-in, see docs/src/serial.md"
        }
        io::ErrorKind::NotFound => "plug the board in; `ls /dev/serial/by-id` shows what is there",
        io::ErrorKind::ResourceBusy => {
            return Finding::good("serial", format!("{shown} is held by a program that runs"));
        }
        _ => "name a serial port such as /dev/ttyACM0 as `sink.serial.device`",
    };
    Finding::bad("serial", format!("{shown}: {error}"), cure)
}

/// Secret and certificates.
#[cfg(feature = "webhook")]
pub(super) fn files(config: &WebhookConfig) -> Finding {
    match crate::sink::webhook::check(config) {
        Ok(()) => Finding::good("webhook", format!("verdicts are posted to {}", config.url)),
        Err(error) => Finding::bad("webhook", error.to_string(), "mend what [sink.webhook] names"),
    }
}

#[cfg(not(feature = "webhook"))]
pub(super) fn files(_: &WebhookConfig) -> Finding {
    Finding::bad(
        "webhook",
        "this program was built without it",
        "build with `--features webhook`",
    )
}

fn route(check: &'static str, target: SocketAddr) -> Finding {
    match datagram::route(target) {
        Ok(()) => Finding::good(check, format!("datagrams go to {target}")),
        Err(error) => Finding::bad(
            check,
            format!("no datagram can go to {target}: {error}"),
            format!(
                "set another `sink.{check}.target`, or bring up the network; `ip route get {}` tells more",
                target.ip()
            ),
        ),
    }
}
