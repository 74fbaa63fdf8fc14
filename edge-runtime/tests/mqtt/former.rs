//! Former names of a device: what the broker keeps under them goes, and nothing of anybody else's.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use edge_runtime::sink::SignalSink;
use edge_runtime::sink::settings::MqttConfig;
use rumqttc::Transport;

use super::names::packet;
use super::{Kiosk, config};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::until;

fn named(device: &str, port: u16, outbox: &Path) -> MqttConfig {
    let mut config = config(port, outbox, "");
    device.clone_into(&mut config.device);
    config
}

/// A start that tells a state, and ends.
fn ran(config: &MqttConfig) {
    let mut kiosk = Kiosk::with(config);
    kiosk.until_connected();
    kiosk.show(1);
    kiosk.until_delivered();
    kiosk.sink.close().unwrap();
}

fn until_told(kiosk: &Kiosk, text: &str) {
    until(text, || kiosk.told.lines().iter().any(|line| line.contains(text)));
}

/// What the broker keeps of these devices: state, availability and discovery of each.
fn kept(port: u16, id: &str, devices: [&str; 2]) -> [[usize; 3]; 2] {
    let late = Listener::start(port, id, Transport::Tcp);
    // What comes to the listener after all that is kept.
    late.publish("emotion/mark", false, b"1");
    until("the mark arrives", || late.on("emotion/mark").len() == 1);
    devices.map(|device| {
        let own = |leaf: &str| late.on(&format!("emotion/{device}/{leaf}")).len();
        let discovery = late.on(&format!("device/{device}/config")).len();
        [own("state"), own("availability"), discovery]
    })
}

#[test]
fn two_kiosks_that_exchange_their_names_leave_each_other_what_is_theirs() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for (device, dir) in ["one", "two"].into_iter().zip(&dirs) {
        ran(&named(device, broker.port, dir.path()));
    }
    assert_eq!(kept(broker.port, "before", ["one", "two"]), [[1; 3]; 2]);
    // Both at once, each of them online while the other looks.
    let exchanged = ["two", "one"].into_iter().zip(&dirs);
    let kiosks: Vec<Kiosk> = exchanged
        .map(|(device, dir)| Kiosk::with(&named(device, broker.port, dir.path())))
        .collect();
    for (kiosk, other) in kiosks.iter().zip(["one", "two"]) {
        until_told(kiosk, &format!("another device is online as {other}"));
    }
    assert_eq!(kept(broker.port, "after", ["one", "two"]), [[1; 3]; 2]);
    for (own, dir) in ["two", "one"].into_iter().zip(&dirs) {
        let names = fs::read_to_string(dir.path().join("names")).unwrap();
        assert_eq!(names, format!("{own} homeassistant\n"));
    }
    drop(kiosks);
    // Back again, one after the other: the first finds nobody under its former name.
    let kiosk = Kiosk::with(&named("one", broker.port, dirs[0].path()));
    until_told(&kiosk, "former name is removed");
    let other = Kiosk::with(&named("two", broker.port, dirs[1].path()));
    until_told(&other, "another device is online as one");
    assert_eq!(kept(broker.port, "last", ["one", "two"]), [[1; 3]; 2]);
    // What was heard of the names is nobody's wish, nor a message that means nothing.
    for kiosk in [&kiosk, &other] {
        assert_eq!(kiosk.status.refused.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn names_that_no_configuration_can_have_reach_no_topic() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let other = Listener::start(broker.port, "other", Transport::Tcp);
    for topic in ["emotion/victim/state", "a/a/device/b/config", "emotion/mark/state"] {
        other.publish(topic, true, b"kept");
    }
    let dir = tempfile::tempdir().unwrap();
    // More levels than a broker takes end the connection.
    let deep = ["a"; 300].join("/");
    let names = format!("+ ha\n# ha\n$SYS ha\nvictim/state ha\nb a/a/\nb +/a\nb {deep}\nb \n");
    fs::write(dir.path().join("names"), names).unwrap();
    let mut kiosk = Kiosk::with(&config(broker.port, dir.path(), ""));
    kiosk.until_connected();
    kiosk.show(1);
    kiosk.until_delivered();
    thread::sleep(std::time::Duration::from_secs(2));
    assert!(kiosk.status.connected.load(Ordering::Relaxed));
    let lines = kiosk.told.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(other.on("kept").is_empty() && other.on("/victim/state").len() == 1);
}

#[test]
fn a_message_beyond_all_limits_that_is_kept_under_a_former_name_keeps_nobody_away() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    ran(&config(broker.port, dir.path(), ""));
    let other = Listener::to("emotion/mark", broker.port, "other", Transport::Tcp);
    other.publish("emotion/hall/availability", true, &vec![b'x'; 2 << 20]);
    other.publish("emotion/mark", false, b"1");
    until("it is kept", || other.on("/mark").len() == 1);
    let mut kiosk = Kiosk::with(&named("hall-2", broker.port, dir.path()));
    until_told(&kiosk, "stays until the next start");
    kiosk.show(3);
    kiosk.until_delivered();
    until("it is connected", || kiosk.status.connected.load(Ordering::Relaxed));
}

#[test]
fn a_broker_that_ends_the_connection_instead_of_removing_what_it_keeps_takes_all_events() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("names"), "hall homeassistant\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refusals = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&refusals);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            refuse_to_remove(stream, &counted);
        }
    });
    let mut kiosk = Kiosk::with(&named("hall-2", port, dir.path()));
    until_told(&kiosk, "stays until the next start");
    kiosk.show(50);
    kiosk.until_delivered();
    assert_eq!(refusals.load(Ordering::Relaxed), 3);
    // The next start tries again.
    let names = fs::read_to_string(dir.path().join("names")).unwrap();
    assert_eq!(names, "hall homeassistant\nhall-2 homeassistant\n");
}

/// A broker of MQTT 3.1.1 that confirms everything but messages without content that are to be kept.
fn refuse_to_remove(mut stream: TcpStream, refusals: &AtomicU64) {
    const CONNECT: u8 = 1;
    const PUBLISH: u8 = 3;
    const SUBSCRIBE: u8 = 8;
    const PING: u8 = 12;
    while let Some((kind, body)) = packet(&mut stream) {
        let answer = match kind {
            CONNECT => vec![0x20, 2, 0, 0],
            SUBSCRIBE => {
                let topics = (2..body.len())
                    .filter(|at| body[*at..].starts_with(b"emotion/"))
                    .count()
                    + 1;
                let mut answer = vec![0x90, 2 + topics as u8, body[0], body[1]];
                answer.extend(vec![1; topics]);
                answer
            }
            PUBLISH => {
                let at = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                if body.len() == at + 2 {
                    refusals.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                vec![0x40, 2, body[at], body[at + 1]]
            }
            PING => vec![0xd0, 0],
            _ => continue,
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}
