//! Faces of which the detector is not sure.

use super::*;

#[test]
fn a_doubtful_face_gets_its_number_by_a_second_look_and_never_without_one() {
    let doubtful = [scored(100.0, 100.0, 40.0, 0.35)];
    let mut film = Film {
        second: 0.86,
        ..Film::new(Policy::All)
    };
    assert!(film.show(&doubtful).is_empty());
    assert_eq!((film.show(&doubtful), film.looks), (vec![1], 1));
    // What is below the least share of a sure score is nothing at all.
    assert_eq!(film.hold(&[doubtful[0], scored(400.0, 300.0, 40.0, 0.23)], 20), [1]);
    assert_eq!(film.looks, 1);
    let mut film = Film {
        second: 0.73,
        ..Film::new(Policy::All)
    };
    assert!(
        film.hold(&doubtful, 100).is_empty(),
        "a second look must be surer than that"
    );
}

#[test]
fn a_doubtful_place_that_was_refused_is_given_up_and_looked_at_once_a_second() {
    let mut film = Film::new(Policy::All);
    let poster = [scored(100.0, 100.0, 50.0, 0.4)];
    film.show(&poster);
    assert_eq!(film.tracker.tracks.len(), 1);
    assert!(film.tracker.is_idle(), "nothing doubtful keeps the room awake");
    film.show(&poster);
    assert_eq!((film.tracker.tracks.len(), film.looks), (0, 1));
    film.hold(&poster, 60);
    assert_eq!(film.looks, 3, "in 3.1 seconds");
    let somebody = [face(400.0, 300.0, 60.0), poster[0]];
    film.hold(&somebody, 40);
    assert!(film.tracker.is_settled(), "nor does it keep anybody from being at rest");
    // Whoever comes nearer to that place is sure at once.
    assert_eq!(film.hold(&[somebody[0], scored(102.0, 102.0, 54.0, 0.9)], 2), [1, 2]);
}

#[test]
fn a_doubtful_face_is_looked_at_in_a_frame_in_which_it_is_seen_better() {
    let seen = |score: f32| [scored(100.0, 100.0, 50.0, score)];
    let mut film = Film::new(Policy::All);
    film.show(&seen(0.4));
    film.show(&seen(0.3));
    assert_eq!(film.looks, 0);
    film.show(&seen(0.4));
    assert_eq!(film.looks, 1);
    // One that was sure once waits for nothing.
    let mut film = Film::new(Policy::All);
    film.show(&seen(0.6));
    film.show(&seen(0.5));
    assert_eq!(film.looks, 1);
}

#[test]
fn in_a_frame_that_was_not_searched_nothing_doubtful_begins_and_a_candidate_goes_on() {
    let mut film = Film {
        second: 0.9,
        ..Film::new(Policy::All)
    };
    let doubtful = [scored(100.0, 100.0, 50.0, 0.4)];
    film.searched = false;
    film.hold(&doubtful, 5);
    assert!(film.tracker.tracks.is_empty());
    film.searched = true;
    film.show(&doubtful);
    film.searched = false;
    assert_eq!(film.show(&doubtful), [1]);
}

#[test]
fn who_is_seen_in_every_second_frame_alone_gets_a_number_at_any_rate() {
    for frame_ms in [33, 67, 100, 200, 500] {
        let mut film = Film {
            second: 0.9,
            frame_ms,
            ..Film::new(Policy::All)
        };
        let tilted = [scored(100.0, 100.0, 50.0, 0.5)];
        film.show(&tilted);
        film.show(&[]);
        assert_eq!(film.show(&tilted), [1], "{frame_ms} ms");
    }
}

#[test]
fn a_part_of_something_surer_is_no_candidate_if_it_is_doubtful() {
    let mut film = Film {
        second: 1.0,
        ..Film::new(Policy::All)
    };
    let large = face(200.0, 200.0, 200.0);
    assert_eq!(film.hold(&[large, scored(220.0, 230.0, 60.0, 0.45)], 5), [1]);
    assert_eq!(film.hold(&[large, scored(220.0, 230.0, 60.0, 0.55)], 5), [1, 2]);
    // A better one that is doubtful itself counts as well.
    let mut film = Film {
        second: 1.0,
        ..Film::new(Policy::All)
    };
    let doubtful = scored(200.0, 200.0, 200.0, 0.45);
    assert_eq!(film.hold(&[doubtful, scored(220.0, 230.0, 60.0, 0.4)], 5), [1]);
}

#[test]
fn doubtful_candidates_leave_room_for_sure_ones() {
    let mut film = Film::new(Policy::All);
    let row = |score: f32, y: f32| (0..12).map(move |n| scored(30.0 + 50.0 * n as f32, y, 30.0, score));
    film.show(&row(0.4, 100.0).collect::<Vec<_>>());
    assert_eq!(film.tracker.tracks.len(), MAX_DOUBTFUL);
    let sure: Vec<_> = row(0.9, 300.0).take(MAX_FACES).collect();
    film.show(&sure);
    assert_eq!(film.show(&sure).len(), MAX_FACES);
}
