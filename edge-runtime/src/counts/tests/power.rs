//! Power cuts at every write, and disks that are full from any write on.

use std::cell::Cell;
use std::path::Path;

use durable::Disk;
use durable::power::{PowerDisk, every_cut, every_full_disk};

use super::*;
use crate::counts::{Book, CountsError};

const DIR: &str = "/counts";

const KEEP_DAYS: usize = 2;

fn disk() -> PowerDisk {
    let mut disk = PowerDisk::default();
    disk.make_dir(Path::new(DIR)).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    disk
}

fn open(disk: &mut PowerDisk) -> Result<Book, CountsError> {
    Book::open(disk, Path::new(DIR), KEEP_DAYS)
}

/// The day and the quarter of each step; days come that are too many, and the first comes again.
const STEPS: [(i64, u8); 8] = [(0, 0), (1, 40), (1, 40), (1, 41), (2, 0), (3, 7), (0, 0), (3, 8)];

/// One visitor a step, made to last; `confirmed` hears how many are, and `begun` how many may be.
fn count(disk: &mut PowerDisk, confirmed: &Cell<u64>, begun: &Cell<u64>) -> Result<(), CountsError> {
    let mut book = open(disk)?;
    for (day, quarter) in STEPS {
        begun.set(begun.get() + 1);
        book.add(disk, &visitors(Quarter::in_day(day, quarter), 1))?;
        book.save(disk)?;
        confirmed.set(begun.get());
        book.prune(disk, day)?;
    }
    Ok(())
}

#[test]
fn no_power_cut_loses_what_was_confirmed_or_counts_it_twice() {
    let (confirmed, begun) = (Cell::new(0), Cell::new(0));
    let mut cuts = 0;
    every_cut(
        &disk(),
        10,
        |disk| {
            confirmed.set(0);
            begun.set(0);
            // The power fails somewhere.
            let _ = count(disk, &confirmed, &begun);
        },
        |disk| {
            cuts += 1;
            let mut book = open(disk).unwrap();
            let total = book.total().visitors;
            assert!(
                (confirmed.get()..=begun.get()).contains(&total),
                "{total}: {confirmed:?} of {begun:?}"
            );
            assert_eq!(book.take_damaged().len(), 0);
            // What is there can be counted on with, and read again.
            book.add(disk, &visitors(Quarter::in_day(3, 9), 1)).unwrap();
            book.save(disk).unwrap();
            book.prune(disk, 3).unwrap();
            assert_eq!(open(disk).unwrap().total().visitors, total + 1);
        },
    );
    assert_eq!(confirmed.get(), STEPS.len() as u64);
    assert!(cuts > 400, "{cuts}");
}

#[test]
fn a_full_disk_loses_nothing_that_is_written_once_there_is_room() {
    let work = |disk: &mut PowerDisk| {
        let mut book = open(disk).unwrap();
        let mut waiting = Vec::new();
        for (day, quarter) in STEPS {
            let delta = visitors(Quarter::in_day(day, quarter), 1);
            if book.add(disk, &delta).is_err() {
                waiting.push(delta);
            } else if book.save(disk).is_ok() {
                // Tried again with the next step.
                let _ = book.prune(disk, day);
            }
        }
        (book, waiting)
    };
    let mut tried = 0;
    every_full_disk(&disk(), work, |(mut book, waiting), disk| {
        tried += 1;
        for delta in &waiting {
            book.add(disk, delta).unwrap();
        }
        book.save(disk).unwrap();
        book.prune(disk, 3).unwrap();
        let total = book.total().visitors;
        assert_eq!(open(disk).unwrap().total().visitors, total);
        assert_eq!(total, STEPS.len() as u64);
    });
    assert!(tried > 20, "{tried}");
}

#[test]
fn no_more_days_are_kept_than_asked_for_and_the_total_goes_on() {
    let mut disk = disk();
    let mut book = open(&mut disk).unwrap();
    for day in 0..500 {
        book.add(&mut disk, &visitors(Quarter::in_day(day, 5), 2)).unwrap();
        book.save(&mut disk).unwrap();
        book.prune(&mut disk, day).unwrap();
        assert!(book.recent().count() <= 2);
        disk = disk.reboot(|choices| choices - 1);
    }
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.sort();
    assert_eq!(names, ["1971-05-14.json", "1971-05-15.json", "removed.json"]);
    assert_eq!(open(&mut disk).unwrap().total().visitors, 1000);
}

#[test]
fn a_clock_that_is_far_ahead_or_back_in_1970_removes_one_day_at_most() {
    let mut disk = disk();
    let mut book = Book::open(&mut disk, Path::new(DIR), 10).unwrap();
    for day in (20_000..20_010).chain([60_000, 20_010, 0, 20_010]) {
        book.add(&mut disk, &visitors(Quarter::in_day(day, 5), 1)).unwrap();
        book.save(&mut disk).unwrap();
        book.prune(&mut disk, day).unwrap();
    }
    let (quarters, unread) = crate::counts::read_days(&mut disk, Path::new(DIR), 0).unwrap();
    let days: Vec<i64> = quarters.iter().map(|(quarter, _)| quarter.day()).collect();
    assert!(unread.is_empty());
    let expected: Vec<i64> = [0].into_iter().chain(20_003..=20_010).chain([60_000]).collect();
    assert_eq!(days, expected);
    assert_eq!(book.total().visitors, 14);
}

#[test]
fn a_damaged_day_is_set_aside_and_said_and_the_others_stay() {
    let mut disk = disk();
    let mut book = open(&mut disk).unwrap();
    for day in [0, 1] {
        book.add(&mut disk, &visitors(Quarter::in_day(day, 5), 3)).unwrap();
    }
    book.save(&mut disk).unwrap();
    durable::replace(&mut disk, Path::new("/counts/1970-01-01.json"), b"{\"schema\":1,").unwrap();
    let mut book = open(&mut disk).unwrap();
    let [told] = &book.take_damaged()[..] else { panic!() };
    let told = told.to_string();
    assert!(
        told.contains("1970-01-01.json") && told.contains("damaged.txt"),
        "{told}"
    );
    assert_eq!(book.total().visitors, 3);
    let mut names = disk.list(Path::new(DIR)).unwrap();
    names.sort();
    assert_eq!(names, ["1970-01-02.json", "damaged.txt"]);
}
