use super::*;
use crate::track::shape::tests::face;

const REGION: Rect = Rect {
    x: 0.0,
    y: 0.0,
    w: 640.0,
    h: 480.0,
};

fn at(cx: f32, cy: f32, side: f32) -> Detection {
    let bounds = Rect {
        x: cx - side / 2.0,
        y: cy - side / 2.0,
        w: side,
        h: side,
    };
    Detection { bounds, score: 5.0 }
}

/// Moves a face to these keypoints, as far as many frames do.
fn settle(tracks: &mut Tracks, id: u32, keypoints: &Keypoints) {
    let from = tracks.get(id).unwrap().moved_ms;
    for frame in 1..=40 {
        tracks.moved(id, keypoints, from + 40 * frame);
    }
}

fn ids(tracks: &Tracks) -> Vec<u32> {
    tracks.live().iter().map(|track| track.id).collect()
}

/// Tracks that have seen these faces at 0 ms.
fn seen(policy: Policy, faces: &[Detection]) -> Tracks {
    let mut tracks = Tracks::new(policy);
    tracks.found(faces, &REGION, 0);
    tracks
}

#[test]
fn each_policy_follows_its_face() {
    let faces = [at(60.0, 100.0, 80.0), at(330.0, 240.0, 60.0), at(500.0, 100.0, 120.0)];
    for (policy, expected) in [
        (Policy::Largest, 440.0),
        (Policy::First, 440.0),
        (Policy::Centre, 300.0),
    ] {
        let tracks = seen(policy, &faces);
        assert_eq!(tracks.live().len(), 1);
        assert_eq!(tracks.live()[0].bounds.x, expected, "{policy:?}");
        assert_eq!(tracks.counting(), Some(1));
    }
    let all = seen(Policy::All, &faces);
    assert_eq!(ids(&all), [1, 2, 3]);
    assert_eq!(all.counting(), Some(1), "the largest");
}

#[test]
fn at_most_eight_faces_are_followed() {
    let faces: Vec<Detection> = (0..12).map(|n| at(30.0 + 50.0 * n as f32, 100.0, 40.0)).collect();
    let tracks = seen(Policy::All, &faces);
    assert_eq!(tracks.live().len(), MAX_FACES);
}

#[test]
fn another_face_takes_over_only_when_it_is_clearly_better() {
    let first = at(200.0, 240.0, 80.0);
    for (policy, other, takes_over) in [
        (Policy::Largest, at(450.0, 240.0, 95.0), false),
        (Policy::Largest, at(450.0, 240.0, 110.0), true),
        (Policy::Centre, at(340.0, 240.0, 40.0), true),
        (Policy::Centre, at(430.0, 240.0, 40.0), false),
        (Policy::First, at(450.0, 240.0, 300.0), false),
    ] {
        let mut tracks = seen(policy, &[first]);
        tracks.found(&[first, other], &REGION, 100);
        let expected = if takes_over { 2 } else { 1 };
        assert_eq!(ids(&tracks), [expected], "{policy:?} {other:?}");
        assert_eq!(tracks.counting(), Some(expected));
    }
}

#[test]
fn among_all_the_face_that_counts_changes_only_to_a_clearly_larger_one() {
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0), at(400.0, 100.0, 75.0)]);
    assert_eq!(tracks.counting(), Some(1));
    for (side, expected) in [(90.0, 1), (99.0, 1), (110.0, 2), (70.0, 2), (60.0, 1)] {
        tracks.get_mut(2).unwrap().bounds = at(400.0, 100.0, side).bounds;
        tracks.tidy(&REGION, 100);
        assert_eq!(tracks.counting(), Some(expected), "{side}");
    }
}

#[test]
fn box_goes_some_of_the_way_to_the_keypoints_and_keeps_about_the_detectors_size() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    let there = tracks.moved(1, &face(120.0, 100.0, 80.0, 0.1), 40).unwrap();
    assert!(there.overlap(&at(105.0, 100.0, 80.0).bounds) > 0.97, "{there:?}");
    // Frames that are far apart go farther: most of what is left, and all of it.
    let mut left = |now_ms: u64| {
        let there = tracks.moved(1, &face(120.0, 100.0, 80.0, 0.1), now_ms).unwrap();
        120.0 - (there.x + there.w / 2.0)
    };
    assert!((left(240) - 3.9).abs() < 0.5 && left(700).abs() < 0.5);
    settle(&mut tracks, 1, &face(120.0, 100.0, 80.0, 0.1));
    let bounds = tracks.get(1).unwrap().bounds;
    assert!(bounds.overlap(&at(120.0, 100.0, 80.0).bounds) > 0.95, "{bounds:?}");
    for (spread, side) in [(800.0, 100.0), (90.0, 90.0), (8.0, 64.0)] {
        settle(&mut tracks, 1, &face(120.0, 100.0, spread, 0.0));
        let w = tracks.get(1).unwrap().bounds.w;
        assert!((w - side).abs() < 1.0, "{w} instead of {side}");
    }
}

#[test]
fn box_goes_on_as_it_did_until_its_face_is_nowhere_like_before() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    let mut centre = |by: Option<[f32; 2]>| {
        let (expected, comparable) = tracks.expect(1).unwrap();
        assert!(comparable);
        (expected.x + 40.0, tracks.shift(1, by).unwrap().x + 40.0)
    };
    assert_eq!(centre(Some([10.0, 0.0])), (100.0, 110.0));
    assert_eq!(centre(Some([2.0, 0.0])), (120.0, 122.0));
    assert_eq!(centre(None), (134.0, 122.0));
    assert_eq!(centre(Some([90.0, 0.0])), (122.0, 212.0));
    // At most 0.6 sides.
    assert_eq!(centre(Some([0.0, 0.0])), (260.0, 260.0));
}

#[test]
fn a_box_that_the_detector_set_elsewhere_is_not_compared_with_the_frame_before() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    for (x, comparable) in [(105.0, true), (140.0, false)] {
        tracks.checked(1, &[at(x, 100.0, 80.0)], 10);
        assert_eq!(tracks.expect(1).unwrap().1, comparable, "{x}");
        assert!(tracks.expect(1).unwrap().1);
    }
}

#[test]
fn a_lost_face_gets_its_number_back_for_a_second_and_near_by() {
    for (time, x, side, expected) in [
        (100, 110.0, 80.0, 1),
        (1000, 150.0, 90.0, 1),
        (1100, 110.0, 80.0, 2),
        (100, 300.0, 80.0, 2),
        (100, 110.0, 170.0, 2),
    ] {
        let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
        tracks.lose(1, 0);
        assert_eq!(tracks.counting().and_then(|id| tracks.get(id)), None);
        tracks.found(&[at(x, 100.0, side)], &REGION, time);
        assert_eq!(ids(&tracks), [expected], "{x} after {time} ms");
    }
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    tracks.forget(1);
    tracks.found(&[at(100.0, 100.0, 80.0)], &REGION, 0);
    assert_eq!(ids(&tracks), [2], "who cannot come back has no heir");
}

#[test]
fn what_the_detector_no_longer_finds_ends_after_a_second() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    tracks.checked(1, &[], 900);
    tracks.checked(1, &[at(105.0, 100.0, 75.0)], 950);
    tracks.checked(1, &[at(300.0, 100.0, 75.0)], 1900);
    assert_eq!((ids(&tracks), tracks.get(1).unwrap().confirmed_ms), (vec![1], 950));
    tracks.checked(1, &[], 1951);
    assert_eq!(ids(&tracks), [0; 0]);
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0)]);
    tracks.found(&[], &REGION, 1001);
    assert_eq!(ids(&tracks), [0; 0]);
}

#[test]
fn a_box_that_drifted_is_set_back() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    tracks.checked(1, &[at(110.0, 100.0, 80.0)], 10);
    assert_eq!(tracks.get(1).unwrap().bounds, at(100.0, 100.0, 80.0).bounds);
    tracks.checked(1, &[at(135.0, 100.0, 80.0)], 20);
    assert_eq!(tracks.get(1).unwrap().bounds, at(135.0, 100.0, 80.0).bounds);
}

#[test]
fn two_tracks_on_one_face_become_one_and_neighbours_stay_two() {
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0), at(190.0, 100.0, 80.0)]);
    settle(&mut tracks, 2, &face(170.0, 100.0, 80.0, 0.0));
    tracks.tidy(&REGION, 10);
    assert_eq!(ids(&tracks), [1, 2]);
    settle(&mut tracks, 2, &face(110.0, 100.0, 80.0, 0.0));
    tracks.tidy(&REGION, 20);
    assert_eq!(ids(&tracks), [1]);
}

#[test]
fn faces_outside_the_region_do_not_count() {
    let half = Rect { w: 320.0, ..REGION };
    let mut tracks = Tracks::new(Policy::All);
    tracks.found(&[at(100.0, 100.0, 80.0), at(330.0, 100.0, 90.0)], &half, 0);
    assert_eq!(tracks.live().len(), 1);
    settle(&mut tracks, 1, &face(325.0, 100.0, 80.0, 0.0));
    tracks.tidy(&half, 10);
    assert_eq!((ids(&tracks), tracks.counting()), (vec![], None));
}

#[test]
fn only_faces_that_can_change_who_is_followed_are_searched() {
    let faces = [at(100.0, 100.0, 80.0), at(300.0, 100.0, 60.0)];
    for (policy, expected) in [
        (Policy::Largest, Some(64.0)),
        (Policy::Centre, Some(20.0)),
        (Policy::First, None),
        (Policy::All, Some(20.0)),
    ] {
        assert_eq!(seen(policy, &[]).rival_px(20.0), Some(20.0), "{policy:?}");
        assert_eq!(seen(policy, &faces).rival_px(20.0), expected, "{policy:?}");
    }
    assert_eq!(seen(Policy::Largest, &faces).rival_px(70.0), Some(70.0));
    let many: Vec<Detection> = (0..8).map(|n| at(30.0 + 50.0 * n as f32, 100.0, 40.0)).collect();
    assert_eq!(seen(Policy::All, &many).rival_px(20.0), None, "nobody else has room");
}

#[test]
fn a_lost_face_is_sought_again_and_again_while_there_is_room_for_it() {
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0), at(300.0, 100.0, 60.0)]);
    tracks.lose(2, 50);
    assert_eq!((tracks.sought(149, 100), tracks.sought(150, 100)), (None, Some(2)));
    assert_eq!(tracks.ask(2, 150), Some((at(300.0, 100.0, 60.0).bounds, 60.0)));
    assert_eq!((tracks.sought(249, 100), tracks.sought(250, 100)), (None, Some(2)));
    tracks.tidy(&REGION, 1051);
    assert_eq!(tracks.sought(1051, 100), None, "not for ever");
    let mut one = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    one.lose(1, 0);
    one.found(&[at(500.0, 100.0, 80.0)], &REGION, 10);
    assert_eq!(one.sought(200, 100), None, "another one has its place");
}

#[test]
fn a_box_is_set_back_to_where_the_detector_found_it() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    assert!(tracks.checked(1, &[at(106.0, 100.0, 80.0)], 10));
    assert!(!tracks.checked(1, &[at(400.0, 100.0, 80.0)], 20));
    assert_eq!(tracks.set_back(1), Some(at(106.0, 100.0, 80.0).bounds));
    assert_eq!(tracks.set_back(2), None);
}

#[test]
fn a_face_that_went_fast_is_found_next_to_its_box() {
    for (x, side, there) in [
        (155.0, 80.0, true),
        (45.0, 90.0, true),
        (165.0, 80.0, false),
        (150.0, 150.0, false),
    ] {
        let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
        let face = at(x, 100.0, side);
        assert_eq!(
            tracks.checked(1, &[at(400.0, 100.0, 80.0), face], 10),
            there,
            "{face:?}"
        );
        assert_eq!(tracks.get(1).unwrap().bounds == face.bounds, there);
    }
}

#[test]
fn the_face_of_another_track_is_not_taken() {
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0), at(155.0, 100.0, 80.0)]);
    // The first one turned away: what is next to its box is the second one's.
    assert!(!tracks.checked(1, &[at(153.0, 100.0, 80.0)], 10));
    assert!(tracks.checked(2, &[at(153.0, 100.0, 80.0)], 10));
    // Both there, and so near that each covers some of the other.
    assert!(tracks.checked(1, &[at(105.0, 100.0, 80.0), at(140.0, 100.0, 80.0)], 20));
    assert_eq!(tracks.get(1).unwrap().detected, at(105.0, 100.0, 80.0).bounds);
}

#[test]
fn a_box_that_left_with_its_keypoints_gets_back_to_the_face() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 100.0)]);
    settle(&mut tracks, 1, &face(150.0, 110.0, 50.0, 0.0));
    let bounds = tracks.get(1).unwrap().bounds;
    let there = at(95.0, 100.0, 105.0);
    assert!(there.bounds.overlap(&bounds) < SAME, "{bounds:?}");
    assert_eq!(tracks.ask(1, 300), Some((bounds, 100.0)));
    assert!(tracks.checked(1, &[there], 300));
    assert_eq!(tracks.get(1).unwrap().bounds, there.bounds);
}

#[test]
fn who_looked_down_for_long_gets_the_number_back() {
    let mut tracks = seen(Policy::Largest, &[at(100.0, 100.0, 80.0)]);
    tracks.checked(1, &[], 1001);
    assert_eq!(ids(&tracks), [0; 0]);
    tracks.found(&[at(110.0, 100.0, 80.0)], &REGION, 1900);
    assert_eq!(ids(&tracks), [1]);
}

#[test]
fn a_track_that_turns_out_to_be_anothers_begins_anew_and_nobody_inherits_its_number() {
    let mut tracks = seen(Policy::All, &[at(100.0, 100.0, 80.0), at(300.0, 100.0, 60.0)]);
    let there = at(115.0, 100.0, 90.0);
    assert!(tracks.checked(1, &[there], 700));
    assert_eq!(tracks.renew(1), Some(3));
    let new = *tracks.get(3).unwrap();
    assert_eq!((new.bounds, new.began_ms, new.confirmed_ms), (there.bounds, 700, 700));
    assert_eq!((ids(&tracks), tracks.knows(1)), (vec![2, 3], false));
    tracks.tidy(&REGION, 700);
    assert_eq!(tracks.counting(), Some(3), "the largest");
    tracks.lose(3, 700);
    tracks.found(&[there], &REGION, 800);
    let back = tracks.get(3).unwrap();
    assert_eq!((back.began_ms, back.confirmed_ms), (800, 800));
    assert_eq!(tracks.renew(1), None);
}
