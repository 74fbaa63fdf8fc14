//! Films whose visitors are known.

use super::*;
use crate::counts::Share;

fn scene(id: u32, from_ms: u64, to_ms: u64, view: View, emotion: &'static str) -> Scene {
    Scene {
        id,
        ms: (from_ms, to_ms),
        view,
        emotion,
    }
}

fn counted(scenes: &[Scene]) -> Tally {
    let hands = Hands::at(TODAY_S, true);
    let mut counter = counter(&hands);
    play(&mut counter, &hands, scenes, 0, 40_000);
    sum(&counter.pending)
}

fn told(tally: &Tally) -> Vec<(&str, Share)> {
    tally
        .told
        .iter()
        .map(|(label, share)| (label.as_str(), *share))
        .collect()
}

#[test]
fn three_people_of_whom_one_comes_back_and_one_passes_in_profile() {
    let tally = counted(&[
        // Comes, smiles, and comes back later with a number of their own.
        scene(1, 0, 5000, View::Camera, "Happy"),
        scene(4, 20_000, 23_000, View::Camera, "Neutral"),
        // Is sad first, and is cheered up.
        scene(2, 2000, 6900, View::Camera, "Sad"),
        scene(2, 7000, 12_000, View::Camera, "Happy"),
        // Passes in profile.
        scene(3, 3000, 6000, View::Profile, "Happy"),
        // Was no visitor.
        scene(5, 9000, 9900, View::Camera, "Happy"),
    ]);
    assert_eq!((tally.visitors, tally.attentive, tally.smiles()), (4, 3, 2));
    assert_eq!((tally.dwell.visits, tally.dwell.ms), (4, 21_000));
    assert_eq!(tally.dwell.histogram, [0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let expected = [
        ("Happy", Share { visitors: 2, ms: 9400 }),
        ("Neutral", Share { visitors: 1, ms: 2700 }),
        ("Sad", Share { visitors: 1, ms: 5000 }),
    ];
    assert_eq!(told(&tally), expected);
    assert_eq!(tally.abstained, Share { visitors: 1, ms: 3900 });
}

#[test]
fn who_is_lost_for_a_moment_and_keeps_the_number_is_one_visitor_who_smiles_once() {
    let tally = counted(&[
        scene(1, 0, 3000, View::Camera, "Happy"),
        scene(1, 4000, 6000, View::Camera, "Sad"),
        scene(1, 6100, 8000, View::Camera, "Happy"),
    ]);
    assert_eq!((tally.visitors, tally.attentive, tally.smiles()), (1, 1, 1));
    assert_eq!((tally.dwell.visits, tally.dwell.ms), (1, 8000));
}

#[test]
fn every_moment_of_a_visit_is_told_or_abstained() {
    let tally = counted(&[
        scene(1, 0, 1500, View::Camera, "Happy"),
        scene(1, 3000, 4000, View::Blurred, "Happy"),
        scene(1, 4100, 9000, View::Camera, "Surprise"),
        scene(2, 500, 9500, View::Profile, "Happy"),
        scene(3, 700, 1800, View::Unconfirmed, "Happy"),
    ]);
    let all: u64 = tally.told.values().map(|share| share.ms).sum();
    assert_eq!(all + tally.abstained.ms, tally.dwell.ms);
    assert_eq!(tally.dwell.visits, tally.visitors);
}

#[test]
fn a_face_that_the_detector_does_not_see_any_more_prolongs_no_visit() {
    let tally = counted(&[
        scene(1, 0, 900, View::Camera, "Happy"),
        scene(1, 1000, 1900, View::Unconfirmed, "Happy"),
        scene(2, 0, 2000, View::Camera, "Happy"),
        scene(2, 2100, 3000, View::Unconfirmed, "Happy"),
    ]);
    assert_eq!((tally.visitors, tally.dwell.ms), (1, 2000));
}

#[test]
fn attention_is_a_second_without_looking_away() {
    for (scenes, attentive) in [
        (vec![scene(1, 0, 1000, View::Camera, "Sad")], 1),
        (
            vec![
                scene(1, 0, 900, View::Camera, "Sad"),
                scene(1, 1000, 1100, View::Profile, "Sad"),
                scene(1, 1200, 2100, View::Camera, "Sad"),
            ],
            0,
        ),
        (
            vec![
                scene(1, 0, 700, View::Camera, "Sad"),
                scene(1, 800, 900, View::Blurred, "Sad"),
                scene(1, 1000, 1300, View::Camera, "Sad"),
            ],
            1,
        ),
    ] {
        assert_eq!(counted(&scenes).attentive, attentive);
    }
}

#[test]
fn each_moment_is_counted_in_the_quarter_that_it_falls_into() {
    let hands = Hands::at(TODAY_S + 895, true);
    let mut counter = counter(&hands);
    play(
        &mut counter,
        &hands,
        &[scene(1, 0, 10_000, View::Camera, "Happy")],
        0,
        15_000,
    );
    let [first, second] = counter.pending.deltas() else {
        panic!("{:?}", counter.pending);
    };
    assert_eq!(
        (first.quarter, second.quarter),
        (Quarter::of(TODAY_S), Quarter::of(TODAY_S + 900))
    );
    assert!(!first.doubtful && !second.doubtful);
    assert_eq!((first.tally.visitors, second.tally.visitors), (1, 0));
    assert_eq!((first.tally.dwell.visits, second.tally.dwell.visits), (0, 1));
    // Frames every 100 ms: 4.9 s lie before the quarter's end, 0.3 s of them without an emotion.
    let happy = |tally: &Tally| tally.told.values().next().unwrap().ms;
    assert_eq!((happy(&first.tally), happy(&second.tally)), (4600, 5100));
}

#[test]
fn a_face_that_nobody_tracks_is_not_counted() {
    let hands = Hands::at(TODAY_S, true);
    let (mut counter, classes) = (counter(&hands), classes());
    let scenes = [scene(1, 0, 5000, View::Camera, "Happy")];
    for time_ms in (0..5000).step_by(100) {
        for mut line in lines(&scenes, time_ms, &classes) {
            line.face.as_mut().unwrap().id = None;
            counter.face(&line);
        }
        counter.count(time_ms);
    }
    counter.end();
    assert!(counter.pending.is_empty());
}

#[test]
fn a_source_that_begins_again_ends_the_visits_of_before() {
    let hands = Hands::at(TODAY_S, true);
    let mut counter = counter(&hands);
    let scenes = [scene(1, 0, 5000, View::Camera, "Happy")];
    play(&mut counter, &hands, &scenes, 0, 5000);
    play(&mut counter, &hands, &scenes, 0, 5000);
    counter.end();
    let tally = sum(&counter.pending);
    assert_eq!((tally.visitors, tally.dwell.ms), (2, 10_000));
}

#[test]
fn visits_end_where_no_frame_comes_any_more() {
    let hands = Hands::at(TODAY_S, true);
    let mut counter = counter(&hands);
    play(
        &mut counter,
        &hands,
        &[scene(1, 0, 5000, View::Camera, "Happy")],
        0,
        5000,
    );
    counter.rest();
    assert_eq!(sum(&counter.pending).dwell.visits, 0);
    hands.pass(10_000);
    counter.rest();
    assert_eq!(sum(&counter.pending).dwell.visits, 1);
}

#[test]
fn a_crowd_is_counted_within_bounds() {
    let scenes: Vec<Scene> = (0..60).map(|id| scene(id, 0, 2000, View::Camera, "Sad")).collect();
    let tally = counted(&scenes);
    // More than can be tracked: whoever is too many is no visitor, and the others are counted once each.
    assert!(tally.visitors <= 60);
    assert_eq!(tally.dwell.visits, tally.visitors);
}
