//! Home Assistant's view of updates: it sees what the device found, and can ask for that and nothing else.

#[cfg(feature = "page")]
use std::process::Stdio;

use rumqttc::Transport;
use serde_json::Value;
#[cfg(feature = "page")]
use serde_json::json;

use super::kiosk::{Kiosk, stop};
#[cfg(feature = "page")]
use crate::page::start;
use crate::support::broker::{Broker, Memory};
#[cfg(feature = "page")]
use crate::support::http::{get, post};
use crate::support::listener::Listener;
use crate::support::until;

fn shown(listener: &Listener) -> Option<Value> {
    let stats = listener.on("/stats");
    let stats: Value = serde_json::from_str(&stats.last()?.text).unwrap();
    Some(stats["update"].clone())
}

#[test]
fn an_update_that_the_device_found_is_brought_in_when_it_is_asked_for() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let kiosk = Kiosk::new();
    kiosk.configure(&format!(
        "channel = \"channel\"\ncheck_interval_s = 1\n[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\n\
         stats_s = 1\noutbox = {{ dir = \"outbox\" }}",
        broker.port
    ));
    // Somewhere beside the channel: nobody told the device to look there.
    let stray = kiosk.archive(9, |_| ());
    let child = kiosk.start();
    until("its own bundle is shown", || {
        shown(&listener).is_some_and(|it| it["installed_version"] == "1" && it["latest_version"] == "1")
    });
    let install = "emotion/hall/set/update";
    for message in ["INSTALL", stray.to_str().unwrap(), "9"] {
        listener.publish(install, false, message.as_bytes());
    }
    kiosk.publish(&kiosk.archive(2, |_| ()), 2, 1);
    until("the update is found", || {
        shown(&listener).is_some_and(|it| it["installed_version"] == "1" && it["latest_version"] == "2")
    });
    // What was asked for before there was something to ask for is forgotten.
    assert_eq!((kiosk.state().trial, kiosk.installed()), (None, None));
    listener.publish(install, false, b"INSTALL");
    until("it is under way", || {
        listener.on("/stats").iter().any(|it| {
            let stats: Value = serde_json::from_str(&it.text).unwrap();
            stats["update"]["in_progress"] == true
        })
    });
    until("it works and stays", || kiosk.installed() == Some(2));
    until("it is shown", || {
        shown(&listener).is_some_and(|it| {
            it["installed_version"] == "2" && it["latest_version"] == "2" && it["in_progress"] == false
        })
    });
    let errors = stop(child).stderr;
    let errors = String::from_utf8_lossy(&errors);
    assert!(errors.contains("bundle version 2 works and stays"), "{errors}");
}

#[cfg(feature = "page")]
#[test]
fn an_update_that_the_device_found_is_brought_in_when_its_page_asks_for_it() {
    let kiosk = Kiosk::new();
    kiosk.configure("channel = \"channel\"\ncheck_interval_s = 1\n[page]\nlisten = \"127.0.0.1:0\"\n");
    let (child, address) = start(&kiosk, Stdio::null());
    let offer = || get(address, "/api/snapshot").json()["update"].clone();
    let order = |body| post(address, "/api/update", body, "").status;
    until("its own bundle is shown", || {
        offer() == json!({"installed": 1, "latest": 1, "in_progress": false})
    });
    assert_eq!(order("INSTALL"), 409);
    kiosk.publish(&kiosk.archive(2, |_| ()), 2, 1);
    until("the update is found", || offer()["latest"] == 2);
    // No other bundle, and none that somebody names.
    for message in ["9", "bundle-2.tar", ""] {
        assert_eq!(order(message), 409, "{message}");
    }
    assert_eq!((kiosk.state().trial, kiosk.installed()), (None, None));
    assert_eq!(order("INSTALL"), 202);
    until("it works and stays", || kiosk.installed() == Some(2));
    until("it is shown", || {
        offer() == json!({"installed": 2, "latest": 2, "in_progress": false})
            && get(address, "/api/snapshot").json()["bundle"]["version"] == 2
    });
    assert_eq!(order("INSTALL"), 409);
    stop(child);
}
