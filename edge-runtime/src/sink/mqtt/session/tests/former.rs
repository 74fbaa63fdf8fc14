//! What is kept under former names goes, unless another device has them, and costs the device nothing.

use super::super::former::{PATIENCE, QUIET};
use super::*;

const REMOVED: [&str; 3] = [
    "homeassistant/device/old/config=!",
    "emotion/old/state=!",
    "emotion/old/availability=!",
];

const LOOK: &str = "emotion/old/availability";

/// A connection whose subscription the broker takes as a whole.
fn connect(session: &mut Session, outbox: &Outbox) -> Vec<String> {
    session.connected(NOW);
    let greeting = said(session, outbox, NOW);
    assert!(!session.subscribed(&[true; 20], NOW));
    greeting
}

/// What is removed so long after the subscription.
fn removed(session: &mut Session, outbox: &Outbox, after: Duration) -> Vec<String> {
    session.tick(NOW + after);
    let mut said = said(session, outbox, NOW);
    said.retain(|message| message.ends_with("=!"));
    said
}

/// The broker confirms everything that was sent.
fn confirm(session: &mut Session) {
    let packets = session.asked.len() as u16;
    (1..=packets).for_each(|packet| session.sent(packet));
    for packet in 1..=packets {
        session.confirmed(packet, NOW);
    }
}

#[test]
fn what_is_kept_under_former_names_is_removed_once_and_again_after_a_lost_connection() {
    let (outbox, _dir) = outbox(0);
    let mut session = renamed(&[("old", "homeassistant"), ("a", "ha")]);
    for _ in 0..2 {
        let greeting = connect(&mut session, &outbox);
        assert!(greeting[0].ends_with(" emotion/old/availability"), "{greeting:?}");
        assert_eq!(removed(&mut session, &outbox, QUIET.saturating_sub(TICK)), [""; 0]);
        // Its own topics stay.
        let all = [&REMOVED[..], &["ha/device/a/config=!"]].concat();
        assert_eq!(removed(&mut session, &outbox, QUIET), all);
        assert_eq!(session.take_former_news(), None);
        session.disconnected();
    }
    connect(&mut session, &outbox);
    removed(&mut session, &outbox, QUIET);
    // Too late to be asked for.
    assert!(session.is_of_former(LOOK, b"online"));
    confirm(&mut session);
    // What was removed, and what others say there later, comes back to who listens.
    for echo in [&b""[..], b"online"] {
        assert!(session.is_of_former(LOOK, echo));
    }
    let (removed, others) = (true, Vec::new());
    assert_eq!(session.take_former_news(), Some(FormerNews::Gone { removed, others }));
    for _ in 0..5 {
        session.connected(NOW);
        assert_eq!(said(&mut session, &outbox, NOW), GREETING);
        session.disconnected();
        assert_eq!(session.take_former_news(), None);
    }
}

const TICK: Duration = Duration::from_millis(1);

#[test]
fn what_the_broker_keeps_of_another_device_that_has_the_name_now_stays() {
    let (outbox, _dir) = outbox(0);
    let mut session = renamed(&[("old", "homeassistant"), ("old", "ha"), ("gone", "ha")]);
    let greeting = connect(&mut session, &outbox);
    assert!(greeting[0].ends_with(" emotion/old/availability emotion/gone/availability"));
    assert!(session.is_of_former(LOOK, b"online"));
    assert_eq!(removed(&mut session, &outbox, PATIENCE.saturating_sub(TICK)), [""; 0]);
    let gone = [
        "ha/device/gone/config=!",
        "emotion/gone/state=!",
        "emotion/gone/availability=!",
    ];
    assert_eq!(removed(&mut session, &outbox, PATIENCE), gone);
    confirm(&mut session);
    let (removed, others) = (true, vec!["old".to_owned(); 2]);
    assert_eq!(session.take_former_news(), Some(FormerNews::Gone { removed, others }));
}

#[test]
fn a_device_that_vanished_under_its_former_name_is_removed_once_the_broker_has_missed_it() {
    let (outbox, _dir) = outbox(0);
    let mut session = renamed(&[("old", "homeassistant")]);
    connect(&mut session, &outbox);
    session.is_of_former(LOOK, b"online");
    assert_eq!(removed(&mut session, &outbox, PATIENCE / 2), [""; 0]);
    session.is_of_former(LOOK, b"offline");
    assert_eq!(removed(&mut session, &outbox, PATIENCE / 2), REMOVED);
}

#[test]
fn messages_of_hostile_form_about_a_former_name_neither_keep_nor_remove_anything_else() {
    let (outbox, _dir) = outbox(0);
    let long = vec![b'o'; 1 << 20];
    for message in [
        &b""[..],
        b"ONLINE",
        b"online\n",
        b"online\0",
        b" online",
        b"\xff\xfe",
        b"{\"state\":\"online\"}",
        &long,
    ] {
        let mut session = renamed(&[("old", "homeassistant")]);
        connect(&mut session, &outbox);
        assert!(session.is_of_former(LOOK, message));
        for topic in [
            "emotion/old/state",
            "emotion/old/availability/x",
            "emotion/a/availability",
            "emotion/#",
            "",
        ] {
            assert!(!session.is_of_former(topic, b"online"), "{topic}");
        }
        assert_eq!(removed(&mut session, &outbox, QUIET), REMOVED);
    }
    // Nor is anything of its own believed from elsewhere.
    let mut session = renamed(&[("a", "ha")]);
    connect(&mut session, &outbox);
    assert!(!session.is_of_former("emotion/a/availability", b"online"));
    assert_eq!(removed(&mut session, &outbox, QUIET), ["ha/device/a/config=!"]);
}

#[test]
fn a_broker_that_ends_the_connection_over_a_former_name_keeps_nobody_away() {
    let (mut outbox, _dir) = outbox(3);
    // Over the subscription, over what is kept there, or over the removal.
    for reach in 0..3 {
        let mut session = renamed(&[("old", "homeassistant")]);
        for _ in 0..3 {
            assert_eq!(session.take_former_news(), None);
            session.connected(NOW);
            said(&mut session, &outbox, NOW);
            if reach > 0 {
                session.subscribed(&[true; 20], NOW);
            }
            if reach > 1 {
                assert_eq!(removed(&mut session, &outbox, QUIET), REMOVED);
            }
            session.disconnected();
            // Attempts that do not come to a connection say nothing of it.
            (0..5).for_each(|_| session.disconnected());
        }
        assert_eq!(session.take_former_news(), Some(FormerNews::GivenUp));
        session.connected(NOW);
        assert_eq!(said(&mut session, &outbox, NOW)[..4], GREETING);
    }
    // One that only never confirms it gets all events meanwhile, and is given up as well.
    let mut session = renamed(&[("old", "homeassistant")]);
    for _ in 0..3 {
        connect(&mut session, &outbox);
        removed(&mut session, &outbox, QUIET);
        let asked: Vec<Token> = session.asked.iter().copied().collect();
        (1..=asked.len() as u16).for_each(|packet| session.sent(packet));
        for (packet, token) in (1..).zip(asked) {
            if token != Token::Former
                && let Some(event) = session.confirmed(packet, NOW)
            {
                outbox.delivered(event);
            }
        }
        assert_eq!(outbox.counts().waiting, 0);
        assert!(session.is_stalled(NOW + STALL + TICK));
        session.disconnected();
    }
    assert_eq!(session.take_former_news(), Some(FormerNews::GivenUp));
}

#[test]
fn where_the_broker_does_not_say_who_has_a_name_nothing_is_removed() {
    let (outbox, _dir) = outbox(0);
    let mut session = renamed(&[("old", "homeassistant")]);
    session.connected(NOW);
    said(&mut session, &outbox, NOW);
    assert!(
        !session.subscribed(&[true, true, true, false], NOW),
        "its own topics are heard"
    );
    assert_eq!(removed(&mut session, &outbox, PATIENCE), [""; 0]);
    assert_eq!(
        session.take_former_news(),
        Some(FormerNews::Hidden(vec!["old".to_owned()]))
    );
    // Answers that are shorter or longer than the question.
    for (granted, deaf) in [(vec![], false), (vec![false], true), (vec![true; 5000], false)] {
        let mut session = renamed(&[("old", "homeassistant")]);
        session.connected(NOW);
        assert_eq!(session.subscribed(&granted, NOW), deaf, "{granted:?}");
    }
}
