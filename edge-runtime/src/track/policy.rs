//! Which of the faces in sight are followed, and which one counts.

use super::tracks::{MAX_FACES, Track};

/// Which face counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The largest; another one takes its place when it is clearly larger.
    #[default]
    Largest,
    /// The one nearest to the middle of the region.
    Centre,
    /// The first one, until it is gone; the largest where several come at once.
    First,
    /// All of them, at most [`MAX_FACES`]; the largest makes the verdict.
    All,
}

impl Policy {
    /// Most faces that it follows.
    pub(super) fn limit(self) -> usize {
        match self {
            Self::All => MAX_FACES,
            Self::Largest | Self::Centre | Self::First => 1,
        }
    }

    /// Side of the smallest face, from `min_face_px` on, that can still change who is followed; `None` if
    /// none can. What cannot matter is not searched: the smaller the faces, the dearer the search.
    pub(super) fn rival_px(self, live: &[Track], min_face_px: f32) -> Option<f32> {
        match (self, live) {
            (_, []) | (Self::Centre, _) => Some(min_face_px),
            (Self::First, _) => None,
            // Smaller ones than it must be, so that the one that counts is seen as well.
            (Self::Largest, [track, ..]) => Some(min_face_px.max(0.8 * track.bounds.w)),
            (Self::All, live) => (live.len() < MAX_FACES).then_some(min_face_px),
        }
    }
}
