//! A frame with one face, as the measurements of sinks tell it.

use shared_model::Text;
use shared_model::emotion::{ClassSet, Scores};
use shared_model::image::Rect;
use shared_model::keypoints::{COUNT, Keypoints};
use shared_model::message::{Face, FaceLine, State, Verdict};

/// Side of the face's box in pixels.
const SIDE: f32 = 96.0;

/// A face towards the camera, in its box.
const POINTS: [[f32; 2]; COUNT] = [
    [66.4, 37.7],
    [30.3, 37.9],
    [59.2, 38.0],
    [73.3, 38.4],
    [36.7, 38.0],
    [22.4, 38.4],
    [56.1, 29.3],
    [79.5, 29.7],
    [39.3, 29.5],
    [15.9, 30.4],
    [48.4, 57.1],
    [63.3, 75.9],
    [32.7, 76.2],
    [48.0, 72.9],
    [48.1, 78.5],
];

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
            keypoints: Keypoints(POINTS.map(|[x, y]| [left + x, top + y])),
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
