//! Outboxes that go from owner to owner and from directory to directory, on disks whose power fails or that are full.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use super::shelf::hand_over;
use super::*;
use crate::power::{PowerDisk, every_cut, every_full_disk};

const OLD: &str = "/old";
const NEW: &str = "/new";

const LIMITS: Limits = Limits {
    events: 20,
    bytes: 200_000,
};

/// One disk for two outboxes.
#[derive(Clone)]
struct Both(Rc<RefCell<PowerDisk>>);

impl Disk for Both {
    fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.borrow_mut().list(dir)
    }
    fn read(&mut self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        self.0.borrow_mut().read(path, limit)
    }
    fn make_dir(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().make_dir(path)
    }
    fn create(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().create(path)
    }
    fn append(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.borrow_mut().append(path, bytes)
    }
    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().sync(path)
    }
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.0.borrow_mut().sync_dir(dir)
    }
    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.borrow_mut().rename(from, to)
    }
    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().remove(path)
    }
    fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        self.0.borrow_mut().remove_dir(path)
    }
}

fn open(disk: &Both, dir: &str) -> Outbox<Both> {
    Outbox::on(disk.clone(), Path::new(dir), LIMITS).unwrap()
}

/// The outbox of a directory, from a shelf where `left` lies.
fn take(disk: &Both, left: Outbox<Both>, dir: &str) -> Outbox<Both> {
    let is_it = |outbox: &Outbox<Both>| outbox.log.dir() == Path::new(dir);
    hand_over(&mut Some(left), LIMITS, is_it, || Ok::<_, ()>(open(disk, dir))).unwrap()
}

fn waiting(outbox: &Outbox<Both>) -> Vec<u8> {
    outbox.queue.waiting().map(|(_, payload)| payload[0]).collect()
}

/// Pushes events that are told apart by a number.
fn push(outbox: &mut Outbox<Both>, numbers: std::ops::Range<u8>) {
    for number in numbers {
        outbox.push(vec![number; 5000]).unwrap();
    }
}

/// A disk with two directories, and in each events that last: 0 to 2 in the new one, 3 to 9 in the old one.
fn disk() -> PowerDisk {
    let mut disk = PowerDisk::default();
    for dir in [OLD, NEW] {
        disk.make_dir(Path::new(dir)).unwrap();
    }
    disk.sync_dir(Path::new("/")).unwrap();
    with(&mut disk, |disk| {
        for (dir, numbers) in [(NEW, 0..3), (OLD, 3..10)] {
            let mut outbox = open(disk, dir);
            push(&mut outbox, numbers);
            outbox.sync();
        }
    });
    disk
}

/// Lends the disk to work that needs it twice.
fn with<T>(disk: &mut PowerDisk, work: impl FnOnce(&Both) -> T) -> T {
    let both = Both(Rc::new(RefCell::new(std::mem::take(disk))));
    let result = work(&both);
    *disk = both.0.take();
    result
}

#[test]
fn a_power_cut_at_any_moment_of_a_move_loses_no_event_and_the_move_can_be_made_again() {
    let mut found = std::collections::BTreeSet::new();
    every_cut(
        &disk(),
        5,
        |disk| with(disk, |disk| drop(take(disk, open(disk, OLD), NEW))),
        |disk| {
            with(disk, |disk| {
                let (old, new) = (open(disk, OLD), open(disk, NEW));
                assert_eq!((old.counts().lost, new.counts().lost), (0, 0));
                found.insert((waiting(&old).len(), waiting(&new).len()));
                let again = take(disk, old, NEW);
                assert_eq!(waiting(&again), (0..10).collect::<Vec<_>>());
                assert!(again.is_durable() && waiting(&open(disk, OLD)).is_empty());
            });
        },
    );
    // Before, between the two steps, and after.
    for seen in [(7, 3), (7, 10), (0, 10)] {
        assert!(found.contains(&seen), "{found:?}");
    }
}

#[test]
fn a_disk_that_is_full_during_a_move_costs_no_event() {
    every_full_disk(
        &disk(),
        |disk| {
            with(disk, |disk| {
                let outbox = take(disk, open(disk, OLD), NEW);
                let old = open(disk, OLD);
                assert!(
                    outbox.is_durable() || waiting(&old).len() == 7,
                    "neither here nor there"
                );
                // Lent back for room to be made.
                (outbox, disk.clone())
            })
        },
        |(mut outbox, shared), disk| {
            assert_eq!(waiting(&outbox), (0..10).collect::<Vec<_>>());
            shared.0.replace(std::mem::take(disk));
            outbox.sync();
            assert!(outbox.is_durable() && waiting(&open(&shared, OLD)).is_empty());
        },
    );
}

#[test]
fn what_is_only_in_memory_goes_to_the_next_owner_wherever_that_has_its_directory() {
    for dirs in [
        vec![OLD],
        vec![NEW],
        vec![NEW, OLD],
        vec![NEW, OLD, NEW],
        vec![NEW, NEW],
    ] {
        every_full_disk(
            &disk(),
            |disk| {
                with(disk, |disk| {
                    let mut outbox = open(disk, OLD);
                    push(&mut outbox, 10..14);
                    outbox.sync();
                    for dir in &dirs {
                        outbox = take(disk, outbox, dir);
                    }
                    outbox
                })
            },
            |outbox, _| {
                let all = if dirs.contains(&NEW) { 0 } else { 3 };
                assert_eq!(waiting(&outbox), (all..14).collect::<Vec<_>>(), "{dirs:?}");
            },
        );
    }
}

#[test]
fn the_next_owner_says_how_much_is_held_and_what_made_room_is_counted_on() {
    let mut disk = disk();
    with(&mut disk, |disk| {
        let mut outbox = open(disk, OLD);
        push(&mut outbox, 10..25);
        assert_eq!(outbox.counts().dropped, 2);
        let outbox = take(disk, outbox, NEW);
        assert_eq!((outbox.counts().waiting, outbox.counts().dropped), (20, 5));
        let few = Limits { events: 4, ..LIMITS };
        let is_it = |_: &Outbox<Both>| true;
        let outbox = hand_over(&mut Some(outbox), few, is_it, || Err(())).unwrap();
        assert_eq!((outbox.counts().waiting, outbox.counts().dropped), (4, 21));
    });
}

#[test]
fn an_outbox_that_cannot_be_had_leaves_the_other_on_the_shelf() {
    let mut disk = disk();
    with(&mut disk, |disk| {
        let mut kept = Some(open(disk, OLD));
        assert!(hand_over(&mut kept, LIMITS, |_| false, || Err(())).is_err());
        assert_eq!(waiting(&kept.unwrap()), (3..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_directory_that_was_put_in_the_place_of_another_gets_what_waited_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("outbox");
    let shelf = Shelf::default();
    let mut outbox = shelf.take(&path, LIMITS).unwrap();
    outbox.push(b"first".to_vec()).unwrap();
    outbox.sync();
    fs::rename(&path, dir.path().join("away")).unwrap();
    fs::create_dir(&path).unwrap();
    // Too much for one segment: the next lies in the new directory.
    for number in 0..10 {
        outbox.push(vec![number; 10_000]).unwrap();
    }
    outbox.sync();
    shelf.put(outbox);
    let outbox = shelf.take(&path, LIMITS).unwrap();
    let first: Vec<u8> = outbox.queue.waiting().map(|(_, payload)| payload[0]).collect();
    assert_eq!(first, [b'f', 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    drop(outbox);
    assert_eq!(Outbox::open(&path, LIMITS).unwrap().counts().waiting, 11);
}
