//! Which search is due, and how: where, for faces of which size, and how hard.

use shared_model::image::Rect;

use super::{FollowError, Follower, Now, UNCONFIRMED_MS};
use crate::face::{Aim, DetectorConfig, Effort};
use crate::track::search::{Pace, Purpose};
use crate::track::tracks::Track;

/// How often the detector looks whether a followed face is still there.
const CHECK_MS: u64 = 400;

/// How soon it looks again where it has not found it.
pub(super) const RETRY_MS: u64 = 100;

/// Side of the surroundings that are searched for a followed face, in sides of its box: the box follows the
/// keypoints, and lies within some percent of the detector's.
const SURROUNDINGS: f32 = 1.7;

/// Side of the surroundings that are searched for a face that went astray: it holds every face that
/// [`Tracks::checked`](crate::track::Tracks::checked) takes for this one.
const SEARCHED: f32 = 2.5;

/// The smallest and the largest face in the surroundings, in sides of the box.
const ITS_SIZE: [f32; 2] = [0.85, 1.3];

/// The same for a face that went astray: its box may have been wrong for a while.
const ABOUT_ITS_SIZE: [f32; 2] = [0.75, 1.4];

impl Follower {
    /// Starts the search that is due, if the detector is free.
    pub(super) fn ask(&mut self, now: &mut Now<'_>) -> Result<(), FollowError> {
        self.unsearched += 1;
        if self.search.is_busy() {
            return Ok(());
        }
        let Some(purpose) = self.due(now.time_ms) else {
            return Ok(());
        };
        self.begin(purpose, now)?;
        match self.pace {
            Pace::Wait => self.settle(now).map(drop),
            Pace::Background => Ok(()),
        }
    }

    /// What the detector is to do now, if anything.
    fn due(&self, now_ms: u64) -> Option<Purpose> {
        let due = |track: &&Track| {
            let missed = track.asked_ms > track.confirmed_ms;
            now_ms.saturating_sub(track.asked_ms) >= if missed { RETRY_MS } else { CHECK_MS }
        };
        if self.unsearched > self.config.search_every && self.rival_px().is_some() {
            return Some(Purpose::Anybody);
        }
        let check = self.tracks.live().iter().filter(due).min_by_key(|track| track.asked_ms);
        let check = check.map(|track| {
            if now_ms.saturating_sub(track.confirmed_ms) > UNCONFIRMED_MS {
                Purpose::Last(track.id)
            } else {
                Purpose::Check(track.id)
            }
        });
        check.or_else(|| self.tracks.sought(now_ms, RETRY_MS).map(Purpose::Astray))
    }

    /// Side of the smallest face that is worth a search of the whole region.
    fn rival_px(&self) -> Option<f32> {
        self.tracks.rival_px(self.config.detector.min_face_px)
    }

    pub(super) fn begin(&mut self, purpose: Purpose, now: &mut Now<'_>) -> Result<(), FollowError> {
        let aim = |[min_px, max_px]: [f32; 2], effort| Aim { min_px, max_px, effort };
        let (area, aim) = match purpose {
            Purpose::Anybody => {
                self.unsearched = 0;
                let least = self.rival_px().unwrap_or(self.config.detector.min_face_px);
                let alone = self.tracks.live().is_empty();
                let effort = if alone { Effort::Thorough } else { Effort::Quick };
                (now.region, aim([least, f32::INFINITY], effort))
            }
            Purpose::Check(id) | Purpose::Astray(id) | Purpose::Last(id) => {
                // Who is lost begins anew, so that nothing must be taken for a face.
                let lost = self.tracks.get(id).is_none();
                let Some((bounds, seen_px)) = self.tracks.ask(id, now.time_ms) else {
                    return Ok(());
                };
                let (sides, sizes) = match purpose {
                    Purpose::Check(_) => (SURROUNDINGS, ITS_SIZE),
                    _ => (SEARCHED, ABOUT_ITS_SIZE),
                };
                let effort = match purpose {
                    Purpose::Last(_) => Effort::Thorough,
                    _ if lost => Effort::Quick,
                    _ => Effort::Known,
                };
                let (least, most) = (bounds.w.min(seen_px), bounds.w.max(seen_px));
                let least = match effort {
                    Effort::Thorough => self.level(sizes[0] * least),
                    Effort::Quick | Effort::Known => sizes[0] * least,
                };
                let sizes = [least, sizes[1] * most];
                (surroundings(&bounds, sides * most / bounds.w), aim(sizes, effort))
            }
        };
        Ok(self.search.begin(now.frame, &area, aim, purpose)?)
    }

    /// The largest face up to this one that begins a level of the pyramid in a search of the whole region: only from there
    /// on a part of it is seen just as there.
    fn level(&self, side_px: f32) -> f32 {
        let DetectorConfig {
            min_face_px,
            pyramid_step,
            ..
        } = self.config.detector;
        let levels = (side_px / min_face_px).ln() / pyramid_step.recip().ln();
        min_face_px * pyramid_step.recip().powf(levels.floor().max(0.0))
    }
}

/// A box of so many sides around another one.
pub(super) fn surroundings(bounds: &Rect, sides: f32) -> Rect {
    let margin = (sides - 1.0) / 2.0;
    Rect {
        x: bounds.x - margin * bounds.w,
        y: bounds.y - margin * bounds.h,
        w: sides * bounds.w,
        h: sides * bounds.h,
    }
}
