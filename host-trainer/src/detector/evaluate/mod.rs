//! How well a detector finds faces.
//!
//! A detection hits a face when their intersection over union is at least one half; each face is hit once. What lies on
//! an ignored box, or on a face smaller than [`Task::least`], counts neither way.

mod curve;
mod detector;
mod file;
mod predicted;

use std::collections::BTreeMap;

use inference::PredictError;
use serde::Serialize;
use vision::detector::decode::{Detection, Limits};

use super::data::{Face, Photo};
pub use curve::{Counted, Outcome, Tally};
pub use detector::{Detected, Detector, Variation, varied};

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
pub(super) const SIZES: [f32; 4] = [16.0, 32.0, 64.0, 128.0];
/// Bounds of the ranges of yaws, in degrees to either side.
pub(super) const YAWS: [f32; 4] = [0.0, 30.0, 45.0, 60.0];
/// Size from which on a face has a yaw: smaller ones have points that are off by too much.
const LEAST_WITH_YAW: f32 = 32.0;
/// Scores at which [`Figures::at_scores`] counts.
const SCORES: [f32; 9] = [0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9];

/// What is found from a score on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AtScore {
    /// The score, 0 to 1.
    pub score: f32,
    /// Faces found, by size from 16, 32, 64, 128 pixels of the photo on.
    pub found: [usize; SIZES.len()],
    /// False alarms on all photos.
    pub alarms: usize,
    /// Those of them on photos without a face.
    pub alarms_on_empty: usize,
}

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
    /// Found at a score of one half, and all, of the faces from 32 pixels on whose five points are known, by yaw: how far they
    /// look to either side, from 0, 30, 45, 60 degrees on.
    pub by_yaw: [[usize; 2]; YAWS.len()],
    /// What is found from each of some scores on: to choose the score of a bundle by.
    pub at_scores: [AtScore; SCORES.len()],
    /// Cells that were left out because their numbers were not finite, or because there were too many.
    pub dropped: usize,
}

/// What finds the faces of a photo.
pub trait FindsFaces {
    /// The faces that are found in a photo, beside those that are there.
    ///
    /// # Errors
    /// [`PredictError`] where a network cannot be run.
    fn detect(&self, photo: &Photo, task: &Task) -> Result<Detected, PredictError>;
}

/// Measures on all photos.
///
/// # Errors
/// Those of [`FindsFaces::detect`].
pub fn measure(detector: &dyn FindsFaces, photos: &[&Photo], task: &Task) -> Result<Figures, PredictError> {
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
/// Those of [`FindsFaces::detect`].
pub fn by_source(
    detector: &dyn FindsFaces,
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
    let found = |score: f64| move |face: &Counted| face.score.is_some_and(|found| f64::from(found) >= score);
    Figures {
        photos,
        faces: tally.faces().len(),
        average_precision: tally.average_precision(),
        recall: at.map(|(recall, _)| recall),
        scores: at.map(|(_, score)| score),
        at_half: tally.at_score(0.5),
        empty_photos,
        by_size: of_all(tally, size_range, found(at[1].1)),
        by_yaw: of_all(tally, yaw_range, found(0.5)),
        at_scores: SCORES.map(|score| at_score(tally, score)),
        dropped,
    }
}

fn at_score(tally: &Tally, score: f32) -> AtScore {
    let [_, alarms, alarms_on_empty] = tally.at_score(score);
    AtScore {
        score,
        found: of_all(tally, size_range, |face| face.score.is_some_and(|found| found >= score)).map(|[found, _]| found),
        alarms,
        alarms_on_empty,
    }
}

/// How many faces are `found`, and how many there are, in each range.
fn of_all<const RANGES: usize>(
    tally: &Tally,
    range: impl Fn(&Face) -> Option<usize>,
    found: impl Fn(&Counted) -> bool,
) -> [[usize; 2]; RANGES] {
    let mut counts = [[0; 2]; RANGES];
    for counted in tally.faces() {
        if let Some(range) = range(&counted.face) {
            counts[range][0] += usize::from(found(counted));
            counts[range][1] += 1;
        }
    }
    counts
}

/// Which of [`SIZES`] a face belongs to; none where it is smaller than the least.
pub(super) fn size_range(face: &Face) -> Option<usize> {
    SIZES.iter().rposition(|least| face.size() >= *least)
}

/// Which of [`YAWS`] a face belongs to; none where its points are not known well enough.
pub(super) fn yaw_range(face: &Face) -> Option<usize> {
    let yaw = face.yaw().filter(|_| face.size() >= LEAST_WITH_YAW)?;
    YAWS.iter().rposition(|least| yaw >= *least)
}

/// A detection in pixels of the photo.
fn scaled(mut face: Detection, scale: f32) -> Detection {
    face.bounds = face.bounds.map(|value| value / scale);
    face.points = face.points.map(|point| point.map(|value| value / scale));
    face
}

#[cfg(test)]
mod tests;
