//! How restless the verdict is over a film.

use edge_runtime::decide::{DecideConfig, DecideError, Decider};
use serde::Serialize;
use shared_model::emotion::ClassSet;
use shared_model::message::Verdict;
use vision::tracking::TrackedFace;

/// Forms verdicts as `run` does without a `[decide]` of its own, and counts them.
pub(super) struct Verdicts {
    decider: Decider,
    /// The class that is no emotion, where the bundle has it.
    neutral: Option<String>,
    /// Since when the verdict is held, in milliseconds of the film.
    held: (Verdict, u64),
    /// Time of the last frame in milliseconds of the film.
    now_ms: u64,
    changes: u64,
    /// How long a face has been there that counts, in milliseconds.
    face_ms: u64,
    emotion_ms: u64,
}

/// The part of the film's line about verdicts.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct VerdictTotals {
    /// Times that a verdict gave way to another; the first one replaces nothing.
    verdict_changes: u64,
    /// The same in a minute with a face: without one nothing can change.
    changes_per_minute: f64,
    /// Share of the film's time in which the verdict was an emotion other than Neutral.
    emotion_share: f64,
}

impl Verdicts {
    pub(super) fn new(classes: &ClassSet, abstain_below: f32) -> Result<Self, DecideError> {
        let neutral = classes.neutral().and_then(|class| classes.label(class));
        Ok(Self {
            decider: Decider::new(DecideConfig::default(), classes.clone(), abstain_below)?,
            neutral: neutral.map(str::to_owned),
            held: (Verdict::Unknown, 0),
            now_ms: 0,
            changes: 0,
            face_ms: 0,
            emotion_ms: 0,
        })
    }

    /// Takes in the face that counts in a frame.
    pub(super) fn frame(&mut self, time_ms: u64, seen: Option<&TrackedFace>) {
        if seen.is_some() {
            self.face_ms += time_ms.saturating_sub(self.now_ms);
        }
        self.now_ms = time_ms;
        let Some(change) = self.decider.see(time_ms, seen) else {
            return;
        };
        // A verdict is told again where only its reason changes.
        if change.verdict == self.held.0 {
            return;
        }
        self.changes += u64::from(self.held.0 != Verdict::Unknown);
        self.emotion_ms += self.told_ms();
        self.held = (change.verdict, time_ms);
    }

    /// How long the verdict that is held has been an emotion.
    fn told_ms(&self) -> u64 {
        match &self.held {
            (Verdict::Emotion(label), since_ms) if self.neutral.as_deref() != Some(label.as_str()) => {
                self.now_ms.saturating_sub(*since_ms)
            }
            _ => 0,
        }
    }

    pub(super) fn totals(&self) -> VerdictTotals {
        let film_ms = self.now_ms.max(1) as f64;
        VerdictTotals {
            verdict_changes: self.changes,
            changes_per_minute: self.changes as f64 * 60_000.0 / self.face_ms.max(1) as f64,
            emotion_share: (self.emotion_ms + self.told_ms()) as f64 / film_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use inference::Prediction;
    use shared_model::emotion::Scores;
    use shared_model::image::Rect;
    use shared_model::keypoints::{COUNT, Keypoints};

    use super::*;

    fn face(logits: &[f32]) -> TrackedFace {
        let side = 40.0;
        TrackedFace {
            id: 1,
            bounds: Rect {
                x: 0.0,
                y: 0.0,
                w: side,
                h: side,
            },
            prediction: Prediction {
                scores: Scores::from_logits(logits, 1.0).unwrap(),
                keypoints: Keypoints([[0.0; 2]; COUNT]),
            },
            reject_reason: None,
        }
    }

    #[test]
    fn a_film_that_is_happy_for_half_its_time_changes_as_often_as_it_does() {
        let classes = ClassSet::new(&["Happy", "Neutral"]).unwrap();
        let mut verdicts = Verdicts::new(&classes, 0.5).unwrap();
        let (happy, neutral) = (face(&[9.0, 0.0]), face(&[0.0, 9.0]));
        // Four spells of five seconds, a frame in 100 ms.
        for at in 0..=200 {
            let seen = if at / 50 % 2 == 0 { &neutral } else { &happy };
            verdicts.frame(at * 100, Some(seen));
        }
        let totals = verdicts.totals();
        assert_eq!(totals.verdict_changes, 3);
        assert!((totals.changes_per_minute - 9.0).abs() < 1e-9);
        assert!((totals.emotion_share - 0.5).abs() < 0.05, "{totals:?}");
        // Twenty seconds without a face: the last verdict ends, and no minute is longer for it.
        (201..=400).for_each(|at| verdicts.frame(at * 100, None));
        let totals = verdicts.totals();
        assert_eq!(totals.verdict_changes, 4);
        assert!((totals.changes_per_minute - 12.0).abs() < 1e-9, "{totals:?}");
    }

    #[test]
    fn a_film_without_a_frame_has_no_verdicts() {
        let classes = ClassSet::new(&["Happy", "Neutral"]).unwrap();
        let totals = Verdicts::new(&classes, 0.5).unwrap().totals();
        assert_eq!((totals.verdict_changes, totals.emotion_share), (0, 0.0));
    }
}
