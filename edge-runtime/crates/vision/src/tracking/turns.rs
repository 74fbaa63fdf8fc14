//! A face and its mirror image, frame by frame: where the emotion network is to see both, it sees one of them in each frame, and
//! what it said of the other one a moment ago counts as much. So a frame costs half of what a single picture does.

use inference::{Loaded, Look, Predictor};
use shared_model::emotion::Scores;

use crate::tracker::MAX_FACES;

/// Longest time for which what was said of the other view counts, in milliseconds: about how long a verdict takes. After that the
/// network sees both at once; frames that come so rarely leave time for it.
const FRESH_MS: u64 = 500;

/// What was said last of one face.
#[derive(Debug, Clone)]
struct Turn {
    /// When that held, in milliseconds.
    time_ms: u64,
    look: Look,
    scores: Scores,
}

/// What was said last of each face, by their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    faces: heapless::Vec<(u32, Turn), MAX_FACES>,
    /// The networks that said it.
    by: Option<Loaded>,
}

impl Turns {
    /// What the network is to see next of a face.
    pub(super) fn next(&mut self, id: u32, time_ms: u64, predictor: &Predictor) -> Look {
        if self.by.as_ref() != Some(predictor.loaded()) {
            self.faces.clear();
            self.by = Some(predictor.loaded().clone());
        }
        if !predictor.sees_mirrored_emotion() {
            return Look::Crop;
        }
        match self.of(id) {
            Some(turn) if time_ms.saturating_sub(turn.time_ms) > FRESH_MS => Look::Both,
            Some(turn) if turn.look == Look::Crop => Look::Mirror,
            None | Some(_) => Look::Crop,
        }
    }

    /// What a face shows by what was said of it now and a moment ago.
    pub(super) fn take(&mut self, id: u32, time_ms: u64, (look, scores): (Look, Scores)) -> Scores {
        let before = self.of(id).filter(|turn| turn.look != look && look != Look::Both);
        let mean = before.and_then(|turn| turn.scores.mean_logits(&scores));
        let told = mean.unwrap_or_else(|| scores.clone());
        self.forget(id);
        // There are at most as many faces as places.
        let _ = self.faces.push((id, Turn { time_ms, look, scores }));
        told
    }

    /// Forgets all faces but those that are there.
    pub(super) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.faces.retain(|(face, _)| is_there(*face));
    }

    /// The face looks as it did.
    pub(super) fn hold(&mut self, id: u32, time_ms: u64) {
        if let Some((_, turn)) = self.faces.iter_mut().find(|(face, _)| *face == id) {
            turn.time_ms = time_ms;
        }
    }

    /// What was said of a face counts no longer: it cannot be judged.
    pub(super) fn forget(&mut self, id: u32) {
        self.faces.retain(|(face, _)| *face != id);
    }

    fn of(&self, id: u32) -> Option<&Turn> {
        self.faces.iter().find(|(face, _)| *face == id).map(|(_, turn)| turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(happy: f32) -> Scores {
        Scores::from_logits(&[0.0, happy], 1.0).unwrap()
    }

    #[test]
    fn each_view_counts_with_what_was_said_of_the_other_one() {
        let mut turns = Turns::default();
        let told = turns.take(1, 0, (Look::Crop, scores(1.0)));
        assert_eq!(told, scores(1.0), "there is no other one");
        let near = |told: &Scores, logit: f32| {
            let [told, expected] = [told, &scores(logit)].map(|scores| scores.as_slice()[1]);
            assert!((told - expected).abs() < 1e-6, "{told} instead of {expected}");
        };
        near(&turns.take(1, 40, (Look::Mirror, scores(3.0))), 2.0);
        near(&turns.take(1, 80, (Look::Crop, scores(-1.0))), 1.0);
        near(&turns.take(2, 80, (Look::Crop, scores(5.0))), 5.0);
        near(&turns.take(1, 900, (Look::Both, scores(4.0))), 4.0);
        near(&turns.take(1, 940, (Look::Crop, scores(2.0))), 3.0);
        turns.forget(1);
        near(&turns.take(1, 980, (Look::Mirror, scores(2.0))), 2.0);
        turns.retain(|id| id == 2);
        assert!(turns.of(1).is_none() && turns.of(2).is_some());
    }
}
