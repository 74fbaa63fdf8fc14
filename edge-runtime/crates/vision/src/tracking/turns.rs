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
    use inference::bundle::Bundle;
    use shared_model::manifest::EMOTION_NAME;
    use testing::bundle::{mirror, write_bundle};

    use super::Look::{Both, Crop, Mirror};
    use super::*;

    fn predictor(mirrored: bool) -> Predictor {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        if mirrored {
            mirror(dir.path(), EMOTION_NAME);
        }
        Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap()
    }

    #[test]
    fn face_and_mirror_image_take_turns_and_both_are_seen_after_a_pause() {
        let mut turns = Turns::default();
        let mut see = |time_ms: u64, predictor: &Predictor| {
            let look = turns.next(1, time_ms, predictor);
            turns.take(1, time_ms, (look, scores(1.0)));
            look
        };
        let mirrored = predictor(true);
        let looks = [0, 40, 80, 120, 700, 740, 780].map(|time_ms| see(time_ms, &mirrored));
        assert_eq!(looks, [Crop, Mirror, Crop, Mirror, Both, Crop, Mirror]);
        // Other networks have said nothing of it yet, and these see no mirror images.
        assert_eq!(
            [820, 860, 2000].map(|time_ms| see(time_ms, &predictor(true))),
            [Crop; 3]
        );
        let plain = predictor(false);
        assert_eq!([2040, 2080, 4000].map(|time_ms| see(time_ms, &plain)), [Crop; 3]);
        // What is held is as new as the picture.
        let mut turns = Turns::default();
        assert_eq!(turns.next(1, 0, &mirrored), Crop);
        turns.take(1, 0, (Crop, scores(1.0)));
        turns.hold(1, 2900);
        assert_eq!(turns.next(1, 3000, &mirrored), Mirror);
    }

    fn scores(happy: f32) -> Scores {
        Scores::from_logits(&[0.0, happy], 1.0).unwrap()
    }

    #[test]
    fn each_view_counts_with_what_was_said_of_the_other_one() {
        let mut turns = Turns::default();
        let told = turns.take(1, 0, (Crop, scores(1.0)));
        assert_eq!(told, scores(1.0), "there is no other one");
        let near = |told: &Scores, logit: f32| {
            let [told, expected] = [told, &scores(logit)].map(|scores| scores.as_slice()[1]);
            assert!((told - expected).abs() < 1e-6, "{told} instead of {expected}");
        };
        near(&turns.take(1, 40, (Mirror, scores(3.0))), 2.0);
        near(&turns.take(1, 80, (Crop, scores(-1.0))), 1.0);
        near(&turns.take(2, 80, (Crop, scores(5.0))), 5.0);
        near(&turns.take(1, 900, (Both, scores(4.0))), 4.0);
        near(&turns.take(1, 940, (Crop, scores(2.0))), 3.0);
        turns.forget(1);
        near(&turns.take(1, 980, (Mirror, scores(2.0))), 2.0);
        turns.retain(|id| id == 2);
        assert!(turns.of(1).is_none() && turns.of(2).is_some());
    }
}
