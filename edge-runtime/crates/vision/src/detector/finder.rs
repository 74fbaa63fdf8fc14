//! Finds the faces of a picture with the detector of a bundle.

use inference::{DetectorNetwork, InputSize, PredictError};
use shared_model::image::{GrayView, Rect};
use shared_model::manifest::Detector;

use super::changes::Changes;
use super::decode::{Detection, Dropped, Grid, Limits, decode};
use super::output::{framed, maps, mirror, roll};
use super::reduce::Reducer;
use super::second_look::{SecondLook, View};
use super::size;
use super::stillness::Stillness;
use crate::tracker::{Observation, TrackerSettings};

/// How a bundle's detector searches pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FinderConfig {
    /// Side of the smallest face that must be found, in pixels of the picture.
    pub min_face_px: f32,
    /// Longer side of the picture that the detector sees, in pixels; `None` for one that suits the smallest face.
    pub detector_px: Option<u32>,
}

impl FinderConfig {
    /// The size to which the detector sees a picture of so many columns and rows reduced; never larger than it is.
    pub fn reduced(&self, columns: usize, rows: usize) -> InputSize {
        size::reduced(columns, rows, self.min_face_px, self.detector_px)
    }
}

/// The reduced picture of a frame, and how it differs from the one that was searched last.
#[derive(Debug, Clone)]
pub(crate) struct Glance {
    reducer: Reducer,
    changes: Changes,
    stillness: Stillness,
    /// Whether stillness has compared the picture that was taken in last.
    is_compared: bool,
    /// Columns and rows of the picture that was taken in last, and of the one that is remembered.
    size: [usize; 2],
    remembered: [usize; 2],
    /// Pixels of the picture to one of the reduced one, across and down.
    scale: [f32; 2],
}

impl Default for Glance {
    fn default() -> Self {
        Self {
            reducer: Reducer::default(),
            changes: Changes::default(),
            stillness: Stillness::default(),
            is_compared: false,
            size: [0; 2],
            remembered: [0; 2],
            scale: [1.0; 2],
        }
    }
}

impl Glance {
    /// Reduces the next picture.
    pub(crate) fn take(&mut self, picture: GrayView<'_>, config: &FinderConfig) {
        let (width, height) = (picture.width(), picture.height());
        let size = config.reduced(width, height);
        self.reducer.reduce(picture, size.columns, size.rows);
        self.scale = [width as f32 / size.columns as f32, height as f32 / size.rows as f32];
        self.size = [width, height];
        self.is_compared = false;
    }

    /// Whether somebody may have come in since the picture that is remembered.
    pub(crate) fn differs(&mut self) -> bool {
        let reduced = self.reducer.picture();
        reduced.is_some_and(|reduced| self.changes.differs(reduced))
    }

    /// Whether it is the picture that is remembered, apart from noise.
    pub(crate) fn is_still(&mut self) -> bool {
        let reduced = self.reducer.picture().filter(|_| self.size == self.remembered);
        self.is_compared = reduced.is_some();
        reduced.is_some_and(|reduced| self.stillness.is_still(reduced))
    }

    /// Remembers the picture that was taken in last: it is searched.
    pub(crate) fn remember(&mut self) {
        if let Some(reduced) = self.reducer.picture() {
            self.changes.remember(reduced);
            // Once only: what is remembered is no longer what was compared.
            if std::mem::take(&mut self.is_compared) {
                self.stillness.remember_compared();
            } else {
                self.stillness.remember(reduced);
            }
            self.remembered = self.size;
        }
    }
}

/// Reduces pictures and searches them; keeps its memory from picture to picture.
pub struct Finder {
    config: FinderConfig,
    detector: Detector,
    grids: Vec<Grid>,
    limits: Limits,
    glance: Glance,
    /// The mirror image of the reduced picture.
    mirrored: Vec<u8>,
    found: Vec<Detection>,
    observations: Vec<Observation>,
    second_look: SecondLook,
}

impl Finder {
    /// A finder for this detector.
    pub fn new(config: FinderConfig, detector: &Detector) -> Self {
        Self {
            config,
            detector: detector.clone(),
            grids: Grid::of(detector),
            limits: Limits {
                // Doubtful faces are told as well: they keep a track that others began.
                score: settings(detector).doubtful_score(),
                ..Limits::of(detector)
            },
            glance: Glance::default(),
            mirrored: Vec::new(),
            found: Vec::new(),
            observations: Vec::new(),
            second_look: SecondLook::default(),
        }
    }

    /// The detector that it reads.
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Takes in the next picture.
    pub fn take(&mut self, picture: GrayView<'_>) {
        self.glance.take(picture, &self.config);
    }

    /// How the picture that was taken in last differs from the one that was searched last.
    pub(crate) fn glance(&mut self) -> &mut Glance {
        &mut self.glance
    }

    /// The faces of the picture that was taken in last, in its pixels, the surest first, and what was left out.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::run`].
    pub fn find(&mut self, network: &mut DetectorNetwork) -> Result<(&[Observation], Dropped), PredictError> {
        self.search(network, false)
    }

    /// The same in the mirror image of the picture, where the network is surer of some faces, and less sure of others.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::run`].
    pub fn find_mirrored(&mut self, network: &mut DetectorNetwork) -> Result<(&[Observation], Dropped), PredictError> {
        self.search(network, true)
    }

    fn search(
        &mut self,
        network: &mut DetectorNetwork,
        mirrored: bool,
    ) -> Result<(&[Observation], Dropped), PredictError> {
        self.observations.clear();
        self.glance.remember();
        let Some(reduced) = self.glance.reducer.picture() else {
            return Ok((&[], Dropped::default()));
        };
        let (columns, rows) = (reduced.width(), reduced.height());
        let seen = if mirrored {
            self.mirrored.clear();
            for row in 0..rows {
                let start = self.mirrored.len();
                self.mirrored.extend_from_slice(reduced.row(row));
                self.mirrored[start..].reverse();
            }
            GrayView::new(&self.mirrored, columns, rows).unwrap_or(reduced)
        } else {
            reduced
        };
        network.run(seen)?;
        let dropped = decode(
            &maps(network),
            &self.grids,
            [columns, rows],
            &self.limits,
            &mut self.found,
        );
        if mirrored {
            for face in &mut self.found {
                *face = mirror(face, columns);
            }
        }
        let scale = self.glance.scale;
        self.observations.extend(self.found.iter().map(|face| Observation {
            bounds: framed(face, scale),
            score: face.score,
            roll: roll(face, scale),
        }));
        Ok((&self.observations, dropped))
    }

    /// How sure the detector is, 0 to 1, that a box that it gave is a face, now that it sees the box larger and upright in the
    /// picture that was taken in last; and what was left out.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::run`].
    pub fn look_again(
        &mut self,
        picture: GrayView<'_>,
        (bounds, roll): (&Rect, f32),
        network: &mut DetectorNetwork,
    ) -> Result<(f32, Dropped), PredictError> {
        self.look(picture, (bounds, View::in_a_frame(roll)), network)
    }

    /// The same in another view.
    pub(super) fn look(
        &mut self,
        picture: GrayView<'_>,
        look: (&Rect, View),
        network: &mut DetectorNetwork,
    ) -> Result<(f32, Dropped), PredictError> {
        let Some(reduced) = self.glance.reducer.picture() else {
            return Ok((0.0, Dropped::default()));
        };
        let size = InputSize::of(reduced.width(), reduced.height());
        let decoding = (self.grids.as_slice(), &self.limits);
        self.second_look.score(picture, look, size, network, decoding)
    }
}

/// What tracking goes by with this detector.
pub fn settings(detector: &Detector) -> TrackerSettings {
    TrackerSettings {
        sure_score: detector.score,
        ..TrackerSettings::default()
    }
}

#[cfg(test)]
mod tests {
    use inference::Predictor;
    use inference::bundle::Bundle;
    use testing::detector::write_bundle_with_detector;

    use super::*;

    #[test]
    fn the_picture_that_was_taken_in_last_is_remembered_whether_it_was_compared_or_another_one() {
        let config = FinderConfig {
            min_face_px: 40.0,
            detector_px: None,
        };
        let mut glance = Glance::default();
        let show = |glance: &mut Glance, value: u8| {
            glance.take(GrayView::new(&vec![value; 160 * 120], 160, 120).unwrap(), &config);
        };
        show(&mut glance, 40);
        glance.remember();
        show(&mut glance, 100);
        assert!(!glance.is_still());
        // Not remembered: the next one is, unseen.
        show(&mut glance, 160);
        glance.remember();
        assert!(glance.is_still());
        // The same again, compared this time, and remembered twice.
        show(&mut glance, 220);
        assert!(!glance.is_still());
        glance.remember();
        glance.remember();
        assert!(glance.is_still());
    }

    #[test]
    fn a_face_is_found_at_its_place_in_the_mirror_image_as_well() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle_with_detector(dir.path());
        let mut predictor = Predictor::load(&Bundle::open(dir.path()).unwrap()).unwrap();
        let network = predictor.detector_mut().unwrap();
        let config = FinderConfig {
            min_face_px: 40.0,
            detector_px: Some(160),
        };
        let mut finder = Finder::new(config, network.entry());
        // A spot to the left of the middle.
        let bright = |at: usize| (100..180).contains(&(at % 640)) && (200..280).contains(&(at / 640));
        let pixels: Vec<u8> = (0..640 * 480).map(|at| if bright(at) { 250 } else { 40 }).collect();
        finder.take(GrayView::new(&pixels, 640, 480).unwrap());
        let holds = |face: &Observation| {
            let Rect { x, y, w, h } = face.bounds;
            (x..x + w).contains(&140.0) && (y..y + h).contains(&240.0)
        };
        let plain = finder.find(network).unwrap().0.to_vec();
        let mirrored = finder.find_mirrored(network).unwrap().0.to_vec();
        for found in [&plain, &mirrored] {
            assert!(found.first().is_some_and(holds), "{found:?}");
        }
        let reduced = finder.glance.reducer.picture().unwrap();
        let seen = finder.mirrored.chunks_exact(160).nth(60).unwrap();
        assert!(
            seen.iter().rev().eq(reduced.row(60)),
            "the network saw the mirror image"
        );
    }
}
