//! The verdict about the face that counts, frame by frame.

use vision::tracking::TrackedFace;

use super::{Change, Decider, Observation};

impl Decider {
    /// Takes in the face that counts in a frame at `now_ms`, or that there is none; another face's scores start anew.
    ///
    /// Gives the verdict as [`Decider::observe`] does.
    pub fn see(&mut self, now_ms: u64, seen: Option<&TrackedFace>) -> Option<Change> {
        let id = seen.map(|seen| seen.id);
        if id.is_some() && self.face.is_some() && id != self.face {
            self.another_face();
        }
        self.face = id.or(self.face);
        self.observe(now_ms, &observation(seen))
    }
}

fn observation(seen: Option<&TrackedFace>) -> Observation {
    match seen {
        None => Observation::NoFace,
        Some(seen) => match seen.reject_reason {
            Some(why) => Observation::Rejected(why),
            None => Observation::Face(seen.prediction.scores.clone()),
        },
    }
}
