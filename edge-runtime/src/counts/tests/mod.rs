//! Films with a known truth, disks and clocks that fail.

mod clocks;
mod export;
mod films;
mod fuzz;
mod killed;
mod power;
mod restart;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::Rect;
use shared_model::keypoints::{MEAN_FACE, NOSE};
use shared_model::message::{Face, FaceLine, RejectReason};

use super::dating::Reading;
use super::inbox::{Delta, Pending};
use super::sink::Counter;
use super::visit::{Rules, Visits};
use super::wall::WallClock;
use super::{Quarter, Tally};
use crate::decide::DecideConfig;

/// Midnight of 27 November 2026 in UTC.
pub(super) const TODAY_S: i64 = 1_795_737_600;

/// Time from one frame to the next.
const FRAME_MS: u64 = 100;

/// A clock that is set by hand.
#[derive(Clone)]
pub(super) struct Hands(Arc<Mutex<Reading>>);

impl Hands {
    pub(super) fn at(unix_s: i64, vouched: bool) -> Self {
        Self(Arc::new(Mutex::new(Reading {
            unix_s,
            passed: Duration::ZERO,
            vouched,
        })))
    }

    /// Lets time pass: the wall goes along by whole seconds.
    fn pass(&self, ms: u64) {
        let mut now = self.0.lock().unwrap();
        let before = now.passed.as_secs();
        now.passed += Duration::from_millis(ms);
        now.unix_s += (now.passed.as_secs() - before) as i64;
    }

    pub(super) fn set(&self, unix_s: i64, vouched: bool) {
        let mut now = self.0.lock().unwrap();
        (now.unix_s, now.vouched) = (unix_s, vouched);
    }
}

impl WallClock for Hands {
    fn read(&mut self) -> Reading {
        *self.0.lock().unwrap()
    }
}

/// What a face shows in a scene.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Camera,
    Profile,
    Blurred,
    Unconfirmed,
}

/// A track from one time to another, both included, of somebody who shows one thing.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    pub(super) id: u32,
    pub(super) ms: (u64, u64),
    pub(super) view: View,
    pub(super) emotion: &'static str,
}

pub(super) fn classes() -> ClassSet {
    ClassSet::new(&["Angry", "Disgust", "Sad", "Happy", "Surprise", "Neutral"]).unwrap()
}

pub(super) fn rules() -> Rules {
    Rules {
        decide: DecideConfig {
            // So that it is known to the frame when an emotion begins: after the dwell of 300 ms.
            smoothing_ms: 0,
            ..DecideConfig::default()
        },
        classes: classes(),
        abstain_below: 0.0,
    }
}

pub(super) fn counter(hands: &Hands) -> Counter {
    Counter::new(Visits::new(rules()).unwrap(), Box::new(hands.clone()))
}

/// Plays a film of these scenes up to a time, frame by frame.
pub(super) fn play(counter: &mut Counter, hands: &Hands, scenes: &[Scene], from_ms: u64, to_ms: u64) {
    let classes = classes();
    for time_ms in (from_ms..=to_ms).step_by(FRAME_MS as usize) {
        for line in lines(scenes, time_ms, &classes) {
            counter.face(&line);
        }
        counter.count(time_ms);
        hands.pass(FRAME_MS);
    }
}

/// The lines of a frame.
pub(super) fn lines<'a>(scenes: &[Scene], time_ms: u64, classes: &'a ClassSet) -> Vec<FaceLine<'a>> {
    let there = scenes
        .iter()
        .filter(|scene| (scene.ms.0..=scene.ms.1).contains(&time_ms));
    let line = |face| FaceLine {
        input: "film",
        frame: time_ms / FRAME_MS,
        time_ms: Some(time_ms),
        face,
    };
    let all: Vec<_> = there.map(|scene| line(Some(face(scene, classes)))).collect();
    if all.is_empty() { vec![line(None)] } else { all }
}

fn face<'a>(scene: &Scene, classes: &'a ClassSet) -> Face<'a> {
    let mut keypoints = MEAN_FACE;
    if scene.view == View::Profile {
        keypoints.0[NOSE][0] += 25.0;
    }
    let logits: Vec<f32> = (classes.iter())
        .map(|label| if label == scene.emotion { 9.0 } else { 0.0 })
        .collect();
    Face {
        bounds: Rect {
            x: 0.0,
            y: 0.0,
            w: 96.0,
            h: 96.0,
        },
        id: Some(scene.id),
        reject_reason: match scene.view {
            View::Camera => None,
            View::Profile => Some(RejectReason::TurnedAway),
            View::Blurred => Some(RejectReason::Blurred),
            View::Unconfirmed => Some(RejectReason::Unconfirmed),
        },
        classes,
        scores: Scores::from_logits(&logits, 1.0).unwrap(),
        keypoints,
    }
}

pub(super) fn sum(pending: &Pending) -> Tally {
    let mut sum = Tally::default();
    pending.deltas().iter().for_each(|delta| sum.add(&delta.tally));
    sum
}

/// So many visitors in a quarter.
pub(super) fn visitors(quarter: Quarter, visitors: u64) -> Delta {
    Delta {
        quarter,
        doubtful: false,
        tally: Tally {
            visitors,
            ..Tally::default()
        },
    }
}
