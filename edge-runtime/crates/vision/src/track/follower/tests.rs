//! Films made of photographs: windows that move over them, and cuts between them.

use std::path::Path;
use std::time::Duration;

use super::ask::surroundings;
use super::*;
use crate::face::DetectorConfig;
use crate::track::Policy;
use inference::Threads;
use inference::bundle::Bundle;
use inference::picture::Picture;
use testing::bundle::write_bundle;
use testing::shared_data;

struct Still;

impl Clock for Still {
    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) {}
}

struct Film {
    follower: Follower,
    predictor: Predictor,
    time_ms: u64,
    /// What was searched and run so far.
    stats: Stats,
}

impl Film {
    fn new(config: TrackConfig, pace: Pace) -> Self {
        Self::with(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/default"),
            config,
            pace,
        )
    }

    fn with(bundle: &Path, config: TrackConfig, pace: Pace) -> Self {
        let predictor = Predictor::load(&Bundle::open(bundle).unwrap()).unwrap();
        Self {
            follower: Follower::new(config, pace).unwrap(),
            predictor: predictor.with_threads(Threads::One),
            time_ms: 0,
            stats: Stats::default(),
        }
    }

    /// The next frame, 40 ms after the one before: numbers and boxes of the faces in it.
    fn show(&mut self, frame: GrayView<'_>) -> Vec<(u32, Rect)> {
        self.follower
            .look(frame, self.time_ms, &mut self.predictor, &Still, &mut self.stats)
            .unwrap();
        self.time_ms += 40;
        self.follower.seen().iter().map(|seen| (seen.id, seen.bounds)).collect()
    }
}

fn photo(name: &str) -> Option<Picture> {
    let file = std::fs::read(shared_data("photos")?.join(name)).unwrap();
    Some(Picture::decode(&file).unwrap())
}

/// The part of a picture that begins here, as large as fits with `margin` pixels to spare.
fn window(picture: &Picture, x: usize, y: usize, margin: usize) -> GrayView<'_> {
    let whole = picture.gray().unwrap();
    let area = Rect {
        x: x as f32,
        y: y as f32,
        w: (whole.width() - margin) as f32,
        h: (whole.height() - margin) as f32,
    };
    whole.part(&area).unwrap().0
}

fn following(policy: Policy) -> TrackConfig {
    TrackConfig {
        policy,
        detector: DetectorConfig {
            min_face_px: 60.0,
            ..DetectorConfig::default()
        },
        ..TrackConfig::default()
    }
}

/// Two faces.
const PAIR: &str = "dlib_2008_001009.jpg";

/// Something that is no face, of the size of a picture.
fn stripes(like: GrayView<'_>) -> Vec<u8> {
    (0..like.width() * like.height())
        .map(|at| if at / 9 % 2 == 0 { 60 } else { 200 })
        .collect()
}

#[test]
fn faces_that_move_keep_their_numbers_under_every_policy() {
    let Some(pair) = photo(PAIR) else { return };
    for (policy, faces) in [(Policy::All, 2), (Policy::Largest, 1), (Policy::First, 1)] {
        let mut film = Film::new(following(policy), Pace::Wait);
        let first = film.show(window(&pair, 0, 0, 60));
        assert_eq!(first.len(), faces, "{policy:?}");
        for step in 1..=15 {
            let seen = film.show(window(&pair, 4 * step, 2 * step, 60));
            assert_eq!(seen.len(), faces, "{policy:?} step {step}");
            for ((id, bounds), (before, from)) in seen.iter().zip(&first) {
                assert_eq!(id, before, "{policy:?} step {step}");
                let there = Rect {
                    x: from.x - 4.0 * step as f32,
                    y: from.y - 2.0 * step as f32,
                    ..*from
                };
                assert!(bounds.overlap(&there) > 0.7, "{bounds:?} instead of {there:?}");
            }
        }
    }
}

#[test]
fn a_jump_of_the_picture_costs_no_face_its_number() {
    let Some(pair) = photo(PAIR) else { return };
    let mut film = Film::new(following(Policy::All), Pace::Wait);
    let first = film.show(window(&pair, 0, 0, 60));
    let side = first.iter().map(|(_, bounds)| bounds.w).fold(f32::MAX, f32::min);
    let jump = (0.35 * side) as usize;
    assert!(jump <= 60, "{jump}");
    let ids = |seen: &[(u32, Rect)]| seen.iter().map(|(id, _)| *id).collect::<Vec<u32>>();
    let after = film.show(window(&pair, jump, 0, 60));
    assert_eq!(ids(&after), ids(&first));
}

#[test]
fn a_cut_ends_the_track_and_a_face_that_comes_back_is_found_in_its_first_frame() {
    let Some(portrait) = photo("fr_obama.jpg") else { return };
    let frame = portrait.gray().unwrap();
    let (width, height) = (frame.width(), frame.height());
    let stripes = stripes(frame);
    let nobody = GrayView::new(&stripes, width, height).unwrap();
    for pace in [Pace::Wait, Pace::Background] {
        let mut film = Film::new(following(Policy::Largest), pace);
        for _ in 0..3 {
            assert_eq!(film.show(frame).len(), 1, "{pace:?}");
            assert_eq!(film.show(frame).len(), 1, "{pace:?}");
            assert_eq!(film.show(nobody), [], "{pace:?}");
            assert_eq!(film.show(nobody), [], "{pace:?}");
        }
    }
}

#[test]
fn a_face_in_the_dark_is_followed_and_not_judged() {
    let Some(portrait) = photo("fr_obama.jpg") else { return };
    let frame = portrait.gray().unwrap();
    let (width, height) = (frame.width(), frame.height());
    let rows = (0..height).flat_map(|y| frame.row(y));
    let dark: Vec<u8> = rows.map(|value| value / 14).collect();
    let mut film = Film::new(following(Policy::Largest), Pace::Wait);
    film.show(frame);
    assert_eq!(film.follower.seen()[0].withheld, None);
    film.show(GrayView::new(&dark, width, height).unwrap());
    assert_eq!(film.follower.seen()[0].withheld, Some(Withheld::Dark));
}

#[test]
fn faces_that_move_need_no_searches_of_their_own() {
    let Some(pair) = photo(PAIR) else { return };
    let mut film = Film::new(following(Policy::All), Pace::Wait);
    let first = film.show(window(&pair, 0, 0, 60));
    let side = first.iter().map(|(_, bounds)| bounds.w).fold(f32::MAX, f32::min);
    // To and fro, so far that what was an eye is a cheek.
    let step = (0.16 * side) as usize;
    for at in [1, 2, 3, 2, 1, 0, 1, 2, 3] {
        assert!(3 * step <= 60, "{step}");
        let seen = film.show(window(&pair, at * step, 0, 60));
        assert_eq!(seen.len(), 2);
    }
    assert_eq!(film.stats.networks.count(), 20, "each face once a frame");
    // Nearly all of that without a search: the next check is due after 400 ms.
    assert!(film.stats.find.count() <= 4, "{} searches", film.stats.find.count());
}

#[test]
fn a_face_that_stays_as_it_was_found_is_searched_every_two_seconds() {
    let Some(portrait) = photo("fr_obama.jpg") else { return };
    let frame = portrait.gray().unwrap();
    let mut film = Film::new(following(Policy::First), Pace::Wait);
    for (frames, searches) in [(50, 1), (10, 2), (39, 2), (10, 3)] {
        for _ in 0..frames {
            assert_eq!(film.show(frame).len(), 1);
            assert_eq!(film.follower.seen()[0].withheld, None, "{} ms", film.time_ms);
        }
        assert_eq!(film.stats.find.count(), searches, "{} ms", film.time_ms);
    }
}

#[test]
fn a_detector_that_is_not_needed_is_seen_to_answer() {
    let Some(portrait) = photo("fr_obama.jpg") else { return };
    let mut film = Film::new(following(Policy::First), Pace::Wait);
    for _ in 0..=45 {
        film.show(portrait.gray().unwrap());
    }
    // Once it is needed; at 400, 800, 1200 and 1600 ms it is not.
    assert_eq!((film.stats.find.count(), film.follower.search.ended), (1, 5));
}

#[test]
fn where_keypoints_stay_strange_the_detector_is_asked_now_and_then() {
    let Some(portrait) = photo("fr_obama.jpg") else { return };
    let frame = portrait.gray().unwrap();
    let bundle = tempfile::tempdir().unwrap();
    // Networks that know nothing of faces.
    write_bundle(bundle.path());
    let mut film = Film::with(bundle.path(), following(Policy::Largest), Pace::Wait);
    for _ in 0..11 {
        assert_eq!(film.show(frame).len(), 1);
        assert_eq!(film.follower.seen()[0].withheld, Some(Withheld::TurnedAway));
    }
    assert_eq!(film.stats.networks.count(), 11, "once a frame");
    // At 0, 120, 240 and 360 ms.
    assert_eq!(film.stats.find.count(), 4);
}

/// A picture that is always the same but for its middle, which may hold the largest face of a photograph.
struct Stage(Vec<u8>);

impl Stage {
    const SIDE: usize = 480;

    fn empty() -> Self {
        let shade = |x: usize, y: usize| 60.0 + 40.0 * (x as f32 / 90.0).sin() + 0.2 * y as f32;
        let shades = (0..Self::SIDE * Self::SIDE).map(|at| shade(at % Self::SIDE, at / Self::SIDE) as u8);
        Self(shades.collect())
    }

    fn with(name: &str) -> Option<Self> {
        let photo = photo(name)?;
        let frame = photo.gray().unwrap();
        let (_, face) = Film::new(following(Policy::Largest), Pace::Wait).show(frame)[0];
        let (part, _) = frame.part(&surroundings(&face, 1.6)).unwrap();
        let mut stage = Self::empty();
        let [left, top] = [part.width(), part.height()].map(|length| (Self::SIDE - length) / 2);
        for y in 0..part.height() {
            let from = (top + y) * Self::SIDE + left;
            stage.0[from..from + part.width()].copy_from_slice(part.row(y));
        }
        Some(stage)
    }

    fn frame(&self) -> GrayView<'_> {
        GrayView::new(&self.0, Self::SIDE, Self::SIDE).unwrap()
    }
}

#[test]
fn who_appears_where_another_was_hidden_for_long_gets_another_number() {
    let Some([one, other]) = Stage::with(PAIR)
        .zip(Stage::with("dlib_2008_001322.jpg"))
        .map(<[Stage; 2]>::from)
    else {
        return;
    };
    let nobody = Stage::empty();
    for pace in [Pace::Wait, Pace::Background] {
        // Without a face for 520 and for 680 ms.
        for (next, frames, expected) in [(&one, 16, 1), (&other, 12, 1), (&other, 16, 2)] {
            let mut film = Film::new(following(Policy::Largest), pace);
            assert_eq!(film.show(one.frame())[0].0, 1);
            for _ in 0..frames {
                assert_eq!(film.show(nobody.frame()), []);
            }
            assert_eq!(film.show(next.frame())[0].0, expected, "{pace:?}, {frames} frames");
            assert_eq!(film.show(next.frame())[0].0, expected, "{pace:?}, {frames} frames");
        }
    }
}

#[test]
fn what_the_picture_of_a_face_keeps_is_counted_from_find_to_find() {
    let Some((one, other)) = Stage::with(PAIR).zip(Stage::with("dlib_2008_001322.jpg")) else {
        return;
    };
    // A third of the way from one to the other.
    let between = one.0.iter().zip(&other.0).map(|(a, b)| a / 3 * 2 + b / 3);
    let between = Stage(between.collect());
    let stripes = stripes(one.frame());
    let cut = GrayView::new(&stripes, Stage::SIDE, Stage::SIDE).unwrap();
    let mut film = Film::new(following(Policy::Largest), Pace::Wait);
    let mut kept = |frame: GrayView<'_>| {
        film.show(frame);
        let Follower { memories, tracks, .. } = &mut film.follower;
        memories.of(1, tracks).kept
    };
    assert_eq!(kept(one.frame()), 1.0, "found");
    assert!(kept(one.frame()) > 0.999);
    let there = kept(between.frame());
    assert!((0.5..0.99).contains(&there), "{there}");
    let back = kept(one.frame());
    assert!((back - there * there).abs() < 0.05, "{back} after {there}");
    for _ in 0..6 {
        kept(one.frame());
    }
    assert_eq!(kept(one.frame()), 1.0, "found again after 400 ms");
    assert_eq!(kept(cut), 0.0);
}

#[test]
fn a_followed_face_that_is_found_after_long_and_kept_nothing_has_its_new_number_at_once() {
    let Some(one) = Stage::with(PAIR) else { return };
    // Where it was, and so far beside it that the detector has to tell at once.
    for shift in [0, 60] {
        let mut there = Stage(one.0.clone());
        there.0.rotate_right(shift);
        for (kept, expected) in [(1.0, 1), (0.0, 2)] {
            let mut film = Film::new(following(Policy::Largest), Pace::Wait);
            let ids = |seen: &[(u32, Rect)]| seen.iter().map(|(id, _)| *id).collect::<Vec<u32>>();
            assert_eq!(ids(&film.show(one.frame())), [1]);
            film.follower.memories.of(1, &film.follower.tracks).kept = kept;
            film.time_ms = 700;
            assert_eq!(ids(&film.show(there.frame())), [expected], "{shift} pixels, {kept}");
            assert_eq!(film.follower.counting().map(|seen| seen.id), Some(expected));
        }
    }
}
