//! `kill -9` while a program counts. The test runs itself again as the program that is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use durable::SystemDisk;
use durable::power::Dice;

use super::*;
use crate::counts::Book;

/// Names the directory to the program that is killed.
const DIR: &str = "COUNTS_OF_THE_TEST";

const KEEP_DAYS: usize = 3;

/// Counts for ever, over many days; says what it has confirmed.
fn count(dir: &Path) {
    let mut disk = SystemDisk::default();
    let mut book = Book::open(&mut disk, dir, KEEP_DAYS).unwrap();
    let mut out = std::io::stdout();
    for step in book.total().visitors.. {
        let day = step as i64 / 4;
        book.add(&mut disk, &visitors(Quarter::in_day(day, (step % 4) as u8), 1))
            .unwrap();
        book.save(&mut disk).unwrap();
        writeln!(out, "confirmed {}", step + 1).unwrap();
        book.prune(&mut disk, day).unwrap();
    }
}

#[test]
fn a_program_that_is_killed_has_lost_nothing_confirmed_and_counted_nothing_twice() {
    if let Some(dir) = std::env::var_os(DIR) {
        return count(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut confirmed, mut dice) = (0, Dice::new(7));
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "counts::tests::killed::a_program_that_is_killed_has_lost_nothing_confirmed_and_counted_nothing_twice",
                "--exact",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut left = 1 + dice.below(12);
        for line in lines.map_while(Result::ok) {
            // The frame of the tests says something, too.
            let Some(number) = line
                .split_once("confirmed ")
                .and_then(|(_, number)| number.parse().ok())
            else {
                continue;
            };
            confirmed = number;
            if left > 0 {
                left -= 1;
                if left == 0 {
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let book = Book::open(&mut SystemDisk::default(), dir.path(), KEEP_DAYS).unwrap();
        let total = book.total().visitors;
        assert!(
            total == confirmed || total == confirmed + 1,
            "{round}: {total}, confirmed {confirmed}"
        );
        confirmed = total;
    }
    assert!(confirmed > 10);
}
