//! Films made of photographs: windows that move over them, and cuts between them.

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::bundle::Bundle;
use crate::face::DetectorConfig;
use crate::picture::Picture;
use crate::predict::Threads;
use crate::testing::bundle::write_bundle;
use crate::testing::shared_data;
use crate::track::Policy;

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
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default"),
            config,
            pace,
        )
    }

    fn with(bundle: &Path, config: TrackConfig, pace: Pace) -> Self {
        let predictor = Predictor::load(&Bundle::open(bundle).unwrap()).unwrap();
        Self {
            follower: Follower::new(config, pace).unwrap(),
            predictor: predictor.on(Threads::One),
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
