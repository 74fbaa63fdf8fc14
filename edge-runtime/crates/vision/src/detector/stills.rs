//! Finds the faces of single pictures with the detector of a bundle, at several sizes.
//!
//! A frame of a camera is followed by others, and whoever is missed in one is found in the next. A still picture has no
//! next one, and may show large faces beside small ones. So the detector sees it at several sizes, each half of the one
//! before, and of boxes that are the same face the surest counts. Small faces are surer in a picture twice as large.
//!
//! So many places are looked at that some resemble a face. So each that may be one is looked at again, upright, at several
//! sizes and in the mirror: a face is one in more than one of these views.

use inference::{DetectorNetwork, PredictError};
use shared_model::image::{GrayView, Rect};
use shared_model::manifest::Detector;

use super::brighten::brightened;
use super::distinct::{is_part, is_same, keep_surest};
use super::finder::{Finder, FinderConfig};
use super::second_look::View;
use super::sharpen::sharpened;
use super::size;
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
    /// Share of the bundle's least score from which a box is looked at again.
    doubtful: f32,
    /// The same for the picture twice as large: much that is no face resembles a small one.
    doubtful_enlarged: f32,
    /// Smallest face that is asked for, in pixels, below which pictures are enlarged.
    enlarged_below: f32,
    /// Side of the largest face that counts there, in sides of the smallest face that is asked for.
    enlarged_share: f32,
    /// Sides of the face in pixels of the input, at which it is looked at again, each time in the mirror as well. The smallest
    /// come first.
    views: [f32; 4],
    /// How much larger than in the picture a face may be in a view, if that is not among the smallest: there is nothing new to be
    /// seen, and much that is no face resembles one.
    enlarged_view: f32,
    /// How many of these sizes count, those at which the network is surest: faces in a crowd are hidden by others at some.
    best: usize,
    /// Weight of the search in the mean with the views, 0 to 1.
    search_weight: f32,
    /// Share of the way from the bundle's least score to 1 from which that mean is a face.
    certain: f32,
}

const SETTINGS: StillSettings = StillSettings {
    longest: 1280.0,
    largest_face: 96.0,
    least_share: 0.8,
    doubtful: 0.56,
    doubtful_enlarged: 1.13,
    enlarged_below: 24.0,
    enlarged_share: 1.6,
    views: [32.0, 44.0, 56.0, 72.0],
    enlarged_view: 1.5,
    best: 2,
    search_weight: 0.5,
    certain: 0.085,
};

/// Searches pictures at several sizes; keeps its memory from picture to picture.
pub struct StillFinder {
    min_face_px: f32,
    score: f32,
    /// For longer sides of 160 pixels, 320, and so on.
    finders: Vec<(u32, Finder)>,
    /// For pictures twice as large, where so small faces are asked for.
    enlarged: Option<Finder>,
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
        let longest = FinderConfig {
            min_face_px,
            detector_px: Some(SETTINGS.longest as u32),
        };
        Self {
            min_face_px,
            score: detector.score,
            enlarged: (min_face_px < SETTINGS.enlarged_below).then(|| Finder::new(longest, detector)),
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
        let brightened = brightened(picture);
        let picture = of_its_size(brightened.as_deref(), picture);
        let sharpened = sharpened(picture);
        let picture = of_its_size(sharpened.as_deref(), picture);
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
            let (least, doubtful) = (self.min_face_px, SETTINGS.doubtful * self.score);
            let counts = |face: &&Observation| {
                face.score >= doubtful && face.bounds.w <= largest && face.bounds.w >= SETTINGS.least_share * least
            };
            self.found.extend(faces.iter().filter(counts));
        }
        self.find_enlarged(picture, network)?;
        keep_surest(&mut self.found, is_same);
        for face in &mut self.found {
            // At the size of the first search the network needs least time.
            let views = seen_again(picture, face, &mut self.finders[0].1, network)?;
            face.score = together(face.score, views);
        }
        let least = self.score + SETTINGS.certain * (1.0 - self.score);
        self.found.retain(|face| face.score >= least);
        keep_surest(&mut self.found, is_part);
        self.found.sort_by(|a, b| a.bounds.x.total_cmp(&b.bounds.x));
        Ok(&self.found)
    }

    /// Adds what may be a small face in the picture twice as large, if that is not too large.
    fn find_enlarged(&mut self, picture: GrayView<'_>, network: &mut DetectorNetwork) -> Result<(), PredictError> {
        let longer = picture.width().max(picture.height()) as f32;
        let Some(finder) = self.enlarged.as_mut().filter(|_| 2.0 * longer <= SETTINGS.longest) else {
            return Ok(());
        };
        let pixels = doubled(picture);
        let Ok(large) = GrayView::new(&pixels, 2 * picture.width(), 2 * picture.height()) else {
            return Ok(());
        };
        finder.take(large);
        let sides = [SETTINGS.least_share, SETTINGS.enlarged_share].map(|share| share * self.min_face_px);
        let doubtful = SETTINGS.doubtful_enlarged * self.score;
        let (faces, _) = finder.find(network)?;
        for face in faces.iter().filter(|face| face.score >= doubtful) {
            let Rect { x, y, w, h } = face.bounds;
            let bounds = Rect {
                x: x / 2.0,
                y: y / 2.0,
                w: w / 2.0,
                h: h / 2.0,
            };
            if (sides[0]..=sides[1]).contains(&bounds.w) {
                self.found.push(Observation { bounds, ..*face });
            }
        }
        Ok(())
    }
}

/// A picture with other pixels, where there are any.
fn of_its_size<'a>(pixels: Option<&'a [u8]>, picture: GrayView<'a>) -> GrayView<'a> {
    let other = pixels.map(|pixels| GrayView::new(pixels, picture.width(), picture.height()));
    other.and_then(Result::ok).unwrap_or(picture)
}

/// A picture of twice as many columns and rows, each pixel the mean of the four nearest by their distance (bilinear).
fn doubled(picture: GrayView<'_>) -> Vec<u8> {
    let (columns, rows) = (picture.width(), picture.height());
    // The pixel that a new one lies in, and the neighbour on its side.
    let near = |at: usize, length: usize| match (at % 2, at / 2) {
        (0, own) => (own, own.saturating_sub(1)),
        (_, own) => (own, (own + 1).min(length - 1)),
    };
    let mut pixels = Vec::with_capacity(4 * columns * rows);
    for y in 0..2 * rows {
        let (row, beside) = near(y, rows);
        let (row, beside) = (picture.row(row), picture.row(beside));
        pixels.extend((0..2 * columns).map(|x| {
            let (column, next) = near(x, columns);
            let across = |row: &[u8]| 3 * u16::from(row[column]) + u16::from(row[next]);
            ((3 * across(row) + across(beside) + 8) / 16) as u8
        }));
    }
    pixels
}

/// The sizes at which a face of this side is looked at again, both in pixels.
fn views_of(side: f32) -> impl Iterator<Item = f32> {
    let largest = (SETTINGS.enlarged_view * side).max(SETTINGS.views[SETTINGS.best - 1]);
    SETTINGS.views.into_iter().filter(move |face_px| *face_px <= largest)
}

/// How sure the network is that a box is a face, 0 to 1, at each of the sizes; 0 where that would be too large.
fn seen_again(
    picture: GrayView<'_>,
    face: &Observation,
    finder: &mut Finder,
    network: &mut DetectorNetwork,
) -> Result<[f32; SETTINGS.views.len()], PredictError> {
    let mut scores = [0.0; SETTINGS.views.len()];
    for (score, face_px) in scores.iter_mut().zip(views_of(face.bounds.w)) {
        for mirrored in [false, true] {
            let view = View {
                face_px,
                mirrored,
                roll: face.roll,
            };
            let (seen, _) = finder.look(picture, (&face.bounds, view), network)?;
            *score += seen / 2.0;
        }
    }
    Ok(scores)
}

/// The mean of what the search said of a box and the views that are surest.
fn together(search: f32, mut views: [f32; SETTINGS.views.len()]) -> f32 {
    views.sort_by(|one, other| other.total_cmp(one));
    let surest = views[..SETTINGS.best].iter().sum::<f32>() / SETTINGS.best as f32;
    surest + SETTINGS.search_weight * (search - surest)
}

#[cfg(test)]
mod tests {
    use inference::Predictor;
    use inference::bundle::Bundle;
    use testing::detector::write_bundle_with_detector;

    use super::*;

    #[test]
    fn a_box_that_is_no_face_at_two_other_sizes_is_none_however_sure_the_search_was() {
        let is_face = |search, views| together(search, views) >= 0.5 + SETTINGS.certain * 0.5;
        assert!(is_face(0.95, [0.0, 0.4, 0.3, 0.7]));
        assert!(
            is_face(0.3, [0.9, 0.0, 0.9, 0.0]),
            "the search alone would leave it out"
        );
        assert!(!is_face(0.65, [0.85, 0.0, 0.0, 0.0]));
        assert!(!is_face(0.54, [0.54, 0.54, 0.54, 0.54]));
    }

    #[test]
    fn a_small_face_is_looked_at_twice_and_a_large_one_at_all_sizes() {
        let views = |side: f32| views_of(side).collect::<Vec<_>>();
        assert_eq!(views(16.0), [32.0, 44.0]);
        assert_eq!(views(40.0), [32.0, 44.0, 56.0]);
        assert_eq!(views(300.0), SETTINGS.views);
    }

    #[test]
    fn a_picture_twice_as_large_has_the_means_of_neighbours() {
        let picture = [0, 160, 80, 240];
        let large = doubled(GrayView::new(&picture, 2, 2).unwrap());
        assert_eq!(large[..4], [0, 40, 120, 160]);
        assert_eq!(large[4..8], [20, 60, 140, 180]);
        assert_eq!(large[12..], [80, 120, 200, 240]);
    }

    #[test]
    fn only_a_picture_of_half_the_longest_size_is_enlarged_and_only_for_small_faces() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle_with_detector(dir.path());
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let network = predictor.detector_mut().unwrap();
        // 16 pixels are 8 at the size of the search, where the detector sees no face, and 32 in the picture twice as large.
        let mut found = |width: usize, min_face_px: f32| {
            let bright = |at: usize| (100..116).contains(&(at % width)) && (60..76).contains(&(at / width));
            let pixels: Vec<u8> = (0..width * 120).map(|at| if bright(at) { 250 } else { 40 }).collect();
            let mut finder = StillFinder::new(min_face_px, network.entry());
            let picture = GrayView::new(&pixels, width, 120).unwrap();
            finder.find_enlarged(picture, network).unwrap();
            finder.found.clone()
        };
        let small = found(640, 14.0);
        let holds = |face: &Observation| {
            let Rect { x, y, w, .. } = face.bounds;
            (x..x + w).contains(&108.0) && (y..y + w).contains(&68.0) && w < 24.0
        };
        assert!(!small.is_empty() && small.iter().all(holds), "{small:?}");
        assert!(found(642, 14.0).is_empty() && found(640, 24.0).is_empty());
    }

    #[test]
    fn a_face_is_found_where_it_is_and_an_empty_picture_has_none() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle_with_detector(dir.path());
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let network = predictor.detector_mut().unwrap();
        let mut finder = StillFinder::new(60.0, network.entry());
        // On black, which no brightening changes.
        for (brightness, faces) in [(250, 1), (0, 0)] {
            // 40 pixels are 20 in the picture of 320 pixels, and too few in the one of 160.
            let bright = |at: usize| (268..308).contains(&(at % 640)) && (168..208).contains(&(at / 640));
            let pixel = |at: usize| if bright(at) { brightness } else { 0 };
            let pixels: Vec<u8> = (0..640 * 480).map(pixel).collect();
            let found = finder.find(GrayView::new(&pixels, 640, 480).unwrap(), network).unwrap();
            assert_eq!(found.len(), faces, "{found:?}");
            let holds = |face: &Observation| {
                let Rect { x, y, w, h } = face.bounds;
                (x..x + w).contains(&288.0) && (y..y + h).contains(&188.0) && w < 80.0
            };
            assert!(found.iter().all(holds), "{found:?}");
        }
    }
}
