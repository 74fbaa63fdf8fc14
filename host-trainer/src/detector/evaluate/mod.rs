//! How well a detector finds faces.
//!
//! A detection hits a face when their intersection over union is at least one half; each face is hit once. What lies on
//! an ignored box, or on a face smaller than [`Task::least`], counts neither way.

mod curve;
mod detector;
mod file;

use std::collections::BTreeMap;

use inference::PredictError;
use serde::Serialize;
use vision::detector::decode::{Detection, Limits};

use super::data::Photo;
pub use curve::{Outcome, Tally};
pub use detector::{Detected, Detector, Variation};

/// What is measured, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Task {
    /// Width and height that photos are fitted into, in pixels.
    pub input: [usize; 2],
    /// What is done to a photo before.
    pub variation: Variation,
    /// Size, in pixels of the photo, from which on faces count.
    pub least: f32,
    /// Lowest score that is looked at, and the rest of decoding.
    pub limits: Limits,
}

impl Task {
    /// Photos as they are, all faces that measure about 8 pixels of the input.
    pub fn plain(input: [usize; 2]) -> Self {
        let limits = Limits {
            score: 0.05,
            ..Limits::default()
        };
        Self {
            input,
            variation: Variation::None,
            least: 16.0,
            limits,
        }
    }
}

/// Bounds of the ranges of sizes, in pixels of the photo.
const SIZES: [f32; 4] = [16.0, 32.0, 64.0, 128.0];

/// How well a detector finds the faces of some photos.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Photos that the detector looked at.
    pub photos: usize,
    /// Annotated faces that count: neither ignored nor too small.
    pub faces: usize,
    /// Area under the curve of precision over recall, 0 to 1.
    pub average_precision: f64,
    /// Share of faces found with at most 1, and at most 5, false alarms in 100 photos.
    pub recall: [f64; 2],
    /// Scores from which on that holds.
    pub scores: [f64; 2],
    /// At a score of one half: faces found, false alarms, and alarms on photos without a face.
    pub at_half: [usize; 3],
    /// Photos among them without a face.
    pub empty_photos: usize,
    /// Found at the score of [`Figures::recall`]'s second figure, and all, by size from 16, 32, 64, 128 pixels on.
    pub by_size: [[usize; 2]; SIZES.len()],
    /// Cells that were left out because their numbers were not finite, or because there were too many.
    pub dropped: usize,
}

/// Measures on all photos.
///
/// # Errors
/// Those of [`Detector::detect`].
pub fn measure(detector: &Detector, photos: &[&Photo], task: &Task) -> Result<Figures, PredictError> {
    let mut tally = Tally::default();
    let mut dropped = 0;
    for photo in photos {
        let seen = detector.detect(photo, task)?;
        dropped += seen.dropped;
        tally.take(&seen, photo.is_empty(), task.least);
    }
    let empty = photos.iter().filter(|photo| photo.is_empty()).count();
    Ok(figures(&tally, photos.len(), empty, dropped))
}

/// The same for each source apart.
///
/// # Errors
/// Those of [`Detector::detect`].
pub fn by_source(
    detector: &Detector,
    photos: &[&Photo],
    task: &Task,
) -> Result<BTreeMap<String, Figures>, PredictError> {
    let mut sources: BTreeMap<String, Vec<&Photo>> = BTreeMap::new();
    for photo in photos {
        sources.entry(photo.source.clone()).or_default().push(photo);
    }
    sources
        .into_iter()
        .map(|(source, photos)| Ok((source, measure(detector, &photos, task)?)))
        .collect()
}

fn figures(tally: &Tally, photos: usize, empty_photos: usize, dropped: usize) -> Figures {
    let at = [1, 5].map(|alarms| tally.at_alarms(alarms * photos / 100));
    let mut by_size = [[0; 2]; SIZES.len()];
    for (size, score) in tally.faces() {
        if let Some(range) = SIZES.iter().rposition(|least| size >= *least) {
            by_size[range][1] += 1;
            by_size[range][0] += usize::from(score.is_some_and(|score| f64::from(score) >= at[1].1));
        }
    }
    Figures {
        photos,
        faces: tally.faces().count(),
        average_precision: tally.average_precision(),
        recall: at.map(|(recall, _)| recall),
        scores: at.map(|(_, score)| score),
        at_half: tally.at_score(0.5),
        empty_photos,
        by_size,
        dropped,
    }
}

/// A detection in pixels of the photo.
fn scaled(mut face: Detection, scale: f32) -> Detection {
    face.bounds = face.bounds.map(|value| value / scale);
    face.points = face.points.map(|point| point.map(|value| value / scale));
    face
}

#[cfg(test)]
mod tests;
