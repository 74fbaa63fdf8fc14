//! Encrypted connections, with certificates made on the spot.

use std::fs;
use std::path::Path;

use rumqttc::{TlsConfiguration, Transport};

use super::{Kiosk, config};
use crate::support::authority::{Authority, demanding_broker, login_broker};
use crate::support::listener::Listener;
use crate::support::{rounds, until, until_none};

fn tls(dir: &Path, ca: &str, identity: bool) -> String {
    let dir = dir.display();
    let identity = if identity {
        format!(", cert_file = \"{dir}/client.pem\", key_file = \"{dir}/client.key\"")
    } else {
        String::new()
    };
    format!("tls = {{ ca_file = \"{dir}/{ca}\"{identity} }}\n")
}

#[test]
fn events_arrive_over_tls_with_a_certificate() {
    let Some(mut broker) = demanding_broker() else { return };
    let read = |name: &str| fs::read(broker.dir().join(name)).unwrap();
    let simple = TlsConfiguration::Simple {
        ca: read("ca.pem"),
        alpn: None,
        client_auth: Some((read("client.pem"), read("client.key"))),
    };
    // The listener's library takes the provider of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = Listener::start(broker.port, "listener", Transport::tls_with_config(simple));
    let dir = tempfile::tempdir().unwrap();
    let mut kiosk = Kiosk::with(&config(broker.port, dir.path(), &tls(broker.dir(), "ca.pem", true)));
    kiosk.until_connected();
    let part = rounds(1000) / 2;
    kiosk.show(part);
    kiosk.until_delivered();
    broker.end(rustix::process::Signal::KILL);
    kiosk.until_lost();
    listener.until_lost();
    broker.begin();
    listener.until_ready();
    kiosk.until_connected();
    kiosk.show(part);
    kiosk.until_delivered();
    until_none("the listener hears everything", || {
        (2 * part).saturating_sub(listener.count("/event"))
    });
    let arrived = || listener.events().into_iter().collect::<std::collections::BTreeSet<_>>();
    until_none("the listener hears each", || 2 * part - arrived().len() as u64);
}

#[test]
fn a_user_name_and_a_password_come_from_a_file() {
    let Some(broker) = login_broker() else { return };
    let login = broker.dir().join("login");
    let more = format!(
        "credentials_file = '{}'\n{}",
        login.display(),
        tls(broker.dir(), "ca.pem", false)
    );
    let dir = tempfile::tempdir().unwrap();
    fs::write(&login, "hall\nwrong\n").unwrap();
    let kiosk = Kiosk::with(&config(broker.port, dir.path(), &more));
    until("the wrong password is reported", || {
        let reports = kiosk.reports.lock().unwrap();
        reports
            .iter()
            .any(|it| it.contains("refuses the user name or password"))
    });
    drop(kiosk);
    fs::write(&login, "hall\nsecret word\n").unwrap();
    let mut kiosk = Kiosk::with(&config(broker.port, dir.path(), &more));
    kiosk.until_connected();
    kiosk.show(10);
    kiosk.until_delivered();
}

#[test]
fn strangers_are_not_talked_to() {
    let Some(broker) = demanding_broker() else { return };
    let dir = tempfile::tempdir().unwrap();
    Authority::new().write(&broker.dir().join("other.pem"));
    for (tls, expected) in [
        (tls(broker.dir(), "other.pem", true), "no secure connection"),
        (tls(broker.dir(), "ca.pem", false), "trying again"),
        (String::new(), "trying again"),
    ] {
        let kiosk = Kiosk::with(&config(broker.port, dir.path(), &tls));
        until("it is reported", || {
            kiosk.reports.lock().unwrap().iter().any(|it| it.contains(expected))
        });
        assert!(
            !kiosk.reports.lock().unwrap().iter().any(|it| it == "mqtt: connected"),
            "{tls}"
        );
    }
}
