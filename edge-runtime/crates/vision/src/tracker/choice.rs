//! Which tracks the policy shows, and which one counts.

use shared_model::image::Rect;

use super::place::{distance, inside};
use super::{MAX_FACES, Policy, Track, TrackerSettings};

/// Order in which faces that come at once are taken: the least first.
pub(super) fn rank(policy: Policy, region: &Rect, bounds: &Rect) -> f32 {
    match policy {
        Policy::Centre => distance(region, bounds),
        Policy::Largest | Policy::First | Policy::All => -bounds.w,
    }
}

/// Shows as many as there is room for: who was shown before goes on, then the largest.
pub(super) fn show(tracks: &mut [Track], policy: Policy) {
    if policy != Policy::All {
        return;
    }
    let mut room = MAX_FACES - tracks.iter().filter(|track| track.shown).count();
    while room > 0 {
        let hidden = tracks.iter_mut().filter(|track| track.id > 0 && !track.shown);
        let Some(largest) = hidden.max_by(|a, b| a.observed.w.total_cmp(&b.observed.w)) else {
            return;
        };
        largest.shown = true;
        room -= 1;
    }
}

/// Number of the face that counts; where the policy wants one face alone, no other is shown.
pub(super) fn counting(
    tracks: &mut [Track],
    policy: Policy,
    current: Option<u32>,
    region: &Rect,
    now_ms: u64,
    settings: &TrackerSettings,
) -> Option<u32> {
    let numbered = |track: &&Track| track.id > 0 && (policy != Policy::All || track.shown);
    let bounds = |track: &Track| track.bounds(now_ms, settings);
    let current = (tracks.iter().filter(numbered))
        .find(|track| Some(track.id) == current)
        .copied();
    let best = (tracks.iter().filter(numbered))
        .filter(|track| inside(region, &bounds(track)))
        .min_by(|a, b| rank(policy, region, &bounds(a)).total_cmp(&rank(policy, region, &bounds(b))));
    let better = |best: &Track, current: &Track| match policy {
        Policy::First => false,
        Policy::Largest | Policy::All => bounds(best).w > settings.larger * bounds(current).w,
        Policy::Centre => {
            let away = |track: &Track| distance(region, &bounds(track));
            away(best) < away(current) - settings.nearer * region.w
        }
    };
    let chosen = match (current, best) {
        (Some(current), Some(best)) if better(best, &current) => Some(best.id),
        (Some(current), _) => Some(current.id),
        (None, best) => best.map(|track| track.id),
    };
    if policy != Policy::All {
        for track in tracks.iter_mut() {
            track.shown = Some(track.id) == chosen;
        }
    }
    chosen
}
