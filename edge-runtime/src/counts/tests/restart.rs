//! The sink with its thread, on a disk of the machine.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use vision::stats::Stats;

use super::*;
use crate::counts::{Board, CountsError, CountsLock, CountsSettings, CountsSink, Start};
use crate::sink::{FrameFacts, SignalSink};

const VISITOR: Scene = Scene {
    id: 1,
    ms: (0, 3000),
    view: View::Camera,
    emotion: "Happy",
};

fn start(dir: &Path, board: &Arc<Board>, hands: &Hands) -> Result<CountsSink, CountsError> {
    CountsSink::start(Start {
        settings: CountsSettings {
            dir: dir.join("counts"),
            keep_days: 400,
            min_visitors: 3,
        },
        lock: CountsLock::take(&dir.join("counts"))?,
        rules: rules(),
        board: Arc::clone(board),
        wall: Box::new(hands.clone()),
    })
}

/// A film of one visitor, through the seam that every sink has.
fn show(sink: &mut CountsSink) {
    let (classes, stats) = (classes(), Stats::default());
    for time_ms in (0..=8000).step_by(100) {
        for line in lines(&[VISITOR], time_ms, &classes) {
            sink.frame(&line).unwrap();
        }
        let facts = FrameFacts {
            number: time_ms / 100,
            time_ms,
            width: 96,
            height: 96,
            light: 0.5,
            counting: Some(1),
            stats: &stats,
        };
        sink.measured(&facts).unwrap();
        sink.beat().unwrap();
    }
}

#[test]
fn counts_go_on_where_the_program_before_ended_and_are_shown_once_they_are_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let hands = Hands::at(TODAY_S + 36_000, true);
    for round in 1..=3 {
        let board = Arc::default();
        let mut sink = start(dir.path(), &board, &hands).unwrap();
        assert_eq!(board.total().unwrap().visitors, round - 1);
        show(&mut sink);
        sink.close().unwrap();
        let total = board.total().unwrap();
        assert_eq!((total.visitors, total.attentive, total.smiles()), (round, round, round));
        assert_eq!(total.dwell.visits, round);
    }
    let names: Vec<_> = std::fs::read_dir(dir.path().join("counts"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}: a day, and the lock");
}

#[test]
fn a_directory_is_counted_into_by_one_program_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (board, hands) = (Arc::default(), Hands::at(TODAY_S, true));
    let first = start(dir.path(), &board, &hands).unwrap();
    assert!(matches!(
        start(dir.path(), &board, &hands),
        Err(CountsError::Busy { .. })
    ));
    drop(first);
    assert!(start(dir.path(), &board, &hands).is_ok());
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("counts"), "a file").unwrap();
    let error = start(dir.path(), &Arc::default(), &Hands::at(TODAY_S, true))
        .err()
        .unwrap();
    assert!(error.to_string().contains("/counts: "), "{error}");
}

#[test]
fn today_is_the_day_of_the_place_hour_by_hour() {
    let dir = tempfile::tempdir().unwrap();
    let board: Arc<Board> = Arc::default();
    assert_eq!(board.today(), None, "nothing is counted");
    // 23:30 of the day before and 0:15, 0:30 and 10:00 of today, in a place an hour ahead of UTC.
    for (seconds, vouched) in [(-5400, true), (-2700, true), (-1800, true), (32_400, false)] {
        let mut sink = start(dir.path(), &board, &Hands::at(TODAY_S + seconds, vouched)).unwrap();
        show(&mut sink);
        sink.close().unwrap();
    }
    let zone = TimeZone::fixed(Offset::constant(1));
    let at = |seconds| Timestamp::from_second(TODAY_S + seconds).unwrap();
    let today = board.today_at(at(40_000), &zone).unwrap();
    let hours: Vec<_> = today
        .hours
        .iter()
        .map(|hour| (hour.hour, hour.visitors, hour.smiles))
        .collect();
    assert_eq!((today.now_hour, hours), (12, vec![(0, 2, 2), (10, 1, 1)]));
    assert!(today.doubtful);
    let yesterday = board.today_at(at(-5000), &zone).unwrap();
    assert_eq!((yesterday.hours.len(), yesterday.doubtful), (1, false));
    assert_eq!(board.today_at(at(90_000), &zone).unwrap().hours, []);
}

#[test]
fn a_link_in_place_of_the_lock_leads_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("counts")).unwrap();
    std::fs::write(dir.path().join("treasure"), "precious").unwrap();
    std::os::unix::fs::symlink("../treasure", dir.path().join("counts/lock")).unwrap();
    let hands = Hands::at(TODAY_S, true);
    assert!(start(dir.path(), &Arc::default(), &hands).is_err());
    assert_eq!(std::fs::read(dir.path().join("treasure")).unwrap(), b"precious");
}

#[test]
fn what_is_no_file_or_cannot_be_set_aside_ends_no_kiosk_and_the_days_beside_it_count() {
    let dir = tempfile::tempdir().unwrap();
    let counts = dir.path().join("counts");
    let hands = Hands::at(TODAY_S + 36_000, true);
    let board = Arc::default();
    let mut sink = start(dir.path(), &board, &hands).unwrap();
    show(&mut sink);
    sink.close().unwrap();
    // Directories in place of days, of the sum of removed ones, and of the file for damaged ones.
    for name in ["2026-01-01.json", "2026-01-03.json", "removed.json", "damaged.txt"] {
        std::fs::create_dir(counts.join(name)).unwrap();
    }
    std::os::unix::fs::symlink("/dev/zero", counts.join("2026-01-02.json")).unwrap();
    std::fs::write(counts.join("2026-01-04.json"), "{").unwrap();
    let board = Arc::default();
    let mut sink = start(dir.path(), &board, &hands).unwrap();
    show(&mut sink);
    sink.close().unwrap();
    assert_eq!(board.total().unwrap().visitors, 2);
}
