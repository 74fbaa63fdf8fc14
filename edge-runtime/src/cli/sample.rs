//! A frame with one face, as the measurements of sinks tell it.

use shared_model::Text;
use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::Rect;
use shared_model::keypoints::{Keypoints, MEAN_FACE};
use shared_model::message::{Face, FaceLine, State, Verdict};

/// Side of the face's box in pixels.
const SIDE: f32 = 96.0;

/// The line of a frame whose face has its box here: left and upper edge in pixels.
pub(super) fn line(classes: &ClassSet, frame: u64, time_ms: u64, [left, top]: [f32; 2]) -> FaceLine<'_> {
    FaceLine {
        input: "bench",
        frame,
        time_ms: Some(time_ms),
        face: Some(Face {
            bounds: Rect {
                x: left,
                y: top,
                w: SIDE,
                h: SIDE,
            },
            id: Some(1),
            reject_reason: None,
            classes,
            scores: Scores::from_logits(&vec![0.0; classes.len()], 1.0).unwrap_or_default(),
            keypoints: Keypoints(MEAN_FACE.0.map(|[x, y]| [left + x, top + y])),
        }),
    }
}

/// The verdict about that face.
pub(super) fn state(sequence: u64, time_ms: u64) -> State {
    State {
        boot: Text::new(),
        sequence,
        time_ms,
        emotion: Verdict::Uncertain,
        confidence: 0.0,
        face: true,
        reason: None,
    }
}
