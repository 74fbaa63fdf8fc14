//! Pictures that show no face, as a camera sees them: what the runtime takes for a face, and whether it lasts.
//!
//! Each picture is looked at by itself, and then as a short film in which it sways and has noise, through the tracker of
//! the runtime. A false alarm that does not come again in the next frame gets no number, and nobody hears of it.

use inference::bundle::Bundle;
use inference::{PredictError, Predictor, Threads};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use shared_model::image::{GrayView, Rect};
use vision::clock::SystemClock;
use vision::detector::finder::{Finder, FinderConfig};
use vision::face::DetectorConfig;
use vision::stats::Stats;
use vision::tracker::Policy;
use vision::tracking::{FaceTracker, TrackConfig, TrackError, TrackedFace};

use super::data::{Face, Gray, Kind, Photo};
use super::evaluate::{SIZES, YAWS, size_range, yaw_range};

/// Frames of a film, and milliseconds from one to the next: three seconds.
const FRAMES: u64 = 45;
const FRAME_MS: u64 = 67;
/// How far a picture sways to each side, as a share of its longer side: about twice the standard deviation.
const SWAY: f32 = 0.02;
/// Share of the sway that stays from frame to frame.
const SLOW: f32 = 0.8;
/// Noise of a pixel: as a camera has it in a room, evenly from minus this to this grey value.
const NOISE: f32 = 6.0;
/// Least intersection over union of an annotated box and the runtime's square of the same face.
const SAME_FACE: f32 = 0.3;

/// False alarms on pictures without a face.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct FalseAlarms {
    /// Pictures that were looked at.
    pub pictures: usize,
    /// Alarms on the pictures by themselves, at the score of the bundle.
    pub alarms: usize,
    /// Names of the pictures with such an alarm.
    pub single: Vec<String>,
    /// Films that were made of these pictures.
    pub films: usize,
    /// Picture of each film in which something got a number: it was found in two frames.
    pub lasting: Vec<String>,
    /// Picture of each film in which something was judged for at least one frame, so that it had a share in a verdict.
    pub judged: Vec<String>,
}

/// Faces that are tracked, of those that are there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TrackedFaces {
    /// Annotated faces of all photos, by size from 16, 32, 64, 128 pixels of the photo on.
    pub all: [usize; SIZES.len()],
    /// Those that got a number within the film.
    pub tracked: [usize; SIZES.len()],
    /// Those from 32 pixels on whose five points are known, by yaw: how far they look to either side, from 0, 30, 45, 60
    /// degrees on.
    pub all_by_yaw: [usize; YAWS.len()],
    /// Those of them that got a number within the film.
    pub tracked_by_yaw: [usize; YAWS.len()],
}

/// Why pictures cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum FilmError {
    /// The bundle has no detector, so that nothing of its own is to be measured.
    #[error("look for false alarms: the bundle has no detector; add one with `bundle --detector`")]
    NoDetector,
    /// A network of the bundle cannot be loaded or run.
    #[error(transparent)]
    Track(#[from] TrackError),
}

impl From<PredictError> for FilmError {
    fn from(error: PredictError) -> Self {
        Self::Track(error.into())
    }
}

/// Looks at all photos with a bundle whose detector sees them `longer_px` pixels long, and makes so many `films` of each: what
/// is nearly sure lasts in some and not in others.
///
/// # Errors
/// [`FilmError`] where the bundle has no detector, or a network cannot be loaded or run.
pub fn false_alarms(
    bundle: &Bundle,
    photos: &[&Photo],
    longer_px: u32,
    films: usize,
) -> Result<FalseAlarms, FilmError> {
    let mut predictor = Predictor::load(bundle)?.with_threads(Threads::One);
    let mut found = FalseAlarms {
        pictures: photos.len(),
        films: photos.len() * films,
        ..FalseAlarms::default()
    };
    for (number, photo) in photos.iter().enumerate() {
        let alarms = alone(&mut predictor, photo.gray(), longer_px)?;
        found.alarms += alarms;
        if alarms > 0 {
            found.single.push(photo.name.clone());
        }
        for film in 0..films {
            let seed = (number + film * photos.len()) as u64;
            let (mut lasts, mut is_judged) = (false, false);
            filmed(&mut predictor, photo.gray(), longer_px, seed, &mut |_, faces| {
                lasts |= !faces.is_empty();
                is_judged |= faces.iter().any(|face| face.reject_reason.is_none());
            })?;
            for (names, seen) in [(&mut found.lasting, lasts), (&mut found.judged, is_judged)] {
                if seen {
                    names.push(photo.name.clone());
                }
            }
        }
    }
    Ok(found)
}

/// Counts the annotated faces that get a number in the films of the photos that show them.
///
/// # Errors
/// As [`false_alarms`].
pub fn tracked_faces(bundle: &Bundle, photos: &[&Photo], longer_px: u32) -> Result<TrackedFaces, FilmError> {
    let mut predictor = Predictor::load(bundle)?.with_threads(Threads::One);
    let mut counted = TrackedFaces::default();
    for (number, photo) in photos.iter().enumerate() {
        let faces: Vec<&Face> = photo.faces.iter().filter(|face| face.kind == Kind::Face).collect();
        let mut has_number = vec![false; faces.len()];
        filmed(
            &mut predictor,
            photo.gray(),
            longer_px,
            number as u64,
            &mut |film, tracked| {
                for (face, has_number) in faces.iter().zip(&mut has_number) {
                    let there = film.moved(face.bounds);
                    *has_number |= tracked
                        .iter()
                        .any(|tracked| there.overlap(&tracked.bounds) >= SAME_FACE);
                }
            },
        )?;
        for (face, has_number) in faces.iter().zip(has_number) {
            if let Some(range) = size_range(face) {
                counted.all[range] += 1;
                counted.tracked[range] += usize::from(has_number);
            }
            if let Some(range) = yaw_range(face) {
                counted.all_by_yaw[range] += 1;
                counted.tracked_by_yaw[range] += usize::from(has_number);
            }
        }
    }
    Ok(counted)
}

/// Alarms on a picture by itself.
fn alone(predictor: &mut Predictor, picture: &Gray, longer_px: u32) -> Result<usize, FilmError> {
    let network = predictor.detector_mut().ok_or(FilmError::NoDetector)?;
    let config = FinderConfig {
        min_face_px: DetectorConfig::default().min_face_px,
        detector_px: Some(longer_px),
    };
    let score = network.entry().score;
    let mut finder = Finder::new(config, network.entry());
    let Some(view) = view(picture) else { return Ok(0) };
    finder.take(view);
    let (faces, _) = finder.find(network)?;
    Ok(faces.iter().filter(|face| face.score >= score).count())
}

/// What the runtime tracks while the picture sways before it, frame by frame.
fn filmed(
    predictor: &mut Predictor,
    picture: &Gray,
    longer_px: u32,
    seed: u64,
    see: &mut dyn FnMut(&Film<'_>, &[TrackedFace]),
) -> Result<(), FilmError> {
    let config = TrackConfig {
        policy: Policy::All,
        detector_px: Some(longer_px),
        ..TrackConfig::default()
    };
    let mut tracking = FaceTracker::new(config, predictor).map_err(TrackError::from)?;
    let (clock, mut stats) = (SystemClock::start(), Stats::default());
    let mut film = Film::new(picture, seed);
    for number in 0..FRAMES {
        film.next();
        let Some(frame) = view(&film.frame) else { break };
        tracking.track(frame, number * FRAME_MS, predictor, &clock, &mut stats)?;
        see(&film, tracking.seen());
    }
    Ok(())
}

fn view(picture: &Gray) -> Option<GrayView<'_>> {
    GrayView::new(&picture.pixels, picture.width, picture.height).ok()
}

/// A picture that sways, frame by frame; one seed gives the same film on every machine.
struct Film<'a> {
    picture: &'a Gray,
    frame: Gray,
    /// How far it is moved, across and down, as a share of the longer side.
    sway: [f32; 2],
    rng: ChaCha8Rng,
}

impl<'a> Film<'a> {
    fn new(picture: &'a Gray, seed: u64) -> Self {
        Self {
            picture,
            frame: picture.clone(),
            sway: [0.0; 2],
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Where a box of the picture, left, top, right, bottom, is in the frame.
    fn moved(&self, [left, top, right, bottom]: [f32; 4]) -> Rect {
        let longer = self.picture.width.max(self.picture.height) as f32;
        let [across, down] = self.sway.map(|share| share * longer);
        Rect {
            x: left - across,
            y: top - down,
            w: right - left,
            h: bottom - top,
        }
    }

    /// Draws the next frame.
    fn next(&mut self) {
        for sway in &mut self.sway {
            *sway = SLOW * *sway + (1.0 - SLOW) * self.rng.random_range(-2.0..2.0) * SWAY;
        }
        let Gray { width, height, .. } = *self.picture;
        let [across, down] = self.sway.map(|share| share * width.max(height) as f32);
        let inside = |place: f32, length: usize| place.clamp(0.0, length as f32 - 0.5);
        for (at, pixel) in self.frame.pixels.iter_mut().enumerate() {
            let x = inside((at % width) as f32 + 0.5 + across, width);
            let y = inside((at / width) as f32 + 0.5 + down, height);
            let value = self.picture.at(x, y).unwrap_or_default();
            *pixel = (value + self.rng.random_range(-NOISE..NOISE)).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use testing::detector::write_bundle_with_detector;

    use super::*;

    /// A dark picture; with a spot that the detector of the tests takes for a face where it sees the picture a third as long.
    fn photo(name: &str, spot: bool) -> Photo {
        let (width, height) = (480, 360);
        let bright = |at: usize| spot && (198..258).contains(&(at % width)) && (174..234).contains(&(at / width));
        let gray = Gray {
            width,
            height,
            pixels: (0..width * height)
                .map(|at| if bright(at) { 250 } else { 20 })
                .collect(),
        };
        Photo {
            name: name.to_owned(),
            source: String::new(),
            held: true,
            scale: 1.0,
            faces: Vec::new(),
            pyramid: gray.pyramid(),
        }
    }

    #[test]
    fn what_looks_like_a_face_is_an_alarm_and_lasts_and_a_dark_picture_is_none() {
        let folder = tempfile::tempdir().unwrap();
        write_bundle_with_detector(folder.path());
        let bundle = Bundle::open(folder.path()).unwrap();
        let photos = [photo("dark", false), photo("spot", true)];
        let found = false_alarms(&bundle, &photos.each_ref(), 160, 2).unwrap();
        assert_eq!((found.pictures, found.alarms, found.films), (2, 1, 4));
        assert_eq!(found.single, ["spot"]);
        // Once for each film.
        assert_eq!(found.lasting, ["spot", "spot"]);
    }

    #[test]
    fn an_annotated_face_is_tracked_if_the_detector_sees_it_and_it_counts_by_its_size() {
        let folder = tempfile::tempdir().unwrap();
        write_bundle_with_detector(folder.path());
        let bundle = Bundle::open(folder.path()).unwrap();
        let face = Face {
            kind: Kind::Face,
            bounds: [198.0, 174.0, 258.0, 234.0],
            // The nose lies off the middle of the eyes as far as at 35 degrees.
            points: Some([
                [216.0, 198.0],
                [240.0, 198.0],
                [238.7, 210.0],
                [220.0, 222.0],
                [236.0, 222.0],
            ]),
        };
        let photos = ["spot", "dark"].map(|name| Photo {
            faces: vec![face],
            ..photo(name, name == "spot")
        });
        let counted = tracked_faces(&bundle, &photos.each_ref(), 160).unwrap();
        assert_eq!(counted.all, [0, 2, 0, 0]);
        assert_eq!(counted.tracked, [0, 1, 0, 0]);
        assert_eq!(counted.all_by_yaw, [0, 2, 0, 0]);
        assert_eq!(counted.tracked_by_yaw, [0, 1, 0, 0]);
    }

    #[test]
    fn a_film_sways_and_is_the_same_again() {
        let photo = photo("spot", true);
        let [mut first, mut second] = [7, 7].map(|seed| Film::new(photo.gray(), seed));
        let mut moved = 0.0_f32;
        for _ in 0..FRAMES {
            first.next();
            second.next();
            assert_eq!(first.frame, second.frame);
            moved = first.sway.iter().fold(moved, |most, sway| most.max(sway.abs()));
        }
        assert!(moved > SWAY / 4.0 && moved < 2.0 * SWAY, "{moved}");
        assert_ne!(&first.frame, photo.gray());
    }
}
