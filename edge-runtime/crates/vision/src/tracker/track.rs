//! One face, and how its box goes from frame to frame: an alpha-beta filter whose gains follow the time that has passed.

use shared_model::image::Rect;

use super::place::centre;
use super::{Observation, TrackerSettings};

/// A face that is tracked, or a candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    /// Its number; 0 for a candidate.
    pub id: u32,
    /// When it was observed first, in milliseconds.
    pub came_ms: u64,
    /// When it was observed last, in milliseconds.
    pub found_ms: u64,
    /// Where it was observed last, in pixels.
    pub observed: Rect,
    /// How far the head was tilted then, in radians, clockwise.
    pub(super) roll: f32,
    /// Whether the policy wants it.
    pub(super) shown: bool,
    /// Frames in which it was observed.
    pub(super) hits: u32,
    /// The highest score of all observations, 0 to 1.
    pub(super) best_score: f32,
    /// The score of the last observation, 0 to 1.
    score: f32,
    /// Whether that is no lower than the one before.
    pub(super) is_surer: bool,
    /// Whether a second look confirmed that it is a face.
    pub(super) confirmed: bool,
    /// Centre when it was observed last, smoothed, in pixels.
    centre: [f32; 2],
    /// Side, smoothed, in pixels.
    side: f32,
    /// In pixels a millisecond.
    velocity: [f32; 2],
}

impl Track {
    pub(super) fn new(observation: &Observation, now_ms: u64) -> Self {
        let observed = &observation.bounds;
        Self {
            id: 0,
            came_ms: now_ms,
            found_ms: now_ms,
            observed: *observed,
            roll: observation.roll,
            shown: false,
            hits: 1,
            best_score: observation.score,
            score: observation.score,
            is_surer: true,
            confirmed: false,
            centre: centre(observed),
            side: observed.w,
            velocity: [0.0; 2],
        }
    }

    /// Where it is at `now_ms`, smoothed, and coasting where it was not observed.
    pub fn bounds(&self, now_ms: u64, settings: &TrackerSettings) -> Rect {
        let [x, y] = self.predicted(now_ms, settings);
        Rect {
            x: x - self.side / 2.0,
            y: y - self.side / 2.0,
            w: self.side,
            h: self.side,
        }
    }

    /// Whether it was observed in the frame of that time.
    pub fn is_found(&self, now_ms: u64) -> bool {
        self.found_ms == now_ms
    }

    /// Whether it has no number, and was observed often enough for one.
    pub(super) fn is_candidate(&self, settings: &TrackerSettings) -> bool {
        self.id == 0 && self.hits >= settings.births
    }

    /// Whether it goes without an observation for too long to be judged.
    pub fn is_unconfirmed(&self, now_ms: u64, settings: &TrackerSettings) -> bool {
        now_ms.saturating_sub(self.found_ms) > settings.judged_ms
    }

    /// Whether it is a candidate that was never sure.
    pub(super) fn is_doubtful(&self, settings: &TrackerSettings) -> bool {
        self.id == 0 && self.best_score < settings.sure_score
    }

    /// Whether it goes without one for too long to be there. The last frame came `pause_ms` before this one.
    pub(super) fn is_over(&self, now_ms: u64, pause_ms: u64, settings: &TrackerSettings) -> bool {
        let longest_ms = if self.id == 0 {
            // Few frames a second must not keep those out whom the detector sees in every second one alone.
            settings.candidate_ms.max(2 * pause_ms)
        } else {
            settings.death_ms
        };
        now_ms.saturating_sub(self.found_ms) > longest_ms
    }

    /// How well an observation fits, 0 to 1: its intersection over union with the prediction; 0 where it does not even
    /// meet the box of the last observation.
    pub(super) fn fit(&self, observed: &Rect, now_ms: u64, settings: &TrackerSettings) -> f32 {
        if self.observed.overlap(observed) > 0.0 {
            self.bounds(now_ms, settings).overlap(observed)
        } else {
            0.0
        }
    }

    /// Takes in an observation of its face.
    pub(super) fn observe(&mut self, observation: &Observation, now_ms: u64, settings: &TrackerSettings) {
        let observed = &observation.bounds;
        let since_ms = now_ms.saturating_sub(self.found_ms).max(1) as f32;
        let predicted = self.predicted(now_ms, settings);
        let (there, gain) = (centre(observed), gain(since_ms, settings.place_ms));
        // Benedict and Bordner (1962): the best gain of the velocity for this one of the place.
        let velocity_gain = gain * gain / (2.0 - gain) / since_ms;
        for axis in 0..2 {
            let off = there[axis] - predicted[axis];
            self.centre[axis] = predicted[axis] + gain * off;
            self.velocity[axis] += velocity_gain * off;
        }
        if since_ms > settings.coast_ms as f32 {
            // What its velocity was meanwhile cannot be told.
            (self.centre, self.velocity) = (there, [0.0; 2]);
        }
        self.side *= (observed.w / self.side).powf(self::gain(since_ms, settings.side_ms));
        (self.observed, self.roll, self.found_ms) = (*observed, observation.roll, now_ms);
        self.hits = self.hits.saturating_add(1);
        self.best_score = self.best_score.max(observation.score);
        self.is_surer = observation.score >= self.score;
        self.score = observation.score;
    }

    fn predicted(&self, now_ms: u64, settings: &TrackerSettings) -> [f32; 2] {
        let coasts_ms = now_ms.saturating_sub(self.found_ms).min(settings.coast_ms) as f32;
        let [x, y] = self.velocity.map(|velocity| coasts_ms * velocity);
        let farthest = settings.farthest * self.side;
        let share = (farthest / x.hypot(y).max(f32::MIN_POSITIVE)).min(1.0);
        [self.centre[0] + share * x, self.centre[1] + share * y]
    }
}

/// Share of the way to a new value after so long, with this time constant, both in milliseconds.
fn gain(since_ms: f32, constant_ms: f32) -> f32 {
    1.0 - (-since_ms / constant_ms).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, side: f32) -> Observation {
        Observation {
            bounds: Rect {
                x,
                y: 50.0,
                w: side,
                h: side,
            },
            score: 1.0,
            roll: 0.0,
        }
    }

    /// A face that goes to the right by so many pixels a second, seen at this rate for a second.
    fn walked(pixels_a_second: f32, frame_ms: u64) -> Track {
        let mut track = Track::new(&square(0.0, 40.0), 0);
        for now_ms in (1..=1000 / frame_ms).map(|frame| frame * frame_ms) {
            let x = pixels_a_second * now_ms as f32 / 1000.0;
            track.observe(&square(x, 40.0), now_ms, &TrackerSettings::default());
        }
        track
    }

    #[test]
    fn a_steady_walk_is_predicted_at_any_frame_rate() {
        for frame_ms in [25, 50, 100] {
            let track = walked(120.0, frame_ms);
            let there = track.bounds(track.found_ms + 100, &TrackerSettings::default());
            let expected = 120.0 * (track.found_ms + 100) as f32 / 1000.0;
            assert!(
                (there.x - expected).abs() < 2.0,
                "{frame_ms}: {} instead of {expected}",
                there.x
            );
        }
    }

    #[test]
    fn a_face_that_is_not_observed_stops_after_a_while_and_never_flies() {
        let track = walked(120.0, 50);
        let x = |after_ms| track.bounds(track.found_ms + after_ms, &TrackerSettings::default()).x;
        assert_eq!(x(200), x(5000));
        let fast = walked(4000.0, 50);
        let flown = fast.bounds(fast.found_ms + 200, &TrackerSettings::default()).x
            - fast.bounds(fast.found_ms, &TrackerSettings::default()).x;
        assert!((flown - 24.0).abs() < 0.1, "0.6 of 40 pixels: {flown}");
    }

    #[test]
    fn scatter_is_smoothed_and_less_so_the_farther_frames_are_apart() {
        let swing = |frame_ms: u64| {
            let mut track = Track::new(&square(100.0, 40.0), 0);
            let mut ends = [f32::MAX, f32::MIN];
            for frame in 1..=60 {
                let off = if frame % 2 == 0 { 2.0 } else { -2.0 };
                track.observe(
                    &square(100.0 + off, 40.0 + off),
                    frame * frame_ms,
                    &TrackerSettings::default(),
                );
                let x = track.bounds(frame * frame_ms, &TrackerSettings::default()).x;
                if frame > 20 {
                    ends = [ends[0].min(x), ends[1].max(x)];
                }
            }
            ends[1] - ends[0]
        };
        let [often, seldom] = [swing(16), swing(100)];
        assert!(often < 1.6 && often < seldom && seldom < 4.5, "{often} {seldom}");
    }

    #[test]
    fn what_does_not_meet_the_last_box_never_fits() {
        let track = walked(120.0, 50);
        let ahead = track.bounds(track.found_ms + 200, &TrackerSettings::default());
        assert!(track.fit(&ahead, track.found_ms + 200, &TrackerSettings::default()) > 0.99);
        let beyond = square(track.observed.x + 40.0, 40.0).bounds;
        assert_eq!(
            track.fit(&beyond, track.found_ms + 200, &TrackerSettings::default()),
            0.0
        );
    }
}
