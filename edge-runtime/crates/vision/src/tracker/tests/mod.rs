//! Films of boxes.

use std::convert::Infallible;

use super::*;

mod doubtful;

const REGION: Rect = Rect {
    x: 0.0,
    y: 0.0,
    w: 640.0,
    h: 480.0,
};

/// A sure face with this centre and side.
fn face(cx: f32, cy: f32, side: f32) -> Observation {
    scored(cx, cy, side, 0.9)
}

fn scored(cx: f32, cy: f32, side: f32, score: f32) -> Observation {
    let bounds = Rect {
        x: cx - side / 2.0,
        y: cy - side / 2.0,
        w: side,
        h: side,
    };
    Observation {
        bounds,
        score,
        roll: 0.0,
    }
}

/// A tracker, and the time of its next frame.
struct Film {
    tracker: Tracker,
    now_ms: u64,
    frame_ms: u64,
    searched: bool,
    /// What a second look says, and how many there were.
    second: f32,
    looks: u32,
}

impl Film {
    fn new(policy: Policy) -> Self {
        Self {
            tracker: Tracker::new(policy, TrackerSettings::default(), 1),
            now_ms: 0,
            frame_ms: 50,
            searched: true,
            second: 0.0,
            looks: 0,
        }
    }

    /// The next frame; gives the numbers that are shown.
    fn show(&mut self, found: &[Observation]) -> Vec<u32> {
        let look = |_: &Rect, _: f32| {
            self.looks += 1;
            Ok::<_, Infallible>(self.second)
        };
        let Ok(()) = self.tracker.update((found, self.searched), &REGION, self.now_ms, look);
        self.now_ms += self.frame_ms;
        self.tracker.shown().map(|track| track.id).collect()
    }

    /// The same for so many frames; gives the numbers of the last.
    fn hold(&mut self, found: &[Observation], frames: u32) -> Vec<u32> {
        (0..frames).map(|_| self.show(found)).last().unwrap()
    }
}

#[test]
fn what_is_sure_on_end_has_no_number_before_one_sight_is_certain() {
    let mut film = Film::new(Policy::All);
    assert!(film.hold(&[scored(100.0, 100.0, 50.0, 0.755)], 100).is_empty());
    assert_eq!(film.show(&[scored(100.0, 100.0, 50.0, 0.765)]), [1]);
    assert_eq!(film.hold(&[scored(100.0, 100.0, 50.0, 0.3)], 100), [1]);
}

#[test]
fn a_second_look_gives_a_face_its_number_in_its_second_frame_and_none_follows_it() {
    let mut film = Film {
        second: 0.8,
        ..Film::new(Policy::All)
    };
    let small = [scored(100.0, 100.0, 20.0, 0.51)];
    assert!(film.show(&small).is_empty());
    assert_eq!((film.show(&small), film.looks), (vec![1], 1));
    assert_eq!((film.hold(&small, 100), film.looks), (vec![1], 1));
    // Of what is certain, none is needed.
    film.hold(&[small[0], face(400.0, 300.0, 60.0)], 10);
    assert_eq!(film.looks, 1);
}

#[test]
fn a_place_that_was_refused_is_looked_at_again_after_a_pause_even_if_its_candidate_came_anew() {
    let mut film = Film {
        second: 0.6,
        frame_ms: 18,
        ..Film::new(Policy::All)
    };
    let poster = [scored(100.0, 100.0, 50.0, 0.51)];
    assert!(film.hold(&poster, 2).is_empty());
    film.hold(&[], 9);
    assert!(film.tracker.is_idle());
    film.hold(&poster, 2);
    assert_eq!(film.looks, 1, "too soon");
    film.hold(&poster, 60);
    assert_eq!(film.looks, 6, "once in 216 ms");
    // One look that is sure may be noise; two are not.
    film.second = 0.8;
    assert_eq!((film.hold(&poster, 12), film.looks), (vec![], 7));
    assert_eq!((film.hold(&poster, 12), film.looks), (vec![1], 8));
}

#[test]
fn a_look_that_fails_by_a_little_is_followed_by_one_more_at_once() {
    let face = [scored(100.0, 100.0, 20.0, 0.51)];
    let looks = |second: f32| {
        let mut film = Film {
            second,
            ..Film::new(Policy::All)
        };
        let looks = [(); 7].map(|()| {
            assert!(film.show(&face).is_empty());
            film.looks
        });
        (film, looks)
    };
    // The mean must reach 0.665, and 0.69 makes it 0.654.
    let (mut film, nearly) = looks(0.69);
    assert_eq!(nearly, [0, 1, 2, 2, 2, 2, 3]);
    assert_eq!(looks(0.6).1, [0, 1, 1, 1, 1, 2, 2]);
    film.second = 0.9;
    film.hold(&face, 4);
    assert_eq!((film.show(&face), film.looks), (vec![1], 4));
}

#[test]
fn one_candidate_is_looked_at_in_a_frame_and_a_refused_one_keeps_nobody_waiting() {
    let mut film = Film {
        second: 0.9,
        ..Film::new(Policy::All)
    };
    let three = [100.0, 300.0, 500.0].map(|x| scored(x, 100.0, 50.0, 0.6));
    film.show(&three);
    assert_eq!([(); 3].map(|()| film.show(&three).len()), [1, 2, 3]);
    film.second = 0.0;
    let poster = scored(300.0, 300.0, 100.0, 0.6);
    film.hold(&[three[0], three[1], three[2], poster], 3);
    film.second = 0.9;
    let late = scored(500.0, 300.0, 50.0, 0.6);
    assert_eq!(
        film.hold(&[three[0], three[1], three[2], poster, late], 2),
        [1, 2, 3, 4]
    );
}

#[test]
fn a_second_look_that_fails_is_told_and_gives_no_number() {
    let mut tracker = Tracker::new(Policy::All, TrackerSettings::default(), 1);
    let found = [scored(100.0, 100.0, 50.0, 0.6)];
    let mut show = |now_ms| tracker.update((&found, true), &REGION, now_ms, |_, _| Err("broken"));
    assert_eq!([show(0), show(50)], [Ok(()), Err("broken")]);
    assert_eq!((tracker.shown().count(), tracker.next_number()), (0, 1));
}

#[test]
fn a_face_has_its_number_in_its_second_frame_and_an_alarm_of_one_frame_has_none() {
    let mut film = Film::new(Policy::All);
    assert!(film.show(&[face(100.0, 100.0, 50.0)]).is_empty());
    assert!(!film.tracker.is_idle());
    assert_eq!(film.show(&[face(102.0, 100.0, 50.0), face(400.0, 300.0, 60.0)]), [1]);
    assert_eq!(film.hold(&[face(104.0, 100.0, 50.0)], 10), [1]);
    assert_eq!(film.show(&[face(104.0, 100.0, 50.0), face(400.0, 300.0, 60.0)]), [1]);
    assert_eq!(film.tracker.next_number(), 2);
}

#[test]
fn births_and_deaths_take_the_same_time_at_any_frame_rate() {
    for frame_ms in [20, 66, 200] {
        let mut film = Film {
            frame_ms,
            ..Film::new(Policy::All)
        };
        film.hold(&[face(100.0, 100.0, 50.0)], 5);
        let last_ms = film.now_ms - frame_ms;
        while film.show(&[]) == [1] {}
        let gone_ms = film.now_ms - frame_ms - last_ms;
        assert!((701..701 + frame_ms).contains(&gone_ms), "{frame_ms}: {gone_ms}");
        assert!(film.tracker.is_idle());
    }
}

#[test]
fn a_recording_of_a_picture_a_second_is_tracked_and_after_a_camera_failed_all_is_new() {
    let mut film = Film {
        frame_ms: 1000,
        ..Film::new(Policy::All)
    };
    assert_eq!(film.hold(&[face(100.0, 100.0, 50.0)], 6), [1]);
    film.now_ms += 1500;
    assert!(film.show(&[face(100.0, 100.0, 50.0)]).is_empty());
    assert_eq!(film.show(&[face(100.0, 100.0, 50.0)]), [2]);
}

#[test]
fn who_is_hidden_for_a_moment_keeps_the_number_and_who_was_away_for_longer_does_not() {
    for (hidden, expected) in [(10, [1]), (20, [2])] {
        let mut film = Film::new(Policy::Largest);
        film.hold(&[face(300.0, 200.0, 80.0)], 5);
        film.hold(&[], hidden);
        assert_eq!(film.hold(&[face(304.0, 200.0, 80.0)], 2), expected);
    }
}

#[test]
fn a_face_without_an_observation_is_judged_for_two_frames() {
    let mut film = Film::new(Policy::Largest);
    film.hold(&[face(300.0, 200.0, 80.0)], 5);
    let mut unconfirmed = || {
        film.show(&[]);
        let now_ms = film.now_ms - film.frame_ms;
        film.tracker
            .shown()
            .next()
            .unwrap()
            .is_unconfirmed(now_ms, &film.tracker.settings)
    };
    assert_eq!([(); 4].map(|()| unconfirmed()), [false, false, false, true]);
}

#[test]
fn doubtful_boxes_keep_a_number_and_give_none_by_themselves() {
    let mut film = Film::new(Policy::All);
    assert!(film.hold(&[scored(100.0, 100.0, 50.0, 0.4)], 10).is_empty());
    assert!(film.tracker.is_idle());
    film.hold(&[face(100.0, 100.0, 50.0)], 2);
    assert_eq!(film.hold(&[scored(102.0, 100.0, 50.0, 0.3)], 40), [1]);
    assert!(
        film.hold(&[scored(102.0, 100.0, 50.0, 0.2)], 40).is_empty(),
        "too doubtful"
    );
}

#[test]
fn faces_that_pass_each_other_keep_their_numbers() {
    // Two people cross at the same height, one of them nearer; both are seen all the time.
    let mut film = Film::new(Policy::All);
    let at = |step: u16| {
        let way = 8.0 * f32::from(step);
        [face(100.0 + way, 200.0, 90.0), face(540.0 - way, 190.0, 50.0)]
    };
    for step in 0..50 {
        film.show(&at(step));
    }
    let places: Vec<(u32, f32)> = film.tracker.shown().map(|track| (track.id, track.observed.x)).collect();
    let [near, far] = at(49).map(|face| face.bounds.x);
    assert_eq!(places, [(1, near), (2, far)]);
}

#[test]
fn a_box_that_coasts_over_another_face_gives_its_number_to_nobody() {
    let mut film = Film::new(Policy::All);
    let front = face(300.0, 200.0, 90.0);
    film.hold(&[front, face(180.0, 200.0, 80.0)], 2);
    // The second goes behind the first and is not seen any more.
    for step in 1..=6u8 {
        film.show(&[front, face(180.0 + 12.0 * f32::from(step), 200.0, 80.0)]);
    }
    assert_eq!(film.hold(&[front], 4), [1]);
    assert_eq!(film.hold(&[front], 20), [1]);
}

#[test]
fn a_jump_to_where_no_box_was_is_another_face() {
    let mut film = Film::new(Policy::All);
    film.hold(&[face(100.0, 200.0, 60.0)], 4);
    assert_eq!(film.hold(&[face(400.0, 200.0, 60.0)], 2), [1, 2]);
    assert_eq!(film.hold(&[face(400.0, 200.0, 60.0)], 14), [2]);
}

#[test]
fn nobody_keeps_a_number_over_a_cut() {
    let mut film = Film::new(Policy::Largest);
    film.hold(&[face(300.0, 200.0, 80.0)], 5);
    film.tracker.forget();
    assert_eq!((film.tracker.counting(), film.tracker.is_idle()), (None, true));
    assert_eq!(film.hold(&[face(300.0, 200.0, 80.0)], 2), [2]);
}

#[test]
fn who_leaves_the_region_is_gone_at_once() {
    let mut film = Film::new(Policy::All);
    film.hold(&[face(620.0, 200.0, 60.0)], 3);
    assert!(film.show(&[face(645.0, 200.0, 60.0)]).is_empty());
    assert!(film.hold(&[face(660.0, 200.0, 60.0)], 10).is_empty(), "outside");
}

#[test]
fn each_policy_shows_its_face() {
    let faces = [
        face(60.0, 100.0, 80.0),
        face(330.0, 240.0, 60.0),
        face(500.0, 100.0, 120.0),
    ];
    for (policy, expected) in [
        (Policy::Largest, 500.0),
        (Policy::First, 500.0),
        (Policy::Centre, 330.0),
    ] {
        let mut film = Film::new(policy);
        assert_eq!(film.hold(&faces, 2), [1], "{policy:?}");
        let shown: Vec<Track> = film.tracker.shown().copied().collect();
        assert_eq!(shown[0].observed.x + shown[0].observed.w / 2.0, expected, "{policy:?}");
        assert_eq!(film.tracker.counting(), Some(1));
    }
    let mut all = Film::new(Policy::All);
    assert_eq!(all.hold(&faces, 2), [1, 2, 3]);
    assert_eq!(all.tracker.counting(), Some(1), "the largest");
}

#[test]
fn another_face_takes_over_only_when_it_is_clearly_better() {
    let first = face(200.0, 240.0, 80.0);
    for (policy, other, takes_over) in [
        (Policy::Largest, face(450.0, 240.0, 95.0), false),
        (Policy::Largest, face(450.0, 240.0, 110.0), true),
        (Policy::Centre, face(340.0, 240.0, 40.0), true),
        (Policy::Centre, face(430.0, 240.0, 40.0), false),
        (Policy::First, face(450.0, 240.0, 300.0), false),
    ] {
        let mut film = Film::new(policy);
        film.hold(&[first], 3);
        let expected = if takes_over { 2 } else { 1 };
        assert_eq!(film.hold(&[first, other], 2), [expected], "{policy:?} {other:?}");
        assert_eq!(film.tracker.counting(), Some(expected));
    }
}

#[test]
fn when_the_face_that_counts_is_gone_another_one_counts() {
    for policy in [Policy::Largest, Policy::Centre, Policy::First, Policy::All] {
        let mut film = Film::new(policy);
        let (one, other) = (face(300.0, 240.0, 90.0), face(500.0, 240.0, 60.0));
        film.hold(&[one], 3);
        film.hold(&[one, other], 3);
        assert_eq!(film.tracker.counting(), Some(1), "{policy:?}");
        film.hold(&[other], 20);
        assert_eq!(film.tracker.counting(), Some(2), "{policy:?}");
    }
}

#[test]
fn at_most_eight_faces_are_shown_and_who_is_shown_stays() {
    let row = |count: usize| {
        (0..count)
            .map(|n| face(30.0 + 45.0 * n as f32, 100.0, 30.0 + n as f32))
            .collect::<Vec<_>>()
    };
    let mut film = Film::new(Policy::All);
    let first = film.hold(&row(8), 3);
    assert_eq!(first.len(), MAX_SHOWN);
    assert_eq!(film.hold(&row(12), 3), first, "the four others are larger");
    assert_eq!(film.hold(&row(12)[1..], 20).len(), MAX_SHOWN);
}

#[test]
fn boxes_that_are_no_boxes_are_ignored() {
    let mut film = Film::new(Policy::All);
    let broken = [f32::NAN, f32::INFINITY, 0.0, -5.0].map(|side| face(100.0, 100.0, side));
    let unsure = [f32::NAN, -1.0].map(|score| scored(100.0, 100.0, 50.0, score));
    for found in [broken.as_slice(), &unsure] {
        assert!(film.hold(found, 5).is_empty());
        assert!(film.tracker.is_idle());
    }
    let many: Vec<Observation> = (0..5000).map(|at| face(at as f32 / 8.0, 200.0, 40.0)).collect();
    film.hold(&many, 5);
    assert!(film.tracker.tracks.len() <= MAX_TRACKS);
}

const MAX_SHOWN: usize = MAX_FACES;
