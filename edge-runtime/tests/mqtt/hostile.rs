//! Messages from people who mean no good.

use std::sync::atomic::Ordering;

use edge_runtime::switches::Switch;
use rumqttc::Transport;

use super::Kiosk;
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::{rounds, until, until_none};

#[test]
fn hostile_messages_change_nothing_and_are_counted() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    // Not to what is said below, which may be much.
    let listener = Listener::to("emotion/hall/state", broker.port, "listener", Transport::Tcp);
    let mut kiosk = Kiosk::start(broker.port);
    // It listens before it speaks.
    until("the kiosk speaks", || !listener.on("/state").is_empty());
    // A message that is kept must not come back as a request, nor end every connection.
    listener.publish("emotion/hall/set/pause", true, b"ON");
    until("the message arrives", || kiosk.switches.is_on(Switch::Pause));
    listener.publish("emotion/hall/set/pause", false, b"OFF");
    until("the switch is off", || !kiosk.switches.is_on(Switch::Pause));
    let refused = || kiosk.status.refused.load(Ordering::Relaxed);
    let before = refused();
    let count = rounds(500);
    for number in 0..count {
        let length = [0, 1, 2, 3, 1024, 1025, 20_000][number as usize % 7];
        let payload: Vec<u8> = (0..length).map(|at| (at as u64 * 37 + number * 7) as u8).collect();
        let topic = ["emotion/hall/set/pause", "emotion/hall/set/mute"][number as usize % 2];
        listener.publish(topic, false, &payload);
    }
    until_none("all were refused", || (before + count).saturating_sub(refused()));
    for text in ["on;", "ON\0", " ON", "{\"pause\":true}", "true", "1"] {
        listener.publish("emotion/hall/set/mute", false, text.as_bytes());
    }
    until("these were refused, too", || refused() == before + count + 6);
    assert!(Switch::ALL.into_iter().all(|switch| !kiosk.switches.is_on(switch)));
    assert!(kiosk.status.connected.load(Ordering::Relaxed));
    kiosk.show(3);
    kiosk.until_delivered();
}

#[test]
fn a_kept_switch_is_nobodys_wish() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    listener.publish("emotion/hall/set/pause", true, b"ON");
    until("it is kept", || !listener.on("/pause").is_empty());
    let kiosk = Kiosk::start(broker.port);
    until("it is refused", || kiosk.status.refused.load(Ordering::Relaxed) == 1);
    assert!(!kiosk.switches.is_on(Switch::Pause));
}
