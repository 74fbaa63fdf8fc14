//! Which candidate gets a second look, and what becomes of it.

use shared_model::image::Rect;

use super::{MAX_TRACKS, Track, TrackerSettings};

/// A place whose second look failed.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where, in pixels of the frame.
    bounds: Rect,
    /// When, in milliseconds.
    at_ms: u64,
    /// What all looks at it said, 0 to 1, the last one weighing as much as those before.
    score: f32,
    /// Whether it was the first look that failed, and only just: the next one need not wait.
    nearly: bool,
}

/// Places whose second look failed not long ago, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Refused(heapless::Vec<Place, MAX_TRACKS>);

impl Refused {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn forget_before(&mut self, now_ms: u64, settings: &TrackerSettings) {
        self.0
            .retain(|place| now_ms.saturating_sub(place.at_ms) < settings.forgotten_ms);
    }

    fn at(&self, bounds: &Rect, settings: &TrackerSettings) -> Option<usize> {
        let same = |place: &Place| place.bounds.overlap(bounds) >= settings.least_overlap;
        // The last one counts.
        self.0.iter().rposition(same)
    }

    /// Whether a second look at a box failed that is not forgotten.
    pub(super) fn remembers(&self, bounds: &Rect, settings: &TrackerSettings) -> bool {
        self.at(bounds, settings).is_some()
    }

    /// Whether a box was refused just now, and must wait.
    fn holds(&self, bounds: &Rect, now_ms: u64, settings: &TrackerSettings) -> bool {
        self.at(bounds, settings).is_some_and(|at| {
            let place = &self.0[at];
            !place.nearly && now_ms.saturating_sub(place.at_ms) < settings.refused_ms
        })
    }

    /// What looks at a box said before, and this one together; the place is no longer remembered.
    fn together(&mut self, bounds: &Rect, score: f32, settings: &TrackerSettings) -> f32 {
        let known = self.at(bounds, settings);
        known.map_or(score, |at| f32::midpoint(self.0.remove(at).score, score))
    }

    /// Remembers a place, in the stead of the oldest one where there are too many.
    fn insert(&mut self, place: Place) {
        if self.0.is_full() {
            self.0.remove(0);
        }
        // There is room.
        let _ = self.0.push(place);
    }
}

/// Looks once more at the first candidate that was observed in this frame, is not certain and was not refused just now. The
/// detector sees frames and mirror images in turns; a doubtful candidate is looked at where it is seen better.
pub(super) fn second_look<E>(
    tracks: &mut [Track],
    refused: &mut Refused,
    now_ms: u64,
    settings: &TrackerSettings,
    look: impl FnOnce(&Rect, f32) -> Result<f32, E>,
) -> Result<(), E> {
    let asks = |track: &&mut Track| {
        let doubted = track.best_score < settings.certain_score() && !track.confirmed;
        let looked_at = track.is_candidate(settings) && track.is_found(now_ms) && doubted;
        let seen_well = track.is_surer || track.best_score >= settings.sure_score;
        looked_at && seen_well && !refused.holds(&track.observed, now_ms, settings)
    };
    let Some(track) = tracks.iter_mut().find(asks) else {
        return Ok(());
    };
    let first = !refused.remembers(&track.observed, settings);
    let score = refused.together(&track.observed, look(&track.observed, track.roll)?, settings);
    track.confirmed = settings.confirms(track.best_score, score);
    if !track.confirmed {
        refused.insert(Place {
            bounds: track.observed,
            at_ms: now_ms,
            score,
            nearly: first && settings.nearly_confirms(track.best_score, score),
        });
    }
    Ok(())
}
