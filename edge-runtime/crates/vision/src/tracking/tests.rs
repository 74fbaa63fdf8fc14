//! Films of bright spots, which the detector of the tests takes for faces.

use std::time::Duration;

use super::*;
use crate::tracker::Policy;
use inference::Threads;
use inference::bundle::Bundle;
use shared_model::manifest::KEYPOINTS_NAME;
use testing::bundle::{mirror, write_bundle};
use testing::detector::write_bundle_with_detector;

const SIZE: [usize; 2] = [160, 120];

struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {}
}

fn predictor(write: impl FnOnce(&std::path::Path)) -> Predictor {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    Predictor::load(&Bundle::open(dir.path()).unwrap())
        .unwrap()
        .with_threads(Threads::One)
}

struct Film {
    tracking: FaceTracker,
    predictor: Predictor,
    stats: Stats,
    time_ms: u64,
}

impl Film {
    fn new(config: TrackConfig) -> Self {
        let predictor = predictor(|dir| drop(write_bundle_with_detector(dir)));
        Self {
            tracking: FaceTracker::new(config, &predictor).unwrap(),
            predictor,
            stats: Stats::default(),
            time_ms: 0,
        }
    }

    /// The next frame, 40 ms after the one before; gives the numbers of the faces in it.
    fn show(&mut self, pixels: &[u8]) -> Vec<u32> {
        let frame = GrayView::new(pixels, SIZE[0], SIZE[1]).unwrap();
        self.tracking
            .track(frame, self.time_ms, &mut self.predictor, &Still, &mut self.stats)
            .unwrap();
        self.time_ms += 40;
        self.tracking.seen().iter().map(|seen| seen.id).collect()
    }

    fn hold(&mut self, pixels: &[u8], frames: u32) -> Vec<u32> {
        (0..frames).map(|_| self.show(pixels)).last().unwrap()
    }
}

fn all() -> TrackConfig {
    TrackConfig {
        policy: Policy::All,
        ..TrackConfig::default()
    }
}

/// A dark room with spots of 16 pixels whose middles are these.
fn room(spots: &[[usize; 2]]) -> Vec<u8> {
    let shade = |at: usize| 40 + (at % SIZE[0] / 4) as u8 + (at / SIZE[0] / 6) as u8;
    let mut pixels: Vec<u8> = (0..SIZE[0] * SIZE[1]).map(shade).collect();
    for [x, y] in spots {
        for (column, row) in (y - 8..y + 8).flat_map(|row| (x - 8..x + 8).map(move |column| (column, row))) {
            pixels[row * SIZE[0] + column] = 250;
        }
    }
    pixels
}

#[test]
fn a_face_is_judged_in_its_second_frame_moves_with_its_number_and_is_gone_after_a_while() {
    let mut film = Film::new(all());
    assert!(film.hold(&room(&[]), 10).is_empty());
    assert!(film.show(&room(&[[44, 60]])).is_empty());
    assert_eq!(film.show(&room(&[[44, 60]])), [1]);
    assert_eq!(film.stats.networks.count(), 1);
    for step in 0..15 {
        let x = 44 + 4 * step;
        assert_eq!(film.show(&room(&[[x, 60]])), [1]);
        let bounds = film.tracking.seen()[0].bounds;
        let middle = bounds.x + bounds.w / 2.0;
        assert!((middle - x as f32).abs() < 8.0, "{middle} instead of {x}");
    }
    assert_eq!(film.stats.networks.count(), 15, "once for each picture");
    assert_eq!(film.hold(&room(&[]), 17), [1], "680 ms");
    assert!(film.show(&room(&[])).is_empty());
    assert_eq!(film.tracking.counting().map(|seen| seen.id), None);
}

#[test]
fn a_face_that_is_turned_away_or_cannot_be_seen_is_not_judged() {
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    // The networks of the tests know nothing of faces.
    assert_eq!(film.tracking.seen()[0].reject_reason, Some(RejectReason::TurnedAway));
    // Where the spot was, there is nothing to be seen.
    let mut flat = room(&[]);
    for (x, y) in (30..90).flat_map(|y| (54..114).map(move |x| (x, y))) {
        flat[y * SIZE[0] + x] = 90;
    }
    film.show(&flat);
    let reasons: Vec<_> = film.tracking.seen().iter().map(|seen| seen.reject_reason).collect();
    assert_eq!(reasons, [Some(RejectReason::LowContrast)]);
}

#[test]
fn an_empty_room_is_searched_five_times_a_second_and_at_once_when_it_changes() {
    let mut film = Film::new(all());
    film.hold(&room(&[]), 50);
    assert_eq!(film.stats.find.count(), 10, "in two seconds");
    film.hold(&room(&[]), 2);
    let searched = film.stats.find.count();
    film.show(&room(&[[84, 60]]));
    assert_eq!(film.stats.find.count(), searched + 1);
    film.show(&room(&[[84, 60]]));
    assert_eq!(film.stats.find.count(), searched + 2, "until there is a number");
    let mut often = Film::new(TrackConfig {
        idle_fps: 25.0,
        ..all()
    });
    often.hold(&room(&[]), 50);
    assert_eq!(often.stats.find.count(), 50);
}

/// How often the film was searched, and faces judged.
fn counts(film: &Film) -> [usize; 2] {
    [film.stats.find.count(), film.stats.networks.count()]
}

#[test]
fn what_is_known_of_a_picture_that_stays_the_same_is_repeated_for_three_seconds() {
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 2);
    assert_eq!(counts(&film), [2, 1]);
    let first = film.tracking.seen()[0].clone();
    // 3000 ms after the search, the frame is searched and judged again.
    for frame in 1..=75 {
        assert_eq!(film.show(&room(&[[84, 60]])), [1], "{frame}");
        let seen = &film.tracking.seen()[0];
        let told = |face: &TrackedFace| (face.bounds, face.prediction.clone(), face.reject_reason);
        assert_eq!(told(seen), told(&first), "{frame}");
        let again = usize::from(frame == 75);
        assert_eq!(counts(&film), [2 + again, 1 + again], "{frame}");
    }
}

#[test]
fn a_face_that_has_just_come_is_seen_once_and_half_a_second_later_mirrored_too() {
    let told = |mirrored: bool| {
        let mut film = Film::new(all());
        film.predictor = predictor(|dir| {
            write_bundle_with_detector(dir);
            if mirrored {
                mirror(dir, KEYPOINTS_NAME);
            }
        });
        // To and fro, or it would not be judged again.
        let at = |frame: usize| room(&[[84 + 8 * (frame % 2), 60]]);
        let frames = (0..20).map(|frame| {
            film.show(&at(frame));
            film.tracking.seen().first().map(|seen| seen.prediction.clone())
        });
        frames.collect::<Vec<_>>()
    };
    let (plain, mirrored) = (told(false), told(true));
    for (frame, (plain, mirrored)) in plain.iter().zip(&mirrored).enumerate().skip(1) {
        let (plain, mirrored) = (plain.as_ref().unwrap(), mirrored.as_ref().unwrap());
        assert_eq!(plain.scores, mirrored.scores);
        // It came in the frame of 0 ms.
        assert_eq!(plain.keypoints == mirrored.keypoints, frame * 40 < 500, "{frame}");
    }
}

#[test]
fn a_small_change_of_a_face_is_judged_in_the_frame_that_shows_it() {
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    let mut smile = room(&[[84, 60]]);
    for x in [79, 80, 88, 89] {
        smile[64 * SIZE[0] + x] -= 20;
    }
    let before = counts(&film);
    film.show(&smile);
    assert_eq!(counts(&film), before.map(|count| count + 1));
    film.show(&smile);
    assert_eq!(counts(&film), before.map(|count| count + 1), "and is known then");
}

#[test]
fn whoever_comes_in_beside_a_face_that_rests_has_a_number_in_the_second_frame() {
    let mut film = Film::new(all());
    film.hold(&room(&[[44, 60]]), 10);
    assert_eq!(film.show(&room(&[[44, 60], [116, 60]])), [1]);
    assert_eq!(film.show(&room(&[[44, 60], [116, 60]])), [1, 2]);
}

#[test]
fn other_networks_judge_a_picture_anew() {
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    let before = counts(&film);
    film.predictor = predictor(|dir| drop(write_bundle_with_detector(dir)));
    assert_eq!(film.show(&room(&[[84, 60]])), [1]);
    assert_eq!(counts(&film), [before[0], before[1] + 1]);
}

#[test]
fn a_face_that_was_not_found_is_searched_in_every_frame() {
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    let before = film.stats.find.count();
    assert_eq!(film.hold(&room(&[]), 4), [1]);
    assert_eq!(film.stats.find.count(), before + 4);
}

#[test]
fn nobody_keeps_a_number_over_a_cut() {
    let mut film = Film::new(all());
    assert_eq!(film.hold(&room(&[[92, 60]]), 5), [1]);
    // Another room, with somebody in the same place.
    let mut other: Vec<u8> = (0..SIZE[0] * SIZE[1])
        .map(|at| if at % SIZE[0] < SIZE[0] / 2 { 150 } else { 20 })
        .collect();
    for (value, spot) in other.iter_mut().zip(room(&[[92, 60]])) {
        *value = if spot == 250 { spot } else { *value };
    }
    assert!(film.show(&other).is_empty());
    assert_eq!(film.show(&other), [2]);
}

#[test]
fn only_the_region_is_searched() {
    let region = Region {
        x: 0.5,
        w: 0.5,
        ..Region::WHOLE
    };
    let mut film = Film::new(TrackConfig { region, ..all() });
    assert_eq!(film.hold(&room(&[[36, 60], [116, 60]]), 3), [1]);
    let bounds = film.tracking.seen()[0].bounds;
    assert!((bounds.x + bounds.w / 2.0 - 116.0).abs() < 5.0, "{bounds:?}");
}

#[test]
fn another_bundle_may_have_another_way_and_numbers_go_on() {
    let mut film = Film::new(all());
    let mut cascade = predictor(|dir| drop(write_bundle(dir)));
    let mut tracking = FaceTracker::new(all(), &film.predictor).unwrap();
    let pixels = room(&[[84, 60]]);
    let frame = GrayView::new(&pixels, SIZE[0], SIZE[1]).unwrap();
    let mut ids = |predictor: &mut Predictor, time_ms| {
        tracking
            .track(frame, time_ms, predictor, &Still, &mut film.stats)
            .unwrap();
        let ids: Vec<u32> = tracking.seen().iter().map(|seen| seen.id).collect();
        (matches!(tracking.eye, Eye::Detector(_)), ids)
    };
    ids(&mut film.predictor, 0);
    assert_eq!(ids(&mut film.predictor, 40), (true, vec![1]));
    assert_eq!(
        ids(&mut cascade, 80),
        (false, vec![]),
        "a spot is no face for the cascade"
    );
    ids(&mut film.predictor, 120);
    assert_eq!(ids(&mut film.predictor, 160), (true, vec![2]));
}

/// A room with a spot, and these grey levels more on it and around it.
fn lit(spot: i32, around: i32) -> Vec<u8> {
    let mut pixels = room(&[[84, 60]]);
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let (x, y) = (at % SIZE[0], at / SIZE[0]);
        let more = if x.abs_diff(84) < 8 && y.abs_diff(60) < 8 {
            spot
        } else {
            around
        };
        *pixel = (i32::from(*pixel) + more).clamp(0, 255) as u8;
    }
    pixels
}

#[test]
fn whoever_comes_as_slowly_as_can_be_is_found_before_three_seconds_after_it_can_be_seen() {
    // A second face that fades in, by one grey level each frame, beside one that rests.
    let fade = |step: i32| {
        let mut pixels = room(&[[44, 60]]);
        let other = room(&[[44, 60], [116, 60]]);
        for (pixel, goal) in pixels.iter_mut().zip(other) {
            *pixel = (i32::from(*pixel) + step).min(i32::from(goal)).max(i32::from(*pixel)) as u8;
        }
        pixels
    };
    let mut film = Film::new(all());
    film.hold(&room(&[[44, 60]]), 10);
    let whole = 250;
    let came = (0..whole + 75).find(|step| film.show(&fade(*step)).len() == 2);
    // What is seen at once at this step is seen at least three seconds, 75 frames, later.
    let at_once = (0..whole).find(|step| {
        let mut film = Film::new(all());
        film.hold(&fade(*step), 3).len() == 2
    });
    assert!(came.unwrap() <= at_once.unwrap() + 75, "{came:?} {at_once:?}");
}

#[test]
fn a_flicker_or_two_pictures_in_turn_are_judged_each_time_and_keep_the_number() {
    for (one, other) in [
        (lit(0, 0), lit(-20, 0)),
        (lit(0, 0), lit(-40, 40)),
        (lit(0, 0), lit(0, 20)),
        (room(&[[84, 60]]), room(&[[88, 60]])),
    ] {
        let mut film = Film::new(all());
        film.hold(&one, 5);
        let before = counts(&film);
        for frame in 0..40 {
            assert_eq!(film.show(if frame % 2 == 0 { &other } else { &one }), [1], "{frame}");
        }
        assert_eq!(counts(&film), before.map(|count| count + 40));
    }
}

#[test]
fn light_that_comes_and_goes_without_ever_changing_enough_is_looked_at_every_three_seconds() {
    let mut film = Film::new(all());
    film.hold(&lit(0, 0), 5);
    let before = counts(&film);
    // Up and down by two grey levels, ten seconds long: below what counts as a change at all times.
    for frame in 0..250 {
        let light = [0, 1, 2, 1][frame / 5 % 4];
        assert_eq!(film.show(&lit(-light, light)), [1], "{frame}");
    }
    let after = counts(&film);
    let looks = [after[0] - before[0], after[1] - before[1]];
    assert!(looks.iter().all(|looks| (3..=10).contains(looks)), "{looks:?}");
}

#[test]
fn pictures_that_differ_only_within_blocks_or_on_clocks_that_stand_still_are_no_way_to_stay() {
    // Stripes and their opposite have the same mean in every block, and no spot.
    let stripes = |phase: usize| -> Vec<u8> {
        let shade = |at: usize| {
            if (at % SIZE[0] + phase).is_multiple_of(2) {
                60
            } else {
                120
            }
        };
        (0..SIZE[0] * SIZE[1]).map(shade).collect()
    };
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    // Somebody who goes while stripes come is gone at the usual time.
    for frame in 0..17 {
        film.show(&stripes(frame));
    }
    assert!(film.show(&stripes(1)).is_empty());
    // Somebody is there; the clock stands still, jumps back, and far ahead.
    let mut film = Film::new(all());
    film.hold(&room(&[[84, 60]]), 5);
    let smile = lit(-30, 0);
    for (time_ms, shown) in [(200, &smile), (200, &room(&[[84, 60]])), (0, &smile), (1 << 60, &smile)] {
        film.time_ms = time_ms;
        let searched = film.stats.find.count();
        film.show(shown);
        assert_eq!(film.stats.find.count(), searched + 1, "{time_ms}");
    }
}
