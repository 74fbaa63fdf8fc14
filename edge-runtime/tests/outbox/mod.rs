//! `kill -9` while a program writes its outbox, or moves it.
//!
//! The test runs itself again as the program that is killed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use durable::outbox::{Limits, Outbox, Shelf};
use serde_json::{Value, json};

use crate::support::rounds;

/// Names the directory to the program that is killed.
const DIR: &str = "OUTBOX_OF_THE_TEST";

const LIMITS: Limits = Limits {
    events: 100_000,
    bytes: 64 * 1024 * 1024,
};

/// Pushes, delivers and syncs for ever; says after each step what is promised.
fn write(dir: &Path) {
    let mut outbox = Outbox::open(dir, LIMITS).unwrap();
    let mut out = std::io::stdout();
    for round in 0_u64.. {
        let next = outbox.push(Vec::new()).unwrap() + 1;
        outbox.delivered(next - 1);
        for id in next..next + 5 {
            let event = json!({ "id": id, "more": "x".repeat((id * 37 % 900) as usize) });
            assert_eq!(outbox.push(event.to_string().into_bytes()), Some(id));
            writeln!(out, "pushed {id}").unwrap();
        }
        if round % 3 == 0 {
            let (oldest, _) = outbox.from(0).unwrap();
            // Said first: what is said to be delivered may still be found.
            writeln!(out, "delivered {oldest}").unwrap();
            outbox.delivered(oldest);
        }
        if round % 4 == 0 {
            outbox.sync();
        }
    }
}

/// Runs a test of this file as the program that is killed, `wait` after its first word, and keeps account of what it promises.
fn run_and_kill(test: &str, dir: &Path, wait: Duration, promised: &mut BTreeSet<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([&format!("outbox::{test}"), "--exact", "--nocapture"])
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut take = |line: &str| match line.split_once(' ') {
        Some(("pushed", id)) => drop(promised.insert(id.parse::<u64>().unwrap())),
        Some(("delivered", id)) => drop(promised.remove(&id.parse().unwrap())),
        // What the tests' own frame says.
        _ => {}
    };
    // It writes for sure; from there on, where the signal strikes is up to chance.
    for line in lines.by_ref().map_while(Result::ok) {
        take(&line);
        if line.starts_with("pushed") {
            break;
        }
    }
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).for_each(|line| take(&line));
}

#[test]
fn a_killed_writer_loses_nothing_and_leaves_nothing_damaged() {
    if let Some(dir) = std::env::var_os(DIR) {
        return write(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut promised = BTreeSet::new();
    let mut events = 0;
    let rounds = rounds(20);
    for round in 0..rounds {
        run_and_kill(
            "a_killed_writer_loses_nothing_and_leaves_nothing_damaged",
            dir.path(),
            Duration::from_micros(round * 997 % 20_011),
            &mut promised,
        );

        let mut outbox = Outbox::open(dir.path(), LIMITS).unwrap();
        let mut at = 0;
        let mut found = BTreeSet::new();
        while let Some((id, bytes)) = outbox.from(at) {
            if !bytes.is_empty() {
                let event: Value = serde_json::from_slice(bytes).unwrap();
                assert_eq!(event["id"], id);
                found.insert(id);
            }
            at = id + 1;
        }
        assert_eq!(outbox.counts().lost, 0);
        let missing: Vec<_> = promised.difference(&found).collect();
        assert!(
            missing.is_empty(),
            "round {round}: {missing:?} of {} lost",
            promised.len()
        );
        events += promised.len();
        if round % 5 == 4 {
            while let Some((id, _)) = outbox.from(0) {
                outbox.delivered(id);
            }
            outbox.sync();
            promised.clear();
        }
    }
    eprintln!("killed {rounds} times, {events} events that were promised were found");
}

/// Moves an outbox from one directory to the other and back for ever, with more in it each time; says what is promised.
fn rove(dir: &Path) {
    let (shelf, mut out) = (Shelf::default(), std::io::stdout());
    let first = u64::from(std::process::id()) << 32;
    for round in 0_u64.. {
        let here = dir.join(["one", "other"][(round % 2) as usize]);
        let mut outbox = shelf.take(&here, LIMITS).unwrap();
        for id in 0..5 {
            let id = first + 5 * round + id;
            outbox.push(id.to_string().into_bytes()).unwrap();
            writeln!(out, "pushed {id}").unwrap();
        }
        if round % 3 == 0 {
            let (number, oldest) = outbox.from(0).unwrap();
            writeln!(out, "delivered {}", String::from_utf8_lossy(oldest)).unwrap();
            outbox.delivered(number);
        }
        outbox.sync();
        shelf.put(outbox);
    }
}

#[test]
fn a_program_that_is_killed_while_it_moves_its_outbox_loses_no_event() {
    if let Some(dir) = std::env::var_os(DIR) {
        return rove(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut promised, mut events, mut in_both) = (BTreeSet::new(), 0, 0);
    let rounds = rounds(20);
    for round in 0..rounds {
        run_and_kill(
            "a_program_that_is_killed_while_it_moves_its_outbox_loses_no_event",
            dir.path(),
            Duration::from_micros(round * 997 % 20_011),
            &mut promised,
        );
        let (mut found, mut all) = (BTreeSet::new(), 0);
        for name in ["one", "other"] {
            let outbox = Outbox::open(&dir.path().join(name), LIMITS).unwrap();
            let mut at = 0;
            while let Some((number, event)) = outbox.from(at) {
                found.insert(String::from_utf8_lossy(event).parse().unwrap());
                (at, all) = (number + 1, all + 1);
            }
            assert_eq!(outbox.counts().lost, 0);
        }
        let missing: Vec<_> = promised.difference(&found).collect();
        assert!(
            missing.is_empty(),
            "round {round}: {missing:?} of {} lost",
            promised.len()
        );
        in_both += u64::from(all > found.len());
        events += promised.len();
        if round % 5 == 4 {
            for name in ["one", "other"] {
                std::fs::remove_dir_all(dir.path().join(name)).unwrap();
            }
            promised.clear();
        }
    }
    eprintln!("killed {rounds} times, {in_both} times between the two steps of a move; {events} events were found");
}
