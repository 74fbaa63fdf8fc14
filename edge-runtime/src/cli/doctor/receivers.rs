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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, UdpSocket};
    use std::thread;

    use edge_runtime::config::Config;

    use super::*;

    /// Nobody listens there. A port that a test has closed may stay open for a moment: a program that another test starts
    /// inherits it until its own code runs.
    const NOBODY: &str = "127.0.0.1:1";

    fn check(sinks: &str) -> Finding {
        let config = Config::parse(&format!("schema = 1\nsource.uri = \"-\"\n{sinks}\n")).unwrap();
        let findings = receivers(&config.sink);
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings.into_iter().next().unwrap()
    }

    fn is(finding: &Finding, check: &str, found: &str, cure: Option<&str>) {
        let helps = match (cure, &finding.cure) {
            (Some(wanted), Some(cure)) => cure.contains(wanted),
            (None, None) => true,
            _ => false,
        };
        assert!(
            finding.check == check && finding.ok == cure.is_none() && finding.found.contains(found) && helps,
            "{finding:?}"
        );
    }

    #[test]
    fn whoever_hears_datagrams_is_told_from_nobody() {
        for (section, name) in [("osc", "osc receiver"), ("udp", "udp receiver")] {
            let sinks = |target: &str| format!("[sink.{section}]\ntarget = \"{target}\"");
            let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
            let target = receiver.local_addr().unwrap().to_string();
            is(&check(&sinks(&target)), name, "refuses no datagram", None);
            // What is sent to find out is a message that its program can read.
            let mut hello = [0; 512];
            let length = receiver.recv(&mut hello).unwrap();
            let is_whole = if section == "osc" {
                rosc::decoder::decode_udp(&hello[..length]).is_ok()
            } else {
                serde_json::from_slice::<serde_json::Value>(&hello[..length]).is_ok()
            };
            assert!(is_whole);
            is(
                &check(&sinks(NOBODY)),
                name,
                "nobody listens",
                Some("start the receiver"),
            );
        }
    }

    #[cfg(feature = "webhook")]
    #[test]
    fn a_server_that_answers_anything_is_told_from_none() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "a secret of twenty-four bytes or more").unwrap();
        let sinks = |server: &str| {
            format!(
                "[sink.webhook]\nurl = \"http://{server}/kiosk\"\nsecret_file = '{}'\ndir = '{}'",
                secret.display(),
                dir.path().join("outbox").display()
            )
        };
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap().to_string();
        let answers = thread::spawn(move || {
            let mut stream = server.accept().unwrap().0;
            // The whole of it: what is left unread when a stream is closed resets it.
            let request = BufReader::new(&stream).lines().map(Result::unwrap);
            assert!(request.take_while(|line| !line.is_empty()).count() > 1);
            stream
                .write_all(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
        });
        is(&check(&sinks(&address)), "webhook server", "answers (405)", None);
        answers.join().unwrap();
        is(&check(&sinks(NOBODY)), "webhook server", "refused", Some("check `url`"));
    }
}
