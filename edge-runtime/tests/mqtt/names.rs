//! Devices that change their name, share one, or are not listened to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use edge_runtime::sink::SignalSink;
use edge_runtime::switches::Switch;
use rumqttc::Transport;

use super::{Kiosk, config};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::program::command;
use crate::support::until;

#[test]
fn a_device_that_is_renamed_takes_along_what_is_kept_under_its_old_name() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let old = config(broker.port, dir.path(), "");
    let mut kiosk = Kiosk::with(&old);
    kiosk.until_connected();
    kiosk.show(1);
    kiosk.until_delivered();
    kiosk.sink.close().unwrap();
    let mut new = old.clone();
    "hall-2".clone_into(&mut new.device);
    let kiosk = Kiosk::with(&new);
    until("the old name is forgotten", || {
        kiosk
            .told
            .lines()
            .iter()
            .any(|line| line.contains("former name is removed"))
    });
    let late = Listener::start(broker.port, "late", Transport::Tcp);
    until("what is kept arrives", || late.on("emotion/hall-2/state").len() == 1);
    for leaf in ["emotion/hall/state", "emotion/hall/availability", "device/hall/config"] {
        assert!(late.on(leaf).is_empty(), "{leaf} is left");
    }
}

#[test]
fn a_device_that_is_taken_down_leaves_nothing_once_it_is_cleaned() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let text = format!(
        "schema = 1\nsource.uri = \"-\"\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\n",
        broker.port
    );
    std::fs::write(&file, text).unwrap();
    let clean = || command(&["mqtt-clean", "--config"]).arg(&file).output().unwrap();
    let mut kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    kiosk.show(1);
    kiosk.until_delivered();
    let refused = clean();
    assert_eq!(refused.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop its kiosk first"));
    kiosk.sink.close().unwrap();
    let done = clean();
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(String::from_utf8_lossy(&done.stdout).contains("homeassistant/device/hall/config"));
    let late = Listener::start(broker.port, "late", Transport::Tcp);
    // What comes to the listener after all that is kept.
    late.publish("emotion/mark", true, b"1");
    until("the mark arrives", || late.on("emotion/mark").len() == 1);
    for leaf in ["emotion/hall/state", "emotion/hall/availability", "device/hall/config"] {
        assert!(late.on(leaf).is_empty(), "{leaf} is left");
    }
}

#[test]
fn two_devices_of_one_name_are_told_the_cause_and_do_not_flood_the_log() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let kiosks = dirs
        .each_ref()
        .map(|dir| Kiosk::with(&config(broker.port, dir.path(), "")));
    let cause = "another client uses the name edge-runtime-hall";
    until("the cause is told", || {
        let lines = kiosks.iter().flat_map(|kiosk| kiosk.told.lines());
        lines.filter(|line| line.contains(cause)).count() > 0
    });
    for kiosk in &kiosks {
        let lines = kiosk.told.lines();
        assert!(lines.len() <= 4, "{lines:?}");
    }
}

#[test]
fn however_often_a_switch_is_turned_the_counts_come_once_a_second() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let dir = tempfile::tempdir().unwrap();
    let kiosk = Kiosk::with(&config(broker.port, dir.path(), ""));
    kiosk.until_connected();
    for turn in 0..2001 {
        let message: &[u8] = if turn % 2 == 0 { b"ON" } else { b"OFF" };
        listener.publish("emotion/hall/set/mute", false, message);
    }
    until("the last position is told", || {
        let stats = listener.on("/stats");
        kiosk.switches.is_on(Switch::Mute) && stats.last().is_some_and(|it| it.text.contains("\"mute\":true"))
    });
    // By the kiosk's own clock, in whole seconds.
    let uptimes: Vec<u64> = (listener.on("/stats").iter())
        .map(|message| {
            serde_json::from_str::<serde_json::Value>(&message.text).unwrap()["uptime_s"]
                .as_u64()
                .unwrap()
        })
        .collect();
    let most = uptimes[uptimes.len() - 1] - uptimes[0] + 2;
    assert!(uptimes.len() as u64 <= most, "{uptimes:?}");
}

#[test]
fn a_subscription_that_is_refused_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let broker = thread::spawn(move || refuse_subscriptions(listener.accept().unwrap().0));
    let dir = tempfile::tempdir().unwrap();
    let kiosk = Kiosk::with(&config(port, dir.path(), ""));
    until("the refusal is told", || {
        kiosk
            .told
            .lines()
            .iter()
            .any(|line| line.contains("refuses to pass on"))
    });
    drop(kiosk);
    broker.join().unwrap();
}

/// A broker of MQTT 3.1.1 that takes anybody, and lets nobody listen.
fn refuse_subscriptions(mut stream: TcpStream) {
    const CONNECT: u8 = 1;
    const SUBSCRIBE: u8 = 8;
    while let Some((kind, body)) = packet(&mut stream) {
        let answer = match kind {
            CONNECT => vec![0x20, 2, 0, 0],
            SUBSCRIBE => {
                // The packet's number; then each topic with two bytes of length in front, and the wanted service behind.
                let (mut topics, mut at) = (0, 2);
                while at + 2 < body.len() {
                    at += 3 + usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
                    topics += 1;
                }
                let mut answer = vec![0x90, 2 + topics as u8, body[0], body[1]];
                answer.extend(vec![0x80; topics]);
                answer
            }
            _ => continue,
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

/// The kind and the content of the next packet.
pub(super) fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut byte = || {
        let mut one = [0];
        stream.read_exact(&mut one).ok().map(|()| one[0])
    };
    let kind = byte()? >> 4;
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        let part = byte()?;
        length |= usize::from(part & 0x7f) << shift;
        shift += 7;
        if part & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((kind, body))
}
