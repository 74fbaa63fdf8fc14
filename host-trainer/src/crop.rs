//! How the face detector's box relates to the framing of a data set.
//!
//! A network is shown faces as its training set frames them; the detector frames them in its own way.
//! The detector is run over training faces, each set into a wider picture that goes on with its edge
//! pixels, and the median relation between box and frame becomes the network's crop rule.

use anyhow::{Result, bail};
use shared_model::image::{CropRule, GrayView, Rect, sample};
use vision::face::{Detector, DetectorConfig};

use crate::data::Faces;

/// Side of the pictures that the detector sees, in pixels.
pub(crate) const CANVAS: usize = 288;
/// Side of the face's frame in them, in pixels.
pub(crate) const FRAME: f32 = 192.0;
/// Faces looked at, at most: the medians do not move beyond.
pub const FACES: usize = 1500;

/// A crop rule, and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Measured {
    /// The square around a face box that is shown to the network.
    pub rule: CropRule,
    /// Faces that the detector was shown, at most [`FACES`].
    pub faces: usize,
    /// Faces that the detector found.
    pub found: usize,
    /// Half of the width of the middle half of the scales: how far faces differ.
    pub spread: f32,
}

/// Measures the crop rule of a data set over at most [`FACES`] of these rows, evenly chosen.
pub fn measure(faces: &Faces, rows: &[u32]) -> Result<Measured> {
    let step = rows.len().div_ceil(FACES).max(1);
    let mut detector = detector()?;
    let (mut scales, mut right, mut down) = (Vec::new(), Vec::new(), Vec::new());
    let mut looked_at = 0;
    for row in rows.iter().step_by(step) {
        looked_at += 1;
        if let Some(face) = found(&mut detector, &canvas(faces.view(*row as usize)))? {
            let middle = CANVAS as f32 / 2.0;
            scales.push(FRAME / face.w);
            right.push((middle - (face.x + face.w / 2.0)) / face.w);
            down.push((middle - (face.y + face.h / 2.0)) / face.w);
        }
    }
    if scales.len() < 10 {
        bail!(
            "measure the crop: the detector found {} of {looked_at} faces, too few to tell",
            scales.len()
        );
    }
    let [low, high] = [quantile(&mut scales, 0.25), quantile(&mut scales, 0.75)];
    let rule = CropRule {
        scale: quantile(&mut scales, 0.5),
        dx: quantile(&mut right, 0.5),
        dy: quantile(&mut down, 0.5),
    };
    Ok(Measured {
        rule,
        faces: looked_at,
        found: scales.len(),
        spread: (high - low) / 2.0,
    })
}

/// The runtime's detector, set to look for a face of about the frame's size.
pub(crate) fn detector() -> Result<Detector> {
    Ok(Detector::new(DetectorConfig {
        min_face_px: 60.0,
        ..DetectorConfig::default()
    })?)
}

/// A training picture in a wider one, [`CANVAS`] pixels wide, that goes on with its edge pixels; its own frame is
/// [`FRAME`] pixels wide, in the middle.
pub(crate) fn canvas(face: GrayView<'_>) -> Vec<u8> {
    let unit = face.width() as f32 / FRAME;
    let margin = (CANVAS as f32 - FRAME) / 2.0 * unit;
    let wider = Rect {
        x: -margin,
        y: -margin,
        w: CANVAS as f32 * unit,
        h: CANVAS as f32 * unit,
    };
    let mut values = vec![0.0; CANVAS * CANVAS];
    sample(face, &wider, CANVAS, &mut values);
    values.iter().map(|value| (value * 255.0).round() as u8).collect()
}

/// The surest face of a canvas, in its pixels.
pub(crate) fn found(detector: &mut Detector, canvas: &[u8]) -> Result<Option<Rect>> {
    let best = detector
        .detect(GrayView::new(canvas, CANVAS, CANVAS)?)
        .into_iter()
        .max_by(|a, b| a.score.total_cmp(&b.score));
    Ok(best.map(|best| best.bounds))
}

pub(crate) fn quantile(values: &mut [f32], share: f64) -> f32 {
    values.sort_by(f32::total_cmp);
    values[((values.len() - 1) as f64 * share).round() as usize]
}
