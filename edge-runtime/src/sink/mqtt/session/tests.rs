mod former;

use proptest::prelude::*;

use super::*;
use durable::outbox::Limits;

fn session() -> Session {
    renamed(&[])
}

/// A device that had these names before.
fn renamed(former: &[(&str, &str)]) -> Session {
    Session::new(Announcement {
        topics: Topics::new("a", "homeassistant"),
        discovery: b"config".to_vec(),
        delay: Duration::from_secs(2),
        unknown: b"unknown".to_vec(),
        former: former.iter().map(|(id, prefix)| Topics::new(id, prefix)).collect(),
        updating: Updating::Never,
    })
}

/// An outbox of events whose payloads are their numbers, and its directory.
fn outbox(events: u64) -> (Outbox, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        events: 1000,
        bytes: 1_000_000,
    };
    let mut outbox = Outbox::open(dir.path(), limits).unwrap();
    for id in 0..events {
        outbox.push(id.to_string().into_bytes());
    }
    (outbox, dir)
}

const NOW: Duration = Duration::from_secs(100);

/// Everything that may be said now, as `topic=payload`, with `!` where it is kept.
fn said(session: &mut Session, outbox: &Outbox, now: Duration) -> Vec<String> {
    let mut said = Vec::new();
    while let Some(request) = session.next(outbox, now) {
        said.push(match request {
            Request::Subscribe(topics) => format!("subscribe {}", topics.join(" ")),
            Request::Publish { topic, payload, retain } => {
                let kept = if retain == Retain::Keep { "!" } else { "" };
                format!("{topic}={}{kept}", String::from_utf8(payload).unwrap())
            }
        });
    }
    said
}

const GREETING: [&str; 4] = [
    "subscribe emotion/a/set/pause emotion/a/set/mute homeassistant/status",
    "emotion/a/availability=online!",
    "homeassistant/device/a/config=config!",
    "emotion/a/state=unknown!",
];

#[test]
fn every_connection_begins_with_availability_discovery_and_state() {
    let (mut session, (outbox, _dir)) = (session(), outbox(0));
    assert_eq!(said(&mut session, &outbox, NOW), [""; 0]);
    for _ in 0..2 {
        session.connected(NOW);
        assert_eq!(said(&mut session, &outbox, NOW), GREETING);
        session.disconnected();
    }
}

#[test]
fn only_the_newest_state_is_sent() {
    let (mut session, (outbox, _dir)) = (session(), outbox(0));
    session.show(b"old".to_vec());
    session.show(b"new".to_vec());
    session.connected(NOW);
    assert_eq!(said(&mut session, &outbox, NOW)[3..], ["emotion/a/state=new!"]);
    session.show(b"newer".to_vec());
    assert_eq!(said(&mut session, &outbox, NOW), ["emotion/a/state=newer!"]);
}

#[test]
fn events_wait_for_confirmations_in_a_window() {
    let (mut session, (outbox, _dir)) = (session(), outbox(40));
    session.connected(NOW);
    let first = said(&mut session, &outbox, NOW);
    assert_eq!(first.len(), 1 + WINDOW);
    assert_eq!(first[4], "emotion/a/event=0");
    for packet in 1..=WINDOW as u16 {
        session.sent(packet);
    }
    // Three messages of the greeting, then event 0.
    let confirmed: Vec<_> = (1..=4).map(|packet| session.confirmed(packet, NOW)).collect();
    assert_eq!(confirmed, [None, None, None, Some(0)]);
    assert_eq!(said(&mut session, &outbox, NOW).len(), 4);
}

#[test]
fn a_message_that_is_never_confirmed_holds_the_others_back() {
    let (mut session, (outbox, _dir)) = (session(), outbox(100));
    session.connected(NOW);
    let mut packet = 0;
    for _ in 0..20 {
        for _ in said(&mut session, &outbox, NOW)
            .iter()
            .filter(|it| !it.starts_with("subscribe"))
        {
            packet += 1;
            session.sent(packet);
        }
        // All but event 0, whose packet is the fourth.
        for number in (1..=packet).filter(|number| *number != 4) {
            session.confirmed(number, NOW);
        }
    }
    assert_eq!(session.cursor, WINDOW as u64);
    assert!(session.is_stalled(NOW + STALL + Duration::from_secs(1)));
}

#[test]
fn what_was_not_confirmed_is_said_again_on_the_next_connection() {
    let (mut session, (mut outbox, _dir)) = (session(), outbox(3));
    session.connected(NOW);
    said(&mut session, &outbox, NOW);
    for packet in 1..=6 {
        session.sent(packet);
    }
    outbox.delivered(session.confirmed(4, NOW).unwrap());
    session.disconnected();
    assert_eq!(session.confirmed(5, NOW), None, "an old packet number means nothing");
    session.connected(NOW);
    assert_eq!(
        said(&mut session, &outbox, NOW)[4..],
        ["emotion/a/event=1", "emotion/a/event=2"]
    );
}

#[test]
fn home_assistant_is_told_anew_some_time_after_it_started() {
    let (mut session, (outbox, _dir)) = (session(), outbox(0));
    session.connected(NOW);
    said(&mut session, &outbox, NOW);
    session.birth(b"offline", NOW);
    session.birth(b"online", NOW);
    assert!(!session.tick(NOW + Duration::from_millis(1999)));
    assert_eq!(said(&mut session, &outbox, NOW), [""; 0]);
    assert!(session.tick(NOW + Duration::from_secs(2)));
    assert_eq!(said(&mut session, &outbox, NOW), GREETING[2..]);
    assert!(!session.tick(NOW + Duration::from_secs(9)));
    assert_eq!(said(&mut session, &outbox, NOW), [""; 0]);
}

#[test]
fn the_end_is_unknown_then_events_then_stopped() {
    let (mut session, (mut outbox, _dir)) = (session(), outbox(2));
    session.connected(NOW);
    session.show(b"Happy".to_vec());
    said(&mut session, &outbox, NOW);
    (1..=5).for_each(|packet| session.sent(packet));
    session.stop(NOW);
    assert_eq!(said(&mut session, &outbox, NOW), ["emotion/a/state=unknown!"]);
    session.sent(6);
    for packet in 1..=6 {
        if let Some(id) = session.confirmed(packet, NOW) {
            outbox.delivered(id);
        }
    }
    assert_eq!(said(&mut session, &outbox, NOW), ["emotion/a/availability=stopped!"]);
    assert!(!session.is_over());
    session.sent(7);
    session.confirmed(7, NOW);
    assert!(session.is_over());
    assert_eq!(said(&mut session, &outbox, NOW), [""; 0]);
}

#[test]
fn the_end_does_not_wait_long_for_a_broker_that_confirms_nothing() {
    let (mut session, (outbox, _dir)) = (session(), outbox(100));
    session.connected(NOW);
    said(&mut session, &outbox, NOW);
    session.stop(NOW);
    assert_eq!(said(&mut session, &outbox, NOW), [""; 0]);
    // The window is full; the state that is due would wait for ever.
    let late = said(&mut session, &outbox, NOW + DRAIN);
    assert_eq!(late, ["emotion/a/availability=stopped!"]);
    session.disconnected();
    assert!(session.is_over());
}

#[test]
fn without_a_connection_the_end_is_at_once() {
    let mut session = session();
    session.stop(NOW);
    assert!(session.is_over());
}

#[test]
fn a_wish_for_an_update_is_heard_only_where_the_device_looks_for_one() {
    let (outbox, _dir) = outbox(0);
    for updating in [Updating::Never, Updating::Looks] {
        let looks = updating == Updating::Looks;
        let mut session = session();
        session.device.updating = updating;
        session.connected(NOW);
        let heard = &said(&mut session, &outbox, NOW)[0];
        assert_eq!(heard.contains("emotion/a/set/update"), looks, "{heard}");
        assert_eq!(session.is_install("emotion/a/set/update"), looks);
        assert!(!session.is_install("emotion/b/set/update"));
    }
}

#[test]
fn without_discovery_the_device_is_removed_and_the_birth_ignored() {
    let (outbox, _dir) = outbox(0);
    let mut session = session();
    session.device.discovery.clear();
    session.connected(NOW);
    let said = said(&mut session, &outbox, NOW);
    assert_eq!(said[0], "subscribe emotion/a/set/pause emotion/a/set/mute");
    assert_eq!(said[2], "homeassistant/device/a/config=!");
}

proptest! {
    /// Connections that come and go, confirmations in any order: every event is confirmed in the end.
    #[test]
    fn every_event_is_delivered(steps in prop::collection::vec((0u8..10, any::<u16>()), 0..300)) {
        let (mut session, (mut outbox, _dir)) = (session(), outbox(60));
        let (mut packet, mut open) = (0u16, Vec::new());
        let end = (0..400).map(|_| (9, 0));
        for (what, which) in steps.into_iter().chain(end) {
            if what == 0 || !session.is_connected() {
                session.disconnected();
                session.connected(NOW);
                open.clear();
            }
            for _ in said(&mut session, &outbox, NOW).iter().filter(|it| !it.starts_with("subscribe")) {
                packet += 1;
                session.sent(packet);
                open.push(packet);
            }
            prop_assert!(open.len() <= WINDOW);
            if !open.is_empty() {
                let number = open.remove(if what == 9 { 0 } else { usize::from(which) % open.len() });
                if let Some(id) = session.confirmed(number, NOW) {
                    outbox.delivered(id);
                }
            }
        }
        prop_assert_eq!(outbox.counts().waiting, 0);
    }
}
