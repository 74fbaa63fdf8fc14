use super::*;
use crate::detector::data::{Face, Gray, Kind, Predictions};

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

/// A photo with faces of 20 pixels, of a file twice as large.
fn reduced(name: &str, faces: Vec<Face>) -> Photo {
    let gray = Gray {
        width: 160,
        height: 120,
        pixels: vec![0; 160 * 120],
    };
    Photo {
        name: name.to_owned(),
        source: "s".to_owned(),
        held: true,
        scale: 0.5,
        faces,
        pyramid: gray.pyramid(),
    }
}

#[test]
fn predictions_of_every_face_in_pixels_of_the_file_are_perfect_and_others_are_alarms() {
    let photos = [
        reduced("a", vec![face(0.0, Kind::Face), face(100.0, Kind::Face)]),
        reduced("b", Vec::new()),
    ];
    let measured = |rows: &str| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.csv");
        std::fs::write(&path, format!("image,x,y,width,height,score\n{rows}")).unwrap();
        let predictions = Predictions::read(&path).unwrap();
        measure(&predictions, &photos.each_ref(), &Task::plain([160, 120])).unwrap()
    };
    let perfect = measured("a,200,0,40,40,0.6\na,0,0,40,40,0.9\nb,0,0,40,40,0.02\n");
    assert_eq!((perfect.average_precision, perfect.faces), (1.0, 2));
    assert_eq!(
        perfect.at_half,
        [2, 0, 0],
        "less than the task's score counts for nothing"
    );
    let half = measured("a,100,0,20,20,0.6\na,0,0,40,40,0.8\nb,0,0,40,40,0.9\n");
    assert_eq!((half.average_precision, half.at_half), (0.25, [1, 2, 1]));
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
    assert_eq!((tally.faces().len(), tally.at_score(0.5)), (0, [0; 3]));
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

#[test]
fn large_faces_with_points_count_by_how_far_they_look_aside() {
    let mut tally = Tally::default();
    // Eyes 20 apart, and a nose that lies off their middle as far as at 0, 40 and 50 degrees; the last face is small, and
    // another one has no points.
    let face = |left: f32, size: f32, off: Option<f32>| Face {
        bounds: [left, 0.0, left + size, size],
        points: off.map(|off| {
            let nose = [left + 10.0 + off, 10.0];
            [
                [left, 0.0],
                [left + 20.0, 0.0],
                nose,
                [left + 5.0, 20.0],
                [left + 15.0, 20.0],
            ]
        }),
        ..face(left, Kind::Face)
    };
    let faces = vec![
        face(0.0, 40.0, Some(0.0)),
        face(100.0, 40.0, Some(10.7)),
        face(200.0, 40.0, Some(15.2)),
        face(300.0, 40.0, None),
        face(400.0, 31.0, Some(10.7)),
    ];
    let hit = |left: f32, size: f32, score: f32| Detection {
        bounds: [left, 0.0, left + size, size],
        ..found(left, score)
    };
    let hits = vec![
        hit(0.0, 40.0, 0.9),
        hit(100.0, 40.0, 0.5),
        hit(200.0, 40.0, 0.4),
        hit(300.0, 40.0, 0.9),
        hit(400.0, 31.0, 0.9),
    ];
    tally.take(&seen(hits, faces), false, 16.0);
    assert_eq!(figures(&tally, 1, 0, 0).by_yaw, [[1, 1], [1, 1], [0, 1], [0, 0]]);
}
