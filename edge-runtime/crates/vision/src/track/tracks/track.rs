//! One face that is followed, and how its box goes from frame to frame.

use shared_model::image::Rect;
use shared_model::keypoints::Keypoints;

use crate::face::Detection;
use crate::track::place::{around, centre, shifted};
use crate::track::shape;

/// Below this share a box that followed the keypoints is set back to the detector's.
const DRIFTED: f32 = 0.55;

/// How far towards its keypoints a box goes in a frame, in shares of the way, and its size towards theirs. Of a head that
/// is turned away or looks down they lie beside its middle: all of the way would creep off the face.
const PULL: f32 = 0.25;

/// Time in milliseconds after which it goes all of the way: the farther apart frames are, the less is left of their likeness.
const PULL_MS: f32 = 270.0;

/// The sizes that keypoints can give a box, in sides of the detector's last one: their spread shrinks when a head turns.
const SIZES: [f32; 2] = [0.8, 1.25];

/// The farthest that a face is expected to go in a frame, in sides.
const FARTHEST: f32 = 0.6;

/// A face that is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    /// The same from frame to frame; never given again to another.
    pub id: u32,
    /// Where the detector would see it.
    pub bounds: Rect,
    /// When the detector found it last, or it looked as it did then.
    pub confirmed_ms: u64,
    /// When the detector found it last.
    pub(in crate::track) found_ms: u64,
    /// When the track began, or began again after it was lost.
    pub(in crate::track) began_ms: u64,
    /// When the detector was last asked.
    pub(in crate::track) asked_ms: u64,
    /// Where the detector found it last.
    pub(in crate::track) detected: Rect,
    /// How far it went to the frame before, in pixels.
    step: [f32; 2],
    /// When it was moved to its keypoints last.
    pub(super) moved_ms: u64,
    /// Whether the detector has set the box to another place, which looks like something else.
    jumped: bool,
}

impl Track {
    /// A face that the detector has just found.
    pub(super) fn new(id: u32, bounds: Rect, now_ms: u64) -> Self {
        Self {
            id,
            bounds,
            confirmed_ms: now_ms,
            found_ms: now_ms,
            began_ms: now_ms,
            asked_ms: now_ms,
            detected: bounds,
            step: [0.0; 2],
            moved_ms: now_ms,
            jumped: false,
        }
    }

    /// Moves the box to where it is in the next frame if it goes on as it did; gives the box, and whether it can be
    /// compared with the frame before.
    pub(super) fn expect(&mut self) -> (Rect, bool) {
        let [x, y] = self.step;
        let share = (FARTHEST * self.bounds.w / x.hypot(y)).min(1.0);
        self.step = [share * x, share * y];
        self.bounds = shifted(&self.bounds, self.step);
        (self.bounds, !std::mem::take(&mut self.jumped))
    }

    /// Moves the box from where it was expected to where it looks as before, by so many pixels; or back, if it looks so
    /// nowhere. Gives the box.
    pub(super) fn shift(&mut self, by: Option<[f32; 2]>) -> Rect {
        let by = by.unwrap_or(self.step.map(|length| -length));
        self.step = [0, 1].map(|axis| self.step[axis] + by[axis]);
        self.bounds = shifted(&self.bounds, by);
        self.bounds
    }

    /// Moves the box some of the way to its keypoints; gives the box.
    pub(super) fn moved(&mut self, keypoints: &Keypoints, now_ms: u64) -> Rect {
        let since_ms = now_ms.saturating_sub(self.moved_ms);
        let pull = (since_ms as f32 / PULL_MS).clamp(PULL, 1.0);
        self.moved_ms = now_ms;
        let new = shape::bounds(keypoints);
        let [least, most] = SIZES.map(|share| share * self.detected.w);
        let side = self.bounds.w + pull * (new.w.clamp(least, most) - self.bounds.w);
        let (from, to) = (centre(&self.bounds), centre(&new));
        let there = shifted(&self.bounds, [0, 1].map(|axis| pull * (to[axis] - from[axis])));
        self.bounds = around(&there, side);
        self.bounds
    }

    /// The detector has found it here.
    pub(super) fn confirm(&mut self, face: &Detection, now_ms: u64) {
        (self.confirmed_ms, self.found_ms, self.asked_ms) = (now_ms, now_ms, now_ms);
        self.detected = face.bounds;
        if self.bounds.overlap(&face.bounds) < DRIFTED {
            self.bounds = face.bounds;
            self.jumped = true;
        }
    }
}
