//! What the networks said of the faces of a picture, to be said again while the picture stays the same.

use inference::{Loaded, Prediction};
use shared_model::image::Rect;
use shared_model::message::RejectReason;

use crate::tracker::MAX_FACES;

/// How far an edge of a face's box may be from where the face was judged, as a share of its side: less than the
/// detector's boxes of a face that stands still scatter.
const SAME_PLACE: f32 = 0.02;

/// What was said of one face.
#[derive(Debug, Clone)]
pub(super) struct Judgement {
    /// Where it was judged, in pixels of the frame.
    bounds: Rect,
    pub(super) prediction: Prediction,
    /// Why its picture cannot be judged, if it cannot.
    pub(super) reject_reason: Option<RejectReason>,
}

/// What was said of the faces of the last frame, by their numbers.
#[derive(Debug, Clone, Default)]
pub(super) struct Judgements {
    faces: heapless::Vec<(u32, Judgement), MAX_FACES>,
    /// The networks that said it.
    by: Option<Loaded>,
}

impl Judgements {
    /// Forgets all: the frame is another one.
    pub(super) fn clear(&mut self) {
        self.faces.clear();
        self.by = None;
    }

    /// What these networks said of a face, if they did so where it is now.
    pub(super) fn of(&self, id: u32, bounds: &Rect, networks: &Loaded) -> Option<&Judgement> {
        let (_, judgement) = self.faces.iter().find(|(face, _)| *face == id)?;
        (self.by.as_ref() == Some(networks) && is_near(&judgement.bounds, bounds)).then_some(judgement)
    }

    /// Keeps what these networks say of a face.
    pub(super) fn keep(
        &mut self,
        id: u32,
        bounds: &Rect,
        (prediction, reject_reason): (&Prediction, Option<RejectReason>),
        networks: &Loaded,
    ) {
        if self.by.as_ref() != Some(networks) {
            self.clear();
            self.by = Some(networks.clone());
        }
        self.faces.retain(|(face, _)| *face != id);
        let judgement = Judgement {
            bounds: *bounds,
            prediction: prediction.clone(),
            reject_reason,
        };
        // What does not fit is judged again.
        let _ = self.faces.push((id, judgement));
    }
}

fn is_near(a: &Rect, b: &Rect) -> bool {
    let edges = |rect: &Rect| [rect.x, rect.y, rect.x + rect.w, rect.y + rect.h];
    let farthest = SAME_PLACE * a.w;
    let mut pairs = edges(a).into_iter().zip(edges(b));
    pairs.all(|(a, b)| (a - b).abs() <= farthest)
}
