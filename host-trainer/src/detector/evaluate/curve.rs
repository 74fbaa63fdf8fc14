//! Hits, misses and false alarms over all photos, sorted by score.

use super::Detected;
use crate::detector::data::{Face, Kind};
use crate::detector::geometry::{area, common};
use vision::detector::decode::overlap;

/// Least intersection over union of a hit.
const HIT: f32 = 0.5;
/// Share of a detection on an ignored box from which on it does not count.
const ON_IGNORED: f32 = 0.4;

/// What a detection turns out to be beside the annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It hits a face.
    Hit,
    /// It hits none.
    Alarm,
    /// It hits none, in a photo without any.
    AlarmOnNothing,
}

/// Detections and faces of all photos so far, from which curves are drawn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    found: Vec<(f32, Outcome)>,
    faces: Vec<Counted>,
}

/// A face that counts, and whether it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// The face as it is annotated.
    pub face: Face,
    /// Score of its hit; none where it was not found.
    pub score: Option<f32>,
}

impl Tally {
    /// Takes in one photo; faces smaller than `least` pixels count neither way.
    pub fn take(&mut self, seen: &Detected, empty: bool, least: f32) {
        let counts = |face: &Face| face.kind == Kind::Face && face.size() >= least;
        let mut hits: Vec<Option<f32>> = vec![None; seen.faces.len()];
        for detection in &seen.found {
            let closest = |(at, face): (usize, &Face)| {
                let shared = overlap(&detection.bounds, &face.bounds);
                (counts(face) && hits[at].is_none() && shared >= HIT).then_some((at, shared))
            };
            let best = seen
                .faces
                .iter()
                .enumerate()
                .filter_map(closest)
                .max_by(|a, b| a.1.total_cmp(&b.1));
            if let Some((at, _)) = best {
                hits[at] = Some(detection.score);
                self.found.push((detection.score, Outcome::Hit));
            } else if !seen
                .faces
                .iter()
                .any(|face| !counts(face) && lies_on(&detection.bounds, face))
            {
                let outcome = if empty { Outcome::AlarmOnNothing } else { Outcome::Alarm };
                self.found.push((detection.score, outcome));
            }
        }
        let counted = seen.faces.iter().zip(hits).filter(|(face, _)| counts(face));
        self.faces
            .extend(counted.map(|(face, score)| Counted { face: *face, score }));
        self.found.sort_by(|a, b| b.0.total_cmp(&a.0));
    }

    /// The faces that count, and the score at which each was found.
    pub fn faces(&self) -> &[Counted] {
        &self.faces
    }

    /// Area under precision over recall, precision made falling; 0 without faces.
    pub fn average_precision(&self) -> f64 {
        let mut hits = 0.0;
        let mut curve = Vec::new();
        for (at, (_, outcome)) in self.found.iter().enumerate() {
            if *outcome == Outcome::Hit {
                hits += 1.0;
                curve.push(hits / (at + 1) as f64);
            }
        }
        let (mut best, mut sum) = (0.0f64, 0.0);
        for precision in curve.iter().rev() {
            best = best.max(*precision);
            sum += best;
        }
        sum / self.faces.len().max(1) as f64
    }

    /// Recall with at most so many false alarms, and the score from which on that holds.
    pub fn at_alarms(&self, alarms: usize) -> (f64, f64) {
        let (mut left, mut hits, mut score) = (alarms, 0, 1.0);
        for (found, outcome) in &self.found {
            if *outcome == Outcome::Hit {
                hits += 1;
            } else if left == 0 {
                break;
            } else {
                left -= 1;
            }
            score = f64::from(*found);
        }
        (hits as f64 / self.faces.len().max(1) as f64, score)
    }

    /// From a score on: hits, false alarms, false alarms in photos without a face.
    pub fn at_score(&self, score: f32) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, outcome) in self.found.iter().filter(|(found, _)| *found >= score) {
            match outcome {
                Outcome::Hit => counts[0] += 1,
                Outcome::Alarm => counts[1] += 1,
                Outcome::AlarmOnNothing => {
                    counts[1] += 1;
                    counts[2] += 1;
                }
            }
        }
        counts
    }
}

fn lies_on(bounds: &[f32; 4], face: &Face) -> bool {
    area(common(*bounds, face.bounds)) >= ON_IGNORED * area(*bounds)
}
