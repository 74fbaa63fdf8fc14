//! Finds the faces of single pictures with the detector of a bundle, at several sizes.
//!
//! A frame of a camera is followed by others, and whoever is missed in one is found in the next. A still picture has no
//! next one, and may show large faces beside small ones. So the detector sees it at several sizes, each half of the one
//! before, and of boxes that are the same face the surest counts.

use inference::{DetectorNetwork, PredictError};
use shared_model::image::{GrayView, Rect};
use shared_model::manifest::Detector;

use super::finder::{Finder, FinderConfig};
use super::size;
use crate::SAME_FACE;
use crate::tracker::Observation;

/// How a still picture is searched.
struct StillSettings {
    /// Longest side of the largest picture that the detector sees, in pixels: the cost grows with the square.
    longest: f32,
    /// Side of the largest face that counts at all sizes but the smallest, in pixels of the reduced picture: larger ones are
    /// surer at half of the size.
    largest_face: f32,
    /// Least side of a box, in sides of the smallest face that is asked for: boxes scatter.
    least_share: f32,
}

const SETTINGS: StillSettings = StillSettings {
    longest: 1280.0,
    largest_face: 96.0,
    least_share: 0.8,
};

/// Searches pictures at several sizes; keeps its memory from picture to picture.
pub struct StillFinder {
    min_face_px: f32,
    score: f32,
    /// For longer sides of 160 pixels, 320, and so on.
    finders: Vec<(u32, Finder)>,
    found: Vec<Observation>,
}

impl StillFinder {
    /// A finder for this detector, of faces whose side is at least `min_face_px` pixels of a picture.
    pub fn new(min_face_px: f32, detector: &Detector) -> Self {
        let sides = std::iter::successors(Some(size::SETTINGS.least_longer), |side| Some(2.0 * side));
        let finder = |side: f32| {
            let config = FinderConfig {
                min_face_px,
                detector_px: Some(side as u32),
            };
            (side as u32, Finder::new(config, detector))
        };
        Self {
            min_face_px,
            score: detector.score,
            finders: sides.take_while(|side| *side <= SETTINGS.longest).map(finder).collect(),
            found: Vec::new(),
        }
    }

    /// The faces of a picture in its pixels, from left to right.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::run`].
    pub fn find(
        &mut self,
        picture: GrayView<'_>,
        network: &mut DetectorNetwork,
    ) -> Result<&[Observation], PredictError> {
        let longer = picture.width().max(picture.height()) as f32;
        // The size at which the smallest face is found, and no larger than the picture.
        let wanted = (longer * size::SETTINGS.smallest_face / self.min_face_px).min(longer);
        self.found.clear();
        for (at, (side, finder)) in self.finders.iter_mut().enumerate() {
            // The first size that suffices is the last one.
            if at > 0 && *side as f32 >= 2.0 * wanted {
                break;
            }
            let largest = if at == 0 {
                f32::INFINITY
            } else {
                SETTINGS.largest_face * longer / *side as f32
            };
            finder.take(picture);
            let (faces, _) = finder.find(network)?;
            let least = self.min_face_px;
            let counts = |face: &&Observation| {
                face.score >= self.score && face.bounds.w <= largest && face.bounds.w >= SETTINGS.least_share * least
            };
            self.found.extend(faces.iter().filter(counts));
        }
        distinct(&mut self.found);
        self.found.sort_by(|a, b| a.bounds.x.total_cmp(&b.bounds.x));
        Ok(&self.found)
    }
}

/// Keeps one box for each face, the surest.
fn distinct(found: &mut Vec<Observation>) {
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Rect> = Vec::with_capacity(found.len());
    found.retain(|face| {
        let new = kept.iter().all(|other| face.bounds.overlap(other) < SAME_FACE);
        if new {
            kept.push(face.bounds);
        }
        new
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_boxes_of_one_face_the_surest_counts() {
        let at = |x: f32, score: f32| Observation {
            bounds: Rect {
                x,
                y: 0.0,
                w: 10.0,
                h: 10.0,
            },
            score,
        };
        let mut found = vec![at(0.0, 0.6), at(1.0, 0.9), at(9.0, 0.7)];
        distinct(&mut found);
        assert_eq!(found, [at(1.0, 0.9), at(9.0, 0.7)]);
    }
}
