//! What others see of a device at the broker.

use edge_runtime::sink::SignalSink;
use rumqttc::Transport;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{Kiosk, config};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::until;

fn texts(listener: &Listener, leaf: &str) -> Vec<String> {
    listener.on(leaf).into_iter().map(|it| it.text).collect()
}

#[test]
fn a_device_comes_speaks_and_goes() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let mut kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    kiosk.show(2);
    kiosk.until_delivered();
    kiosk.sink.close().unwrap();
    until("the farewell arrives", || texts(&listener, "/availability").len() == 2);
    assert_eq!(texts(&listener, "/availability"), ["online", "stopped"]);
    assert_eq!(listener.events(), [0, 1]);
    let states = texts(&listener, "/state");
    assert!(states.first().unwrap().contains(r#""emotion":"unknown""#));
    assert!(states.last().unwrap().contains(r#""emotion":"unknown""#));
    assert!(states.iter().any(|it| it.contains("Sad")));
    let discovery: Value = serde_json::from_str(&texts(&listener, "homeassistant/device/hall/config")[0]).unwrap();
    assert_eq!(discovery["cmps"]["face"]["state_topic"], "emotion/hall/state");
    // Who hears an event twice knows it by these two.
    let event: Value = serde_json::from_str(&texts(&listener, "/event")[1]).unwrap();
    assert_eq!((&event["boot"], &event["sequence"]), (&json!("boot-1"), &json!(1)));

    // Whoever comes later finds what is kept, and no events.
    let late = Listener::start(broker.port, "late", Transport::Tcp);
    let kept = ["/config", "/availability", "/state"];
    until("kept messages arrive", || {
        kept.iter().all(|leaf| late.on(leaf).len() == 1)
    });
    assert!(kept.iter().all(|leaf| late.on(leaf)[0].retained));
    assert_eq!(late.on("/availability")[0].text, "stopped");
    assert!(late.events().is_empty() && late.on("/stats").is_empty());
}

#[test]
fn the_will_of_a_device_that_vanishes_is_offline() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let door = crate::support::proxy::Proxy::to(broker.port);
    let kiosk = Kiosk::start(door.port);
    kiosk.until_connected();
    until("it is online", || texts(&listener, "/availability") == ["online"]);
    door.shut();
    until("its will is heard", || {
        texts(&listener, "/availability").last().unwrap() == "offline"
    });
    door.open();
    until("it is back", || {
        texts(&listener, "/availability").last().unwrap() == "online"
    });
}

#[test]
fn home_assistant_gets_the_configuration_anew_after_its_start() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    until("it is announced", || listener.on("/config").len() == 1);
    let states = listener.on("/state").len();
    listener.publish("homeassistant/status", false, b"online");
    until("it is announced anew", || listener.on("/config").len() == 2);
    until("its state is told anew", || listener.on("/state").len() > states);
}

#[test]
fn a_device_that_is_not_to_be_discovered_is_removed() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let dir = tempfile::tempdir().unwrap();
    let kiosk = Kiosk::with(&config(broker.port, dir.path(), "discovery = false"));
    kiosk.until_connected();
    until("it is removed", || texts(&listener, "/config") == [""]);
}

#[test]
fn switches_are_followed_and_read_back() {
    use edge_runtime::switches::Switch;

    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    let paused = |wanted: bool| {
        let stats: Option<Value> = listener
            .on("/stats")
            .last()
            .map(|it| serde_json::from_str(&it.text).unwrap());
        stats.is_some_and(|stats| stats["pause"] == json!(wanted) && stats["mute"] == json!(false))
    };
    until("the switch is off", || paused(false));
    listener.publish("emotion/hall/set/pause", false, b"ON");
    until("the switch is on", || {
        kiosk.switches.is_on(Switch::Pause) && paused(true)
    });
    listener.publish("emotion/hall/set/pause", false, b"OFF");
    until("the switch is off again", || {
        !kiosk.switches.is_on(Switch::Pause) && paused(false)
    });
}

#[test]
fn the_update_that_the_device_found_can_be_wished_for() {
    use update::Offer;

    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let kiosk = Kiosk::start(broker.port);
    kiosk.until_connected();
    let shows = |installed: &str, latest: &str| {
        let stats = listener.on("/stats");
        let stats: Option<Value> = stats.last().map(|it| serde_json::from_str(&it.text).unwrap());
        stats.is_some_and(|stats| {
            (
                &stats["update"]["installed_version"],
                &stats["update"]["latest_version"],
            ) == (&json!(installed), &json!(latest))
        })
    };
    until("there is nothing", || shows("0", "0"));
    let install = "emotion/hall/set/update";
    let refused = || kiosk.status.refused.load(std::sync::atomic::Ordering::Relaxed);
    listener.publish(install, false, b"INSTALL");
    until("nothing can be requested", || refused() == 1);
    kiosk.updates.set_offer(Offer {
        installed: 2,
        latest: 3,
        in_progress: false,
    });
    until("the newer one is shown", || shows("2", "3"));
    for payload in [
        "install",
        "3",
        "https://example.org/bundle-9.tar",
        r#"{"version":9}"#,
        "ON",
    ] {
        listener.publish(install, false, payload.as_bytes());
    }
    until("nothing else is taken", || refused() == 6);
    assert!(!kiosk.updates.take_request());
    listener.publish(install, false, b"INSTALL");
    until("it is requested", || kiosk.updates.take_request());
}

#[test]
fn a_program_that_panics_says_goodbye() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    for round in 1..=crate::support::rounds(2) {
        let port = broker.port;
        let died = std::thread::spawn(move || {
            let kiosk = Kiosk::start(port);
            kiosk.until_connected();
            panic!("the test's own");
        });
        assert!(died.join().is_err());
        until("it is stopped", || {
            let said = texts(&listener, "/availability");
            said.iter().filter(|it| *it == "stopped").count() as u64 == round
        });
    }
    assert!(!texts(&listener, "/availability").contains(&"offline".to_owned()));
}

#[test]
fn a_broker_that_is_not_there_is_reported_once_and_costs_no_event() {
    let Some(mut broker) = Broker::prepare(Memory::None, "allow_anonymous true\n") else {
        return;
    };
    let mut kiosk = Kiosk::start(broker.port);
    kiosk.show(30);
    until("it is reported", || !kiosk.told.lines().is_empty());
    broker.begin();
    kiosk.until_delivered();
    broker.end(Signal::TERM);
    kiosk.until_lost();
    let reports = kiosk.told.lines();
    assert_eq!(reports.iter().filter(|it| *it == "info mqtt: connected").count(), 1);
    let refused = reports.iter().filter(|it| it.contains("refused")).count();
    assert!((1..=2).contains(&refused) && reports.len() <= 4, "{reports:?}");
    kiosk.show(5);
    // Nobody is there to be told.
    kiosk.sink.close().unwrap();
}
