//! The maps of a tiny detector, for tests that fill them with whatever they like.

use super::*;
use crate::detector::decode::{Detection, FIELDS, Map};

/// Width and height of the reduced picture.
pub(super) const SIZE: [usize; 2] = [64, 48];

/// All of that picture.
pub(super) const REGION: Rect = Rect {
    x: 0.0,
    y: 0.0,
    w: SIZE[0] as f32,
    h: SIZE[1] as f32,
};

const CHANNELS: [usize; 3] = [5 * FIELDS, FIELDS, FIELDS];
const PLANES: [[usize; 2]; 3] = [[8, 6], [4, 3], [2, 2]];

/// Numbers of maps that show no face.
pub(super) fn empty() -> [Vec<f32>; 3] {
    std::array::from_fn(|head| vec![-5.0; PLANES[head][0] * PLANES[head][1] * CHANNELS[head]])
}

/// These numbers as the detector gives them.
pub(super) fn maps(values: &[Vec<f32>; 3]) -> [Map<'_>; 3] {
    std::array::from_fn(|head| Map {
        values: &values[head],
        columns: PLANES[head][0],
        rows: PLANES[head][1],
        pixel_step: CHANNELS[head],
        channel_step: 1,
    })
}

/// A face of the reduced picture, as the tracker takes it.
pub(super) fn observation(face: &Detection) -> Observation {
    let [left, top, right, bottom] = face.bounds;
    Observation {
        bounds: Rect {
            x: left,
            y: top,
            w: right - left,
            h: bottom - top,
        },
        score: face.score,
        roll: 0.0,
    }
}
