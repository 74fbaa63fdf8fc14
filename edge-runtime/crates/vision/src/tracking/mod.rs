//! The faces of frame after frame: found, tracked, and judged by the networks.
//!
//! Every frame is searched while somebody is there, by the bundle's detector, or by the cascade where a bundle has none. An
//! empty room is searched [`TrackConfig::idle_fps`] times a second, and at once when the picture changes, which is told
//! from the reduced picture alone. While somebody is there and the picture stays the same, apart from noise, what was found
//! and said is repeated for at most three seconds. What is too dark, too blurred or turned away is tracked, but not judged;
//! neither is a face that is not found for longer than a moment.

mod config;
pub mod covered;
mod covered_weights;
mod eye;
mod face_quality;
mod judgements;
pub mod pose;
pub mod quality;
mod scene;
pub mod shape;
#[cfg(test)]
mod tests;
mod turns;

pub use config::{Region, TrackConfig};

use inference::{FrameLook, PredictError, Prediction, Predictor};
use shared_model::image::{GrayView, Rect};
use shared_model::message::RejectReason;

use crate::clock::Clock;
use crate::face::FaceError;
use crate::stats::Stats;
use crate::tracker::{MAX_FACES, Observation, Tracker, TrackerSettings};
use covered::Covered;
use eye::Eye;
use face_quality::FaceQuality;
use judgements::Judgements;
use scene::Scene;
use turns::Turns;

/// A face in the last frame.
#[derive(Debug, Clone)]
pub struct TrackedFace {
    /// Its number, from 1; 0 where faces are not tracked.
    pub id: u32,
    /// Where it is, in pixels of the frame: the square to which the networks' crops are relative.
    pub bounds: Rect,
    /// What the networks say of the face.
    pub prediction: Prediction,
    /// Why it is not judged, if it is not.
    pub reject_reason: Option<RejectReason>,
}

/// Why the faces of a frame cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// A network cannot run.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The bundle has no detector, and the cascade cannot be had.
    #[error(transparent)]
    Face(#[from] FaceError),
}

/// Finds, tracks and judges faces.
pub struct FaceTracker {
    config: TrackConfig,
    settings: TrackerSettings,
    eye: Eye,
    tracker: Tracker,
    scene: Scene,
    face_quality: FaceQuality,
    covered: Covered,
    judgements: Judgements,
    turns: Turns,
    /// Time of the frame that was searched last, in milliseconds.
    searched_ms: Option<u64>,
    /// Kept, so that no frame allocates.
    observations: Vec<Observation>,
    seen: Vec<TrackedFace>,
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

impl FaceTracker {
    /// Tracks nobody yet; what finds faces is that of the predictor's bundle.
    ///
    /// # Errors
    /// [`FaceError`] where the bundle has no detector and the cascade cannot be had.
    pub fn new(config: TrackConfig, predictor: &Predictor) -> Result<Self, FaceError> {
        let eye = Eye::new(&config, predictor)?;
        let settings = eye.settings();
        Ok(Self {
            eye,
            tracker: Tracker::new(config.policy, settings, 1),
            settings,
            config,
            scene: Scene::default(),
            face_quality: FaceQuality::new(),
            covered: Covered::default(),
            judgements: Judgements::default(),
            turns: Turns::default(),
            searched_ms: None,
            observations: Vec::new(),
            seen: Vec::with_capacity(MAX_FACES),
        })
    }

    /// The faces of the last frame, in the order in which they came.
    pub fn seen(&self) -> &[TrackedFace] {
        &self.seen
    }

    /// Whether the last frame began another scene: nobody in it is who was there before.
    pub fn is_cut(&self) -> bool {
        self.scene.is_cut()
    }

    /// The face of the last frame that counts.
    pub fn counting(&self) -> Option<&TrackedFace> {
        let id = self.tracker.counting()?;
        self.seen.iter().find(|seen| seen.id == id)
    }

    /// Looks at the next frame, taken at `time_ms`. A predictor of another bundle than before may change what finds faces;
    /// numbers go on.
    ///
    /// # Errors
    /// [`TrackError`] where a network cannot run, or the cascade cannot be had.
    pub fn track(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), TrackError> {
        self.suit(predictor)?;
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
        Ok(self.judge(&mut context)?)
    }

    fn suit(&mut self, predictor: &Predictor) -> Result<(), FaceError> {
        if self.eye.suits(predictor) {
            return Ok(());
        }
        self.eye = Eye::new(&self.config, predictor)?;
        self.settings = self.eye.settings();
        self.tracker = Tracker::new(self.config.policy, self.settings, self.tracker.next_number());
        self.searched_ms = None;
        Ok(())
    }

    /// Searches the frame where that is due, and takes what was found into the tracks.
    fn find(&mut self, context: &mut FrameContext<'_>) -> Result<(), TrackError> {
        let start = context.clock.now();
        let (part, from) = context.frame.part(&context.region).unwrap_or((context.frame, [0, 0]));
        self.eye.take(part);
        if self.tracker.is_idle() && !self.is_due(context.time_ms) && !self.eye.glance().differs() {
            return Ok(());
        }
        if self.repeats(context.time_ms) {
            // Time goes on, and boxes come to rest.
            return self.associate(context, false);
        }
        self.judgements.clear();
        self.searched_ms = None;
        let damaged = self.eye.find(part, context.predictor, &mut self.observations)?;
        self.searched_ms = Some(context.time_ms);
        for face in &mut self.observations {
            *face = in_frame(face, from);
        }
        context.stats.damaged_cells += damaged;
        self.associate(context, true)?;
        context.stats.find.record(context.clock.now().saturating_sub(start));
        Ok(())
    }

    /// Takes what was found into the tracks, in this frame or in the last one that was searched; what is not certain to be a
    /// face is looked at again.
    fn associate(&mut self, context: &mut FrameContext<'_>, searched: bool) -> Result<(), TrackError> {
        let Self { eye, tracker, .. } = self;
        let FrameContext {
            frame,
            predictor,
            stats,
            ..
        } = context;
        let found = (self.observations.as_slice(), searched);
        tracker.update(found, &context.region, context.time_ms, |bounds, roll| {
            let (score, damaged) = eye.look_again(*frame, (bounds, roll), predictor)?;
            stats.damaged_cells += damaged;
            Ok(score)
        })
    }

    /// Whether a frame shows what the one showed that was searched last, and that was clear: somebody is there, everybody
    /// was found, and nobody may have come.
    fn repeats(&mut self, time_ms: u64) -> bool {
        let since_ms = self
            .searched_ms
            .and_then(|searched_ms| time_ms.checked_sub(searched_ms));
        since_ms.is_some_and(|since_ms| since_ms < PACE.repeated_ms)
            && !self.tracker.is_idle()
            && self.tracker.is_settled()
            && self.eye.glance().is_still()
    }

    /// Whether an empty room is to be searched again.
    fn is_due(&self, time_ms: u64) -> bool {
        let pause_ms = f64::from(1000.0 / self.config.idle_fps);
        let since = |searched_ms| time_ms.saturating_sub(searched_ms) as f64;
        self.searched_ms
            .is_none_or(|searched_ms| since(searched_ms) + PACE.jitter_ms >= pause_ms)
    }

    /// Runs the networks on every face that is shown, or repeats what they said.
    fn judge(&mut self, context: &mut FrameContext<'_>) -> Result<(), PredictError> {
        let tracker = &self.tracker;
        self.turns.retain(|id| tracker.shown().any(|track| track.id == id));
        for track in self.tracker.shown() {
            let bounds = track.bounds(context.time_ms, &self.settings);
            let known = self.judgements.of(track.id, &bounds, context.predictor.loaded());
            let (prediction, reason) = if let Some(known) = known {
                self.turns.hold(track.id, context.time_ms);
                (known.prediction.clone(), known.reject_reason)
            } else {
                let turn = self.turns.next(track.id, context.time_ms, context.predictor);
                let look = FrameLook {
                    rough_points: context.time_ms.saturating_sub(track.came_ms) < PACE.settling_ms,
                    emotion: turn,
                };
                let mut prediction = predict(&bounds, look, context)?;
                let covered = self.covered.is_covered(context.frame, &bounds, &prediction.keypoints);
                let reason = self.face_quality.at(context.frame, &bounds);
                let reason = reason
                    .or(covered.then_some(RejectReason::Covered))
                    .or_else(|| turned_away(&bounds, &prediction));
                if reason.is_some() {
                    self.turns.forget(track.id);
                } else {
                    prediction.scores = self.turns.take(track.id, context.time_ms, (turn, prediction.scores));
                }
                let networks = context.predictor.loaded();
                self.judgements.keep(track.id, &bounds, (&prediction, reason), networks);
                (prediction, reason)
            };
            let unconfirmed = track.is_unconfirmed(context.time_ms, &self.settings);
            self.seen.push(TrackedFace {
                id: track.id,
                bounds,
                prediction,
                reject_reason: reason.or(unconfirmed.then_some(RejectReason::Unconfirmed)),
            });
        }
        Ok(())
    }
}

/// When frames are searched and faces judged anew.
#[expect(clippy::struct_field_names, reason = "the unit is part of the names")]
struct PaceSettings {
    /// How much sooner than a pause ends a frame may come, in milliseconds: a camera's frames come a little sooner or later.
    jitter_ms: f64,
    /// Longest time for which what was found and said is repeated while the picture stays the same, in milliseconds: what is
    /// too small to be told as a change is seen then.
    repeated_ms: u64,
    /// How long after a face came its keypoints are taken from one look at it, in milliseconds: what has not been told yet
    /// needs them only to tell whether the face is turned away, and the first verdict comes sooner. With the usual settings a
    /// verdict takes 400 ms.
    settling_ms: u64,
}

const PACE: PaceSettings = PaceSettings {
    jitter_ms: 5.0,
    repeated_ms: 3000,
    settling_ms: 500,
};

/// Whether a face looks to the side, or has no face's shape.
fn turned_away(bounds: &Rect, prediction: &Prediction) -> Option<RejectReason> {
    let keypoints = &prediction.keypoints;
    let faces = shape::is_plausible(keypoints, bounds) && shape::is_facing(keypoints);
    (!faces).then_some(RejectReason::TurnedAway)
}

/// Runs the networks.
fn predict(bounds: &Rect, look: FrameLook, context: &mut FrameContext<'_>) -> Result<Prediction, PredictError> {
    let start = context.clock.now();
    context
        .predictor
        .crop(context.frame, &context.predictor.crops(bounds))?;
    let cropped = context.clock.now();
    let prediction = context.predictor.run_frame(look)?;
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
