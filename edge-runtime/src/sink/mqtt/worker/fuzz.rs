//! Messages at random from a broker: nothing is changed but by the words that change it.

use std::panic::AssertUnwindSafe;

use testing::bolero::check;
use testing::fuzz::{Answers, DRAWN};
use update::Offer;

use super::super::discovery::Updating;
use super::super::session::Announcement;
use super::super::topics::Topics;
use super::*;
use crate::sink::mqtt::Counting;
use crate::sink::updates::Updates;
use durable::outbox::{Limits, Shelf};

/// A device without a broker, and what it may be asked for.
fn worker(dir: &std::path::Path) -> (Worker, Arc<Switches>, Arc<Updates>) {
    let (switches, updates) = (Arc::new(Switches::default()), Arc::new(Updates::default()));
    updates.set_offer(Offer {
        installed: 1,
        latest: 2,
        in_progress: false,
    });
    let limits = Limits {
        events: 10,
        bytes: 10_000,
    };
    let worker = Worker {
        session: Session::new(Announcement {
            topics: Topics::new("hall", "homeassistant"),
            discovery: b"config".to_vec(),
            delay: Duration::from_secs(2),
            unknown: b"unknown".to_vec(),
            former: Vec::new(),
            updating: Updating::Looks,
        }),
        outbox: Outbox::open(dir, limits).unwrap(),
        context: MqttContext {
            switches: Arc::clone(&switches),
            updates: Some(Arc::clone(&updates)),
            counting: Counting::Off,
            shelf: Shelf::default(),
            former_dirs: Vec::new(),
            hardware: None,
            stats: Box::new(Map::new),
            fault: Box::new(|_| {}),
            alive: Box::new(|| {}),
        },
        reports: Reports::new("hall".to_owned()),
        identity: Identity::note(dir, &[], "hall", "homeassistant"),
        status: Arc::default(),
        stats_every: Duration::from_mins(1),
        sync_every: Duration::from_secs(1),
        pacing: Pacing::start(),
    };
    (worker, switches, updates)
}

/// The first byte says whether it was kept, the first line is the topic, and the rest the message.
fn message(input: &[u8]) -> Message {
    let retained = input.first() == Some(&b'!');
    let input = &input[usize::from(retained)..];
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    Message {
        topic: String::from_utf8_lossy(&input[..end]).into_owned(),
        payload: input.get(end + 1..).unwrap_or_default().to_vec(),
        retained,
    }
}

#[test]
fn whatever_a_broker_sends_nothing_changes_but_by_the_words_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let (worker, switches, updates) = worker(dir.path());
    let (mut worker, switches, updates) = (
        AssertUnwindSafe(worker),
        AssertUnwindSafe(switches),
        AssertUnwindSafe(updates),
    );
    let answers = Answers::default();
    let stand = |switches: &Switches| Switch::ALL.map(|switch| switches.is_on(switch));
    check!(name = "mqtt").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let message = message(input);
        let (before, refused) = (stand(&switches), worker.status.refused.load(Ordering::Relaxed));
        worker.read(&message);
        let after = stand(&switches);
        let on = message.payload.eq_ignore_ascii_case(b"on");
        let known = on || message.payload.eq_ignore_ascii_case(b"off");
        let expected = Switch::ALL.map(|switch| {
            let asked = message.topic == format!("emotion/hall/set/{}", switch.name()) && !message.retained && known;
            if asked { on } else { before[switch as usize] }
        });
        assert_eq!(after, expected);
        let requested = updates.take_request();
        let install = message.topic == "emotion/hall/set/update" && message.payload == b"INSTALL" && !message.retained;
        assert_eq!(requested, install);
        let refused = worker.status.refused.load(Ordering::Relaxed) - refused;
        let heard = after != before || requested;
        assert!(!(heard && refused > 0));
        answers.count(&if refused == 0 { Ok(()) } else { Err("refused") });
    });
    answers.were_of_both_kinds();
}
