//! Faults of the disk: power cuts before every single write, with what was not synced gone in part; full
//! disks; damage.

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::power::{PowerDisk, every_cut, every_full_disk};

/// So many cases of a property, or as many as `PROPTEST_CASES` asks for.
fn cases(usual: u32) -> ProptestConfig {
    match std::env::var("PROPTEST_CASES") {
        Ok(_) => ProptestConfig::default(),
        Err(_) => ProptestConfig::with_cases(usual),
    }
}

const DIR: &str = "/outbox";

const LIMITS: Limits = Limits {
    events: 20,
    bytes: 200_000,
};

fn disk() -> PowerDisk {
    let mut disk = PowerDisk::default();
    disk.make_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn open(disk: PowerDisk) -> Outbox<PowerDisk> {
    Outbox::on(disk, Path::new(DIR), LIMITS).unwrap()
}

impl Outbox<PowerDisk> {
    fn into_disk(self) -> PowerDisk {
        self.log.into_disk()
    }

    fn disk(&mut self) -> &mut PowerDisk {
        self.log.disk()
    }

    fn push_next(&mut self) {
        self.push(payload(self.queue.next()));
    }
}

/// A payload, of which four fill a segment.
fn payload(id: u64) -> Vec<u8> {
    format!("{id:>8000}").into_bytes()
}

/// Everything in the outbox, each event checked against its number.
fn waiting<D: Disk>(outbox: &Outbox<D>) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    let mut at = 0;
    while let Some((id, bytes)) = outbox.from(at) {
        assert_eq!(bytes, payload(id), "event {id} is damaged");
        found.insert(id);
        at = id + 1;
    }
    found
}

fn segments(disk: &mut PowerDisk) -> Vec<String> {
    disk.list(Path::new(DIR)).unwrap()
}

/// What the owner of an outbox does.
#[derive(Debug, Clone, Copy)]
enum Step {
    Push,
    Deliver,
    Sync,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Push),
        3 => Just(Step::Deliver),
        2 => Just(Step::Sync),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..40)
}

/// Plays the steps until the disk fails; gives what must not be lost from then on.
fn play(disk: &mut PowerDisk, steps: &[Step]) -> BTreeSet<u64> {
    let mut outbox = open(std::mem::take(disk));
    for step in steps {
        match step {
            Step::Push => outbox.push_next(),
            Step::Deliver => {
                if let Some((id, _)) = outbox.from(0) {
                    outbox.delivered(id);
                }
            }
            Step::Sync => outbox.sync(),
            Step::Restart => {
                let before = waiting(&outbox);
                outbox = open(outbox.into_disk());
                assert!(before.is_subset(&waiting(&outbox)), "a restart lost something");
            }
        }
        if outbox.counts().errors > 0 {
            break;
        }
    }
    let mut safe = waiting(&outbox);
    safe.retain(|id| *id < outbox.synced);
    *disk = outbox.into_disk();
    safe
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn a_power_cut_before_any_write_loses_nothing_that_was_synced(steps in steps()) {
        let promised = RefCell::new(BTreeSet::new());
        every_cut(
            &disk(),
            3,
            |disk| *promised.borrow_mut() = play(disk, &steps),
            |disk| {
                let found = waiting(&open(std::mem::take(disk)));
                let missing: Vec<u64> = promised.borrow().difference(&found).copied().collect();
                assert!(missing.is_empty(), "{missing:?} of {:?} lost", promised.borrow());
            },
        );
    }

    #[test]
    fn a_disk_that_is_full_for_a_while_costs_no_event(before in 0u64..8, after in 0u64..8) {
        every_full_disk(
            &disk(),
            |disk| {
                let mut outbox = open(std::mem::take(disk));
                for _ in 0..before {
                    outbox.push_next();
                }
                outbox.sync();
                for _ in 0..after {
                    outbox.push_next();
                }
                outbox.sync();
                // Lent back for room to be made; the owner goes on without it.
                *disk = std::mem::take(outbox.disk());
                outbox
            },
            |mut outbox, disk| {
                assert_eq!(waiting(&outbox), (0..before + after).collect());
                *outbox.disk() = std::mem::take(disk);
                outbox.sync();
                assert!(outbox.is_durable());
                let again = open(outbox.into_disk().reboot(|_| 0));
                assert_eq!(waiting(&again), (0..before + after).collect());
            },
        );
    }
}

#[test]
fn errors_of_the_disk_are_counted_and_leave_no_heap_of_segments() {
    every_full_disk(
        &disk(),
        |disk| {
            let mut outbox = open(std::mem::take(disk));
            for _ in 0..15 {
                outbox.push_next();
                outbox.sync();
            }
            let errors = outbox.counts().errors;
            assert_eq!(errors > 0, !outbox.is_durable());
            *disk = outbox.into_disk();
            errors
        },
        // Four events a segment, and one that failed.
        |_, disk| assert!(segments(disk).len() <= 10, "{}", segments(disk).len()),
    );
}

#[test]
fn counts_and_numbers_outlast_restarts() {
    let mut outbox = open(disk());
    for id in 0..50 {
        assert_eq!(outbox.push(payload(id)), Some(id));
    }
    outbox.sync();
    for _ in 0..5 {
        outbox = open(outbox.into_disk());
        assert_eq!((outbox.counts().dropped, outbox.counts().waiting), (30, 20));
    }
    for id in 30..50 {
        outbox.delivered(id);
    }
    outbox.sync();
    let mut disk = outbox.into_disk();
    assert_eq!(
        segments(&mut disk).len(),
        1,
        "what is done with does not stay on the disk"
    );
    outbox = open(disk);
    assert_eq!((outbox.counts().dropped, outbox.counts().waiting), (30, 0));
    assert_eq!(outbox.push(payload(50)), Some(50));
}

#[test]
fn many_restarts_leave_few_segments() {
    let mut disk = disk();
    for _ in 0..60 {
        let mut outbox = open(disk);
        outbox.push_next();
        outbox.sync();
        disk = outbox.into_disk();
    }
    assert!(segments(&mut disk).len() <= 2 * SEGMENTS + 2);
    let outbox = open(disk);
    assert_eq!(waiting(&outbox), (40..60).collect());
    assert_eq!(outbox.counts().lost, 0);
}

#[test]
fn damaged_events_are_left_out_and_counted() {
    let mut outbox = open(disk());
    for _ in 0..15 {
        outbox.push_next();
    }
    outbox.sync();
    let mut disk = outbox.into_disk();
    let second = Path::new(DIR).join(&segments(&mut disk)[1]);
    let mut bytes = disk.read(&second, 1_000_000).unwrap();
    bytes[100] ^= 4;
    disk.create(&second).unwrap();
    disk.append(&second, &bytes).unwrap();
    let outbox = open(disk);
    let found = waiting(&outbox).len() as u64;
    assert!(found < 15 && found > 0);
    assert_eq!(outbox.counts().lost, 15 - found);
}

#[test]
fn a_directory_of_the_machine_holds_an_outbox() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/outbox");
    let mut outbox = Outbox::open(&path, LIMITS).unwrap();
    for id in 0..20 {
        outbox.push(payload(id));
    }
    outbox.delivered(0);
    outbox.sync();
    drop(outbox);
    std::fs::write(path.join("notes.txt"), "not ours").unwrap();
    let outbox = Outbox::open(&path, LIMITS).unwrap();
    assert_eq!(waiting(&outbox), (1..20).collect());
    assert!(path.join("notes.txt").exists());
    let error = Outbox::open(&path.join("notes.txt"), LIMITS).err().unwrap();
    assert!(error.to_string().contains("must be a directory"));
}

#[test]
fn what_is_no_file_in_the_directory_is_left_alone_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join(format!("{:016x}.segment", 3));
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    std::fs::create_dir(dir.path().join(format!("{:016x}.segment", 4))).unwrap();
    let limits = Limits {
        events: 100,
        bytes: 100_000,
    };
    for start in 0..3_u64 {
        let mut outbox = Outbox::open(dir.path(), limits).unwrap();
        assert_eq!(outbox.counts().waiting, start);
        outbox.push(b"event".to_vec()).unwrap();
        outbox.sync();
        assert!(outbox.is_durable());
        assert_eq!(outbox.counts().errors, 0);
    }
    assert!(pipe.exists());
}

#[test]
fn numbers_that_no_other_can_follow_are_none_of_ours_and_cost_nothing() {
    for name in ["ffffffffffffffff", "8000000000000000", "-1", "+7", "1_0", ""] {
        let dir = tempfile::tempdir().unwrap();
        let mut outbox = Outbox::open(dir.path(), LIMITS).unwrap();
        outbox.push(payload(0)).unwrap();
        outbox.sync();
        drop(outbox);
        std::fs::write(dir.path().join(format!("{name}.segment")), "anything").unwrap();
        for start in 1..3 {
            let mut outbox = Outbox::open(dir.path(), LIMITS).unwrap();
            outbox.push(payload(start)).unwrap();
            outbox.sync();
            assert!(outbox.is_durable());
            assert_eq!(waiting(&outbox), (0..=start).collect(), "{name}");
        }
    }
    // The same inside of a segment, with a right checksum.
    for number in [u64::MAX, u64::MAX - 1, 1 << 62] {
        for mark in [false, true] {
            let mut bytes = Vec::new();
            let record = if mark {
                record::Record::Mark(Mark {
                    floor: number,
                    dropped: u64::MAX,
                })
            } else {
                record::Record::Event {
                    id: number,
                    payload: b"never",
                }
            };
            record.encode(&mut bytes);
            let dir = tempfile::tempdir().unwrap();
            std::fs::write(dir.path().join("0000000000000000.segment"), &bytes).unwrap();
            let mut outbox = Outbox::open(dir.path(), LIMITS).unwrap();
            assert_eq!(outbox.push(payload(0)), Some(0));
            outbox.sync();
            assert!(outbox.is_durable());
        }
    }
}

#[test]
fn a_link_in_place_of_a_segment_leads_to_nothing_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (secret, link) = (dir.path().join("secret"), dir.path().join("0000000000000007.segment"));
    let mut bytes = Vec::new();
    record::Record::Event {
        id: 3,
        payload: b"of somebody else",
    }
    .encode(&mut bytes);
    std::fs::write(&secret, &bytes).unwrap();
    std::os::unix::fs::symlink(&secret, &link).unwrap();
    let mut outbox = Outbox::open(dir.path(), LIMITS).unwrap();
    assert_eq!(outbox.counts().waiting, 0);
    outbox.push(payload(0)).unwrap();
    outbox.delivered(0);
    outbox.sync();
    assert!(link.is_symlink() && std::fs::read(&secret).unwrap() == bytes);
}

#[test]
fn events_are_counted_as_they_wait_and_segments_without_end_cost_no_more_than_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut outbox = Outbox::open(
        dir.path(),
        Limits {
            events: 100,
            bytes: 1 << 20,
        },
    )
    .unwrap();
    assert_eq!(Outbox::waiting(dir.path()).unwrap(), 0);
    for event in 0..50 {
        outbox.push(vec![event; 4000]);
    }
    for id in 0..20 {
        outbox.delivered(id);
    }
    outbox.sync();
    assert_eq!(Outbox::waiting(dir.path()).unwrap(), 30);
    drop(outbox);
    // Behind each of these names lie 256 MiB, of which none is on the disk.
    for number in 0..300 {
        let file = std::fs::File::create(dir.path().join(format!("7{number:015x}.segment"))).unwrap();
        file.set_len(256 << 20).unwrap();
    }
    for number in 0..3000 {
        std::fs::write(dir.path().join(format!("6{number:015x}.segment")), "none").unwrap();
    }
    let start = std::time::Instant::now();
    assert_eq!(Outbox::waiting(dir.path()).unwrap(), 30);
    assert!(
        start.elapsed() < std::time::Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}
