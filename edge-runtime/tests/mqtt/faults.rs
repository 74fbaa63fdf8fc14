//! Brokers that fail: what was delivered and what was counted as dropped is what was produced.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use edge_runtime::sink::SignalSink;
use rumqttc::Transport;
use rustix::process::Signal;

use super::{Kiosk, config};
use crate::support::broker::{Broker, Memory};
use crate::support::listener::Listener;
use crate::support::proxy::Proxy;
use crate::support::rounds;

/// How often a fault strikes while the events are produced.
const STRIKES: u64 = 5;

/// Produces events while a fault strikes, and waits for every one of them.
fn every_event_arrives(memory: Memory, strike: impl FnMut(&mut Broker, &Proxy, &Listener, &Kiosk)) {
    if let Some(broker) = Broker::start(memory) {
        every_event_arrives_at(broker, Transport::Tcp, "", strike);
    }
}

/// At a broker that wants to be talked to in its own way: the listener by this transport, the kiosk by what stands `more`
/// in its configuration.
pub(super) fn every_event_arrives_at(
    mut broker: Broker,
    transport: Transport,
    more: &str,
    mut strike: impl FnMut(&mut Broker, &Proxy, &Listener, &Kiosk),
) {
    let listener = Listener::start(broker.port, "listener", transport);
    let door = Proxy::to(broker.port);
    let outbox = tempfile::tempdir().unwrap();
    let mut kiosk = Kiosk::with(&config(door.port, outbox.path(), more));
    kiosk.until_connected();
    let part = rounds(2000) / STRIKES;
    for _ in 0..STRIKES {
        kiosk.show(part);
        strike(&mut broker, &door, &listener, &kiosk);
    }
    kiosk.show(part);
    kiosk.until_delivered();
    let arrived = || listener.events().into_iter().collect::<BTreeSet<_>>();
    crate::support::until_none("the listener hears everything", || {
        kiosk.shown.saturating_sub(listener.count("/event"))
    });
    // Some may have come twice.
    crate::support::until_none("the listener hears each", || kiosk.shown - arrived().len() as u64);
    assert_eq!(arrived(), (0..kiosk.shown).collect());
    let copies = listener.events().len() as u64 - kiosk.shown;
    eprintln!("{} events produced, all delivered, {copies} of them twice", kiosk.shown);
    assert_eq!(kiosk.status.dropped.load(Ordering::Relaxed), 0);
}

/// Lets the kiosk in only when somebody listens: a broker that has lost its memory passes events to nobody. What it has
/// confirmed and not passed on yet would die with it, so the kiosk is cut off in the middle, and that comes through first.
pub(super) fn restart(broker: &mut Broker, door: &Proxy, listener: &Listener, kiosk: &Kiosk, signal: Signal) {
    door.shut();
    kiosk.until_lost();
    let confirmed = kiosk.confirmed();
    crate::support::until("the listener hears what is confirmed", || {
        let heard: BTreeSet<u64> = listener.events().into_iter().collect();
        (0..confirmed).all(|event| heard.contains(&event))
    });
    broker.end(signal);
    listener.until_lost();
    broker.begin();
    listener.until_ready();
    door.open();
}

#[test]
fn killed_brokers_lose_no_event() {
    every_event_arrives(Memory::None, |broker, door, listener, kiosk| {
        restart(broker, door, listener, kiosk, Signal::KILL);
    });
}

#[test]
fn restarted_brokers_lose_no_event() {
    every_event_arrives(Memory::Kept, |broker, door, listener, kiosk| {
        restart(broker, door, listener, kiosk, Signal::TERM);
    });
}

#[test]
fn stalled_brokers_lose_no_event() {
    let mut strikes = 0;
    every_event_arrives(Memory::None, |broker, _, _, kiosk| {
        strikes += 1;
        broker.signal(Signal::STOP);
        if strikes == 1 {
            // Long enough to be given up.
            kiosk.until_lost();
        } else {
            std::thread::sleep(Duration::from_millis(300));
        }
        broker.signal(Signal::CONT);
    });
}

#[test]
fn slow_brokers_lose_no_event() {
    every_event_arrives(Memory::None, |_, door, _, _| door.slow(Duration::from_micros(500)));
}

#[test]
fn connections_that_break_lose_no_event() {
    every_event_arrives(Memory::None, |_, door, _, kiosk| {
        door.shut();
        kiosk.until_lost();
        door.open();
    });
}

#[test]
fn refusing_brokers_lose_no_event() {
    let refuse = "allow_anonymous false\n";
    every_event_arrives(Memory::Kept, |broker, door, listener, kiosk| {
        broker.configure(Memory::Kept, refuse);
        broker.end(Signal::TERM);
        broker.begin();
        kiosk.until_lost();
        crate::support::until("the refusal is reported", || {
            kiosk.told.lines().iter().any(|it| it.contains("refuses the user name"))
        });
        broker.configure(Memory::Kept, "allow_anonymous true\n");
        restart(broker, door, listener, kiosk, Signal::TERM);
    });
}

#[test]
fn a_full_outbox_drops_the_oldest_and_counts_them() {
    let Some(broker) = Broker::start(Memory::None) else {
        return;
    };
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let door = Proxy::to(broker.port);
    door.shut();
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(door.port, dir.path(), "");
    config.outbox.max_events = 100;
    let mut kiosk = Kiosk::with(&config);
    let produced = rounds(2000);
    kiosk.show(produced);
    crate::support::until("the outbox has taken everything", || {
        kiosk.status.accepted.load(Ordering::SeqCst) == produced
    });
    door.open();
    kiosk.until_delivered();
    crate::support::until("the rest arrives", || listener.events().len() == 100);
    assert_eq!(listener.events(), (produced - 100..produced).collect::<Vec<_>>());
    assert_eq!(kiosk.status.dropped.load(Ordering::Relaxed), produced - 100);
}

#[test]
fn events_outlast_the_program() {
    let Some(mut broker) = Broker::prepare(Memory::None, "allow_anonymous true\n") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = config(broker.port, dir.path(), "");
    let mut kiosk = Kiosk::with(&config);
    kiosk.show(50);
    kiosk.sink.close().unwrap();
    let door = Proxy::to(broker.port);
    door.shut();
    broker.begin();
    let listener = Listener::start(broker.port, "listener", Transport::Tcp);
    let mut config = config.clone();
    config.port = door.port;
    let kiosk = Kiosk::with(&config);
    door.open();
    kiosk.until_delivered();
    crate::support::until("the listener hears everything", || listener.events().len() == 50);
    assert_eq!(listener.events(), (0..50).collect::<Vec<_>>());
}
