use super::*;
use crate::detector::data::{Face, Kind};

fn face(left: f32, kind: Kind) -> Face {
    Face {
        kind,
        bounds: [left, 0.0, left + 20.0, 20.0],
        points: None,
    }
}

fn found(left: f32, score: f32) -> Detection {
    Detection {
        score,
        bounds: [left, 0.0, left + 20.0, 20.0],
        points: [[0.0; 2]; 5],
    }
}

fn seen(found: Vec<Detection>, faces: Vec<Face>) -> Detected {
    Detected {
        found,
        faces,
        dropped: 0,
    }
}

#[test]
fn average_precision_is_that_of_a_curve_drawn_by_hand() {
    let mut tally = Tally::default();
    // Hit at 0.9, alarm at 0.8, hit at 0.7, one face missed: precisions 1 and 2/3, of three faces.
    let faces = vec![face(0.0, Kind::Face), face(100.0, Kind::Face), face(200.0, Kind::Face)];
    tally.take(
        &seen(vec![found(2.0, 0.9), found(300.0, 0.8), found(100.0, 0.7)], faces),
        false,
        16.0,
    );
    assert!((tally.average_precision() - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-9);
    let (none, one) = (tally.at_alarms(0), tally.at_alarms(1));
    assert!((none.0 - 1.0 / 3.0).abs() < 1e-9 && (one.0 - 2.0 / 3.0).abs() < 1e-9);
    assert_eq!(tally.at_score(0.75), [1, 1, 0]);
}

#[test]
fn a_second_detection_of_a_face_is_an_alarm_and_one_on_an_ignored_box_is_nothing() {
    let mut tally = Tally::default();
    let faces = vec![face(0.0, Kind::Face), face(100.0, Kind::Ignore)];
    tally.take(
        &seen(vec![found(0.0, 0.9), found(1.0, 0.8), found(101.0, 0.7)], faces),
        false,
        16.0,
    );
    assert_eq!(tally.at_score(0.5), [1, 1, 0]);
    tally.take(&seen(vec![found(0.0, 0.6)], Vec::new()), true, 16.0);
    assert_eq!(tally.at_score(0.5), [1, 2, 1]);
}

#[test]
fn small_faces_count_neither_way() {
    let mut tally = Tally::default();
    tally.take(&seen(vec![found(0.0, 0.9)], vec![face(0.0, Kind::Face)]), false, 30.0);
    assert_eq!((tally.faces().count(), tally.at_score(0.5)), (0, [0; 3]));
}

#[test]
fn faces_and_alarms_are_counted_from_each_score_on() {
    let mut tally = Tally::default();
    tally.take(
        &seen(vec![found(0.0, 0.62), found(200.0, 0.58)], vec![face(0.0, Kind::Face)]),
        false,
        16.0,
    );
    tally.take(&seen(vec![found(0.0, 0.52)], Vec::new()), true, 16.0);
    let at = |score: f32| at_score(&tally, score);
    let counted = |score: f32| {
        (
            at(score).found.iter().sum::<usize>(),
            at(score).alarms,
            at(score).alarms_on_empty,
        )
    };
    assert_eq!(
        [0.5, 0.55, 0.6, 0.65].map(counted),
        [(1, 2, 1), (1, 1, 0), (1, 0, 0), (0, 0, 0)]
    );
}
