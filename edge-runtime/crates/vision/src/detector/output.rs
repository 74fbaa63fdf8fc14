//! What the network of a bundle gives, as decoding wants it, and its boxes in pixels of the picture.

use inference::DetectorNetwork;
use shared_model::image::{CropRule, Rect};

use super::decode::{Detection, Map};

/// Most output maps of a detector.
const MAPS: usize = shared_model::manifest::MAX_OUTPUTS;

/// How the cascade's square box, to which the networks' crops are relative, lies relative to a box of the detector. Over
/// 275 faces of the detector's data that the cascade finds as well, of eight sources, the medians are these; half of the
/// scales lie in 0.93 to 1.01.
const FRAMING: CropRule = CropRule {
    scale: 0.97,
    dx: 0.0,
    dy: -0.008,
};

/// The network's maps of its last run, for decoding.
pub(super) fn maps(network: &DetectorNetwork) -> heapless::Vec<Map<'_>, MAPS> {
    let maps = network.maps().map(|map| Map {
        values: map.values,
        columns: map.columns,
        rows: map.rows,
        pixel_step: map.pixel_step,
        channel_step: map.channel_step,
    });
    maps.collect()
}

/// The square of a face to which the networks' crops are relative; the input is reduced so much, across and down.
pub(super) fn framed(face: &Detection, scale: [f32; 2]) -> Rect {
    FRAMING.apply(&in_picture(face.bounds, scale))
}

/// Left, top, right and bottom in the reduced picture as a rectangle of the picture.
fn in_picture([left, top, right, bottom]: [f32; 4], [across, down]: [f32; 2]) -> Rect {
    Rect {
        x: left * across,
        y: top * down,
        w: (right - left) * across,
        h: (bottom - top) * down,
    }
}
