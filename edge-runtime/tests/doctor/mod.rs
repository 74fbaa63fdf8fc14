//! What the doctor says of brokers: each fault by its name, with its cure.

mod attacks;
mod strangers;

use std::fs;
use std::io::Write;
use std::net::TcpListener;

use rumqttc::Transport;
use rustix::process::Signal;
use serde_json::Value;

use crate::mqtt::Kiosk;
use crate::support::authority::{Authority, demanding_broker, login_broker};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::program::command;

/// What is found of the broker.
struct Diagnosis {
    ok: bool,
    text: String,
}

impl Diagnosis {
    fn of(host: &str, port: u16, more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.toml");
        let text = format!(
            "schema = 1\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"{host}\"\nport = {port}\ndevice = \"hall\"\n{more}"
        );
        fs::write(&config, text).unwrap();
        let output = command(&["doctor", "--config"]).arg(&config).output().unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let findings: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let well = findings.iter().all(|finding| finding["ok"] == true);
        assert_eq!(output.status.code(), Some(if well { 0 } else { 69 }));
        let broker = findings.iter().find(|finding| finding["check"] == "broker").unwrap();
        Self {
            ok: broker["ok"] == true,
            text: format!("{}; {}", broker["found"], broker["cure"]),
        }
    }

    fn is_well(&self) {
        assert!(self.ok && self.text.contains("takes this device"), "{}", self.text);
    }

    fn is(&self, fault: &str, cure: &str) {
        assert!(
            !self.ok && self.text.contains(fault) && self.text.contains(cure),
            "{}",
            self.text
        );
    }
}

const HOST: &str = "127.0.0.1";

#[test]
fn a_broker_that_takes_the_device_is_told_from_one_that_is_not_there() {
    let Some(mut broker) = Broker::start(Memory::None) else {
        return;
    };
    Diagnosis::of(HOST, broker.port, "").is_well();
    // It takes the connection, and says nothing.
    broker.signal(Signal::STOP);
    Diagnosis::of(HOST, broker.port, "").is("does not answer", "firewalls");
    broker.signal(Signal::CONT);
    broker.end(Signal::KILL);
    Diagnosis::of(HOST, broker.port, "").is("nobody listens", "`port`");
    // Such a name cannot be, so that nobody is asked for it.
    Diagnosis::of("no..where", broker.port, "").is("host is unknown", "`host`");
}

#[test]
fn user_and_password_are_tried() {
    let Some(broker) = login_broker() else { return };
    let dir = broker.dir().display();
    let with = |login: &str| {
        fs::write(broker.dir().join("login"), login).unwrap();
        let more = format!("credentials_file = '{dir}/login'\ntls = {{ ca_file = '{dir}/ca.pem' }}");
        Diagnosis::of(HOST, broker.port, &more)
    };
    with("hall\nsecret word\n").is_well();
    with("hall\nsecret world\n").is("refuses the user name or password", "`credentials_file`");
    with("hall\n").is("must hold the user name on the first line", "mend");
    let nobody = format!("tls = {{ ca_file = '{dir}/ca.pem' }}");
    Diagnosis::of(HOST, broker.port, &nobody).is("refuses the user name or password", "`credentials_file`");
}

#[test]
fn certificates_are_tried() {
    let Some(broker) = demanding_broker() else { return };
    Authority::new().write(&broker.dir().join("other.pem"));
    let tls = |ca: &str, identity: bool| {
        let of = |name: &str| broker.dir().join(name).display().to_string();
        let identity = if identity {
            format!(
                ", cert_file = '{}', key_file = '{}'",
                of("client.pem"),
                of("client.key")
            )
        } else {
            String::new()
        };
        Diagnosis::of(
            HOST,
            broker.port,
            &format!("tls = {{ ca_file = '{}'{identity} }}", of(ca)),
        )
    };
    tls("ca.pem", true).is_well();
    tls("other.pem", true).is("no secure connection", "certificates");
    tls("ca.pem", false).is("no secure connection", "certificates");
    tls("none.pem", true).is("none.pem", "mend");
    Diagnosis::of(HOST, broker.port, "").is("ends the connection", "`tls`");
}

#[test]
fn a_kiosk_that_runs_keeps_its_connection() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let mut kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    Diagnosis::of(HOST, broker.port, "").is_well();
    kiosk.show(3);
    kiosk.until_delivered();
    let said: Vec<String> = listener.on("/availability").into_iter().map(|it| it.text).collect();
    assert_eq!(said, ["online"]);
}

#[test]
fn what_listens_without_being_a_broker_is_none() {
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let stranger = std::thread::spawn(move || {
        listener.accept().unwrap().0.write_all(b"SSH-2.0-none\r\n").unwrap();
    });
    let diagnosis = Diagnosis::of(HOST, port, "");
    assert!(!diagnosis.ok && diagnosis.text.contains("check"), "{}", diagnosis.text);
    stranger.join().unwrap();
}
