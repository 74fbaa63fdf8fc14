//! The faces of frame after frame by the bundle's detector: found, tracked, and judged by the networks.
//!
//! Every frame is searched while somebody is there. An empty room is searched [`TrackConfig::idle_fps`] times a second, and
//! at once when the picture changes, which is told from the reduced picture alone. What is too dark, too blurred or turned
//! away is tracked, but not judged; neither is a face that the detector misses for longer than a moment.

use shared_model::image::{GrayView, Rect};
use shared_model::manifest::Detector;
use shared_model::message::Withheld;

use crate::clock::Clock;
use crate::detector::finder::{Finder, FinderConfig, settings};
use crate::stats::Stats;
use crate::track::look::Look;
use crate::track::scene::Scene;
use crate::track::{FollowError, MAX_FACES, Seen, TrackConfig, shape};
use crate::tracker::{Observation, Track, Tracker, TrackerSettings};
use inference::{PredictError, Prediction, Predictor};

/// Finds, tracks and judges faces.
pub struct LiveFaces {
    config: TrackConfig,
    settings: TrackerSettings,
    finder: Finder,
    tracker: Tracker,
    scene: Scene,
    look: Look,
    /// Time of the frame that was searched last, in milliseconds.
    searched_ms: Option<u64>,
    /// Kept, so that no frame allocates.
    observations: Vec<Observation>,
    seen: Vec<Seen>,
}

/// What belongs to one frame.
struct FrameContext<'a> {
    frame: GrayView<'a>,
    region: Rect,
    time_ms: u64,
    predictor: &'a mut Predictor,
    clock: &'a dyn Clock,
    stats: &'a mut Stats,
}

impl LiveFaces {
    /// Tracks nobody yet; the first number is `first`.
    pub fn new(config: TrackConfig, detector: &Detector, first: u32) -> Self {
        let finder_config = FinderConfig {
            min_face_px: config.detector.min_face_px,
            detector_px: config.detector_px,
        };
        let settings = settings(detector);
        Self {
            finder: Finder::new(finder_config, detector),
            tracker: Tracker::new(config.policy, settings, first),
            settings,
            config,
            scene: Scene::default(),
            look: Look::new(),
            searched_ms: None,
            observations: Vec::new(),
            seen: Vec::with_capacity(MAX_FACES),
        }
    }

    /// The detector that it is set up for.
    pub fn detector(&self) -> &Detector {
        self.finder.detector()
    }

    /// The next number that will be given.
    pub fn next_number(&self) -> u32 {
        self.tracker.next_number()
    }

    /// The faces of the last frame, in the order in which they came.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The face of the last frame that counts.
    pub fn counting(&self) -> Option<&Seen> {
        let id = self.tracker.counting()?;
        self.seen.iter().find(|seen| seen.id == id)
    }

    /// Looks at the next frame, taken at `time_ms`. The predictor has the detector that this is set up for.
    ///
    /// # Errors
    /// [`FollowError::Predict`] where a network cannot run.
    pub fn look(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), FollowError> {
        let mut context = FrameContext {
            frame,
            region: self.config.region.of(frame),
            time_ms,
            predictor,
            clock,
            stats,
        };
        self.seen.clear();
        if self.scene.cuts(frame) {
            self.tracker.forget();
        }
        self.find(&mut context)?;
        self.judge(&mut context)
    }

    /// Searches the frame where that is due, and takes what was found into the tracks.
    fn find(&mut self, context: &mut FrameContext<'_>) -> Result<(), FollowError> {
        let Some(detector) = context.predictor.detector_mut() else {
            return Ok(());
        };
        let start = context.clock.now();
        let (part, from) = context.frame.part(&context.region).unwrap_or((context.frame, [0, 0]));
        let changed = self.finder.take(part);
        if !changed && self.tracker.is_idle() && !self.is_due(context.time_ms) {
            return Ok(());
        }
        self.searched_ms = Some(context.time_ms);
        let (found, dropped) = self.finder.find(detector)?;
        self.observations.clear();
        self.observations.extend(found.iter().map(|face| in_frame(face, from)));
        self.tracker
            .update(&self.observations, &context.region, context.time_ms);
        context.stats.find.record(context.clock.now().saturating_sub(start));
        context.stats.damaged_cells += dropped.damaged as u64;
        Ok(())
    }

    /// Whether an empty room is to be searched again.
    fn is_due(&self, time_ms: u64) -> bool {
        let pause_ms = f64::from(1000.0 / self.config.idle_fps);
        let since = |searched_ms| time_ms.saturating_sub(searched_ms) as f64;
        // A camera's frames come some milliseconds sooner or later.
        self.searched_ms
            .is_none_or(|searched_ms| since(searched_ms) + JITTER_MS >= pause_ms)
    }

    /// Runs the networks on every face that is shown.
    fn judge(&mut self, context: &mut FrameContext<'_>) -> Result<(), FollowError> {
        for track in self.tracker.shown() {
            let bounds = track.bounds(context.time_ms, &self.settings);
            let prediction = predict(&bounds, context)?;
            let withheld = self.look.at(context.frame, &bounds);
            self.seen.push(Seen {
                id: track.id,
                bounds,
                withheld: withheld.or_else(|| reason(track, &bounds, &prediction, context.time_ms, &self.settings)),
                prediction,
            });
        }
        Ok(())
    }
}

/// How much sooner than a pause ends a frame may come, in milliseconds.
const JITTER_MS: f64 = 5.0;

/// Why a face that can be seen well is not judged, if it is not.
fn reason(
    track: &Track,
    bounds: &Rect,
    prediction: &Prediction,
    time_ms: u64,
    settings: &TrackerSettings,
) -> Option<Withheld> {
    let keypoints = &prediction.keypoints;
    if !shape::is_plausible(keypoints, bounds) || !shape::is_facing(keypoints) {
        Some(Withheld::TurnedAway)
    } else if track.is_unconfirmed(time_ms, settings) {
        Some(Withheld::Unconfirmed)
    } else {
        None
    }
}

fn predict(bounds: &Rect, context: &mut FrameContext<'_>) -> Result<Prediction, PredictError> {
    let start = context.clock.now();
    context
        .predictor
        .crop(context.frame, &context.predictor.crops(bounds))?;
    let cropped = context.clock.now();
    let prediction = context.predictor.run()?;
    context.stats.crop.record(cropped.saturating_sub(start));
    context
        .stats
        .networks
        .record(context.clock.now().saturating_sub(cropped));
    Ok(prediction)
}

/// An observation in a part of a frame, which begins here, in pixels of the frame.
fn in_frame(face: &Observation, [x, y]: [usize; 2]) -> Observation {
    let bounds = Rect {
        x: face.bounds.x + x as f32,
        y: face.bounds.y + y as f32,
        ..face.bounds
    };
    Observation { bounds, ..*face }
}

#[cfg(test)]
mod tests;
