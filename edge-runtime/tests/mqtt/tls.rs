//! Encrypted connections, with certificates made on the spot.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use rustix::process::Signal;

use super::faults::{every_event_arrives_at, restart};
use super::{Kiosk, config};
use crate::support::authority::{Authority, demanding_broker, login_broker};
use crate::support::until;

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
fn events_arrive_over_tls_with_a_certificate_whatever_strikes() {
    let Some(broker) = demanding_broker() else { return };
    let read = |name: &str| fs::read(broker.dir().join(name)).unwrap();
    let simple = TlsConfiguration::Simple {
        ca: read("ca.pem"),
        alpn: None,
        client_auth: Some((read("client.pem"), read("client.key"))),
    };
    // The listener's library takes the provider of the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let tls = tls(broker.dir(), "ca.pem", true);
    let mut strikes = 0;
    every_event_arrives_at(
        broker,
        Transport::tls_with_config(simple),
        &tls,
        |broker, door, listener, kiosk| {
            strikes += 1;
            match strikes % 5 {
                1 => restart(broker, door, listener, kiosk, Signal::KILL),
                2 => restart(broker, door, listener, kiosk, Signal::TERM),
                3 => {
                    broker.signal(Signal::STOP);
                    std::thread::sleep(Duration::from_millis(300));
                    broker.signal(Signal::CONT);
                }
                4 => {
                    door.shut();
                    kiosk.until_lost();
                    door.open();
                }
                _ => door.slow(Duration::from_micros(500)),
            }
        },
    );
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
        let reports = kiosk.told.lines();
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
            kiosk.told.lines().iter().any(|it| it.contains(expected))
        });
        assert!(
            !kiosk.told.lines().iter().any(|it| it == "info mqtt: connected"),
            "{tls}"
        );
    }
}
