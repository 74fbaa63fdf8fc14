//! Which search is due, and how: where, for faces of which size, and how hard.

use shared_model::image::Rect;

use super::{FollowError, Follower, Now, UNCONFIRMED_MS};
use crate::face::{self, Aim, DetectorConfig, Effort};
use crate::track::search::{Pace, Purpose};
use crate::track::tracks::Track;

/// How often it is looked whether a followed face is still there.
const CHECK_MS: u64 = 400;

/// How long it need not look at a face that looks as when it found it.
const UNASKED_MS: u64 = 2000;

/// How soon it looks again where it has not found it.
pub(super) const RETRY_MS: u64 = 100;

/// The same where it has not found it for long, and looks as hard as can be.
const RETRY_HARD_MS: u64 = 200;

/// Frames from one search of the whole region to the next while somebody is followed: the least, and the most, after
/// which only those faces are searched that are large enough to be cheap.
const SEARCH_EVERY: [u32; 2] = [30, 90];

/// Pixels of the searched picture that a run of both networks pays for: on a processor with AVX-512 VNNI, where networks
/// are fastest beside the detector, searching so many takes an eighth of its time.
const PIXELS_PER_RUN: f32 = 2000.0;

/// Side of the surroundings that are searched for a followed face, in sides of its box: the box follows the
/// keypoints, and lies within some percent of the detector's.
const SURROUNDINGS: f32 = 1.5;

/// Side of the surroundings that are searched for a face that went astray: it holds every face that
/// [`Tracks::checked`](crate::track::Tracks::checked) takes for this one.
const SEARCHED: f32 = 2.5;

/// The smallest and the largest face in the surroundings, in sides of the box.
const ITS_SIZE: [f32; 2] = [0.95, 1.1];

/// The same for a face that went astray: its box may have been wrong for a while.
const ABOUT_ITS_SIZE: [f32; 2] = [0.75, 1.4];

/// What happened since the whole region was searched.
#[derive(Debug, Default)]
pub(super) struct Unsearched {
    frames: u32,
    /// Runs of both networks.
    runs: u32,
    /// The same since it was searched for all faces that may count.
    runs_for_all: u32,
}

impl Unsearched {
    fn add(&mut self, runs: u32) {
        self.frames = self.frames.saturating_add(1);
        self.runs = self.runs.saturating_add(runs);
        self.runs_for_all = self.runs_for_all.saturating_add(runs);
    }

    /// It is searched now, for all that may count or only for large ones.
    fn end(&mut self, all: bool) {
        (self.frames, self.runs) = (0, 0);
        if all {
            self.runs_for_all = 0;
        }
    }
}

impl Follower {
    /// Starts the search that is due, if the detector is free.
    pub(super) fn ask(&mut self, now: &mut Now<'_>) -> Result<(), FollowError> {
        self.unsearched.add(self.seen.len() as u32);
        if self.search.is_busy() {
            return Ok(());
        }
        let mut next = self.due(&now.region, now.time_ms);
        while let Some(Purpose::Check(id)) = next
            && self.is_as_found(id, now)
        {
            next = self.due(&now.region, now.time_ms).or(Some(Purpose::SignOfLife));
        }
        let Some(purpose) = next else { return Ok(()) };
        self.begin(purpose, now)?;
        match self.pace {
            Pace::Wait => self.settle(now).map(drop),
            Pace::Background => Ok(()),
        }
    }

    /// Whether a face looks as when the detector found it last, so that it need not be asked, for a while.
    fn is_as_found(&mut self, id: u32, now: &Now<'_>) -> bool {
        let Some(track) = self.tracks.get(id).copied() else {
            return false;
        };
        let recent = now.time_ms.saturating_sub(track.found_ms) < UNASKED_MS;
        let memory = self.memories.of(id, &self.tracks);
        let trusted = recent && memory.trust(now.frame, &track.bounds, now.time_ms);
        if trusted {
            self.tracks.trust(id, now.time_ms);
        }
        trusted
    }

    /// What the detector is to do now, if anything.
    fn due(&self, region: &Rect, now_ms: u64) -> Option<Purpose> {
        let unconfirmed = |track: &Track| now_ms.saturating_sub(track.confirmed_ms) > UNCONFIRMED_MS;
        let due = |track: &&Track| {
            let pause_ms = if unconfirmed(track) {
                RETRY_HARD_MS
            } else if track.asked_ms > track.confirmed_ms {
                RETRY_MS
            } else {
                CHECK_MS
            };
            now_ms.saturating_sub(track.asked_ms) >= pause_ms
        };
        if let Some(least_px) = self.others_px(region) {
            return Some(Purpose::Anybody { least_px });
        }
        let check = self.tracks.live().iter().filter(due).min_by_key(|track| track.asked_ms);
        let check = check.map(|track| {
            if unconfirmed(track) {
                Purpose::Last(track.id)
            } else {
                Purpose::Check(track.id)
            }
        });
        check.or_else(|| self.tracks.sought(now_ms, RETRY_MS).map(Purpose::Astray))
    }

    /// Side of the smallest face for which the whole region is to be searched now, while somebody is followed; `None` if it
    /// is not. Where all that may count are too dear, half of what the networks pay for is saved for them, and with the
    /// other half those are searched that are large enough.
    fn others_px(&self, region: &Rect) -> Option<f32> {
        let least_px = self.rival_px()?;
        let [frames, most] = match self.config.search_every {
            Some(frames) => return (self.unsearched.frames >= frames).then_some(least_px),
            None => SEARCH_EVERY,
        };
        let pays_for = |runs: u32| PIXELS_PER_RUN * runs as f32;
        let all = face::searched_pixels(region, least_px);
        if self.unsearched.frames < frames {
            None
        } else if all <= pays_for(self.unsearched.runs) || all <= pays_for(self.unsearched.runs_for_all) / 2.0 {
            Some(least_px)
        } else {
            let large_px = face::least_px(region, pays_for(self.unsearched.runs) / 2.0);
            (self.unsearched.frames >= most).then_some(large_px)
        }
    }

    /// Side of the smallest face that can change who is followed, if one can.
    fn rival_px(&self) -> Option<f32> {
        self.tracks.rival_px(self.config.detector.min_face_px)
    }

    /// How hard the whole region is searched: as hard as can be only where nobody waits for the answer. A search in wide steps
    /// takes a third to half of the time, which is how long somebody who was lost a moment ago goes unseen.
    fn effort(&self) -> Effort {
        if self.tracks.live().is_empty() && !self.tracks.has_lost() {
            Effort::Thorough
        } else {
            Effort::Quick
        }
    }

    pub(super) fn begin(&mut self, purpose: Purpose, now: &mut Now<'_>) -> Result<(), FollowError> {
        let aim = |[min_px, max_px]: [f32; 2], effort| Aim { min_px, max_px, effort };
        let (area, aim) = match purpose {
            Purpose::Anybody { least_px } => {
                let all = self.rival_px().is_none_or(|all_px| least_px <= all_px);
                self.unsearched.end(all);
                (now.region, aim([least_px, f32::INFINITY], self.effort()))
            }
            Purpose::SignOfLife => {
                let pixel = Rect {
                    w: 1.0,
                    h: 1.0,
                    ..now.region
                };
                (pixel, aim([self.config.detector.min_face_px, 0.0], Effort::Quick))
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
                    Purpose::Check(_) => Effort::Expected,
                    _ => Effort::Known,
                };
                let (least, most) = (bounds.w.min(seen_px), bounds.w.max(seen_px));
                let least = match effort {
                    Effort::Thorough => self.level(sizes[0] * least),
                    Effort::Quick | Effort::Known | Effort::Expected => sizes[0] * least,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Detection;
    use crate::track::{Policy, TrackConfig};

    const VGA: Rect = Rect {
        x: 0.0,
        y: 0.0,
        w: 640.0,
        h: 480.0,
    };
    const FULL_HD: Rect = Rect {
        w: 1920.0,
        h: 1080.0,
        ..VGA
    };
    const FACE: Detection = Detection {
        bounds: Rect {
            x: 100.0,
            y: 100.0,
            w: 100.0,
            h: 100.0,
        },
        score: 9.0,
    };

    /// When the whole region is searched in 4000 frames in which so many faces are followed, and from which side on.
    fn searches(
        policy: Policy,
        region: Rect,
        min_face_px: f32,
        faces: u32,
        search_every: Option<u32>,
    ) -> Vec<(u32, f32)> {
        let config = TrackConfig {
            policy,
            search_every,
            detector: DetectorConfig {
                min_face_px,
                ..DetectorConfig::default()
            },
            ..TrackConfig::default()
        };
        let mut follower = Follower::new(config, Pace::Wait).unwrap();
        follower.tracks.found(&[FACE], &region, 0);
        let mut searches = vec![];
        for frame in 1..=4000 {
            follower.unsearched.add(faces);
            if let Some(least_px) = follower.others_px(&region) {
                searches.push((frame, least_px));
                let all = follower.rival_px().unwrap();
                follower.unsearched.end(least_px <= all);
            }
        }
        searches
    }

    #[test]
    fn others_are_searched_as_often_as_told_or_as_is_cheap() {
        for (policy, region, min_px, faces, told, first) in [
            (Policy::All, VGA, 80.0, 1, None, Some((39, 80.0))),
            (Policy::All, VGA, 40.0, 2, None, Some((77, 40.0))),
            (Policy::Largest, FULL_HD, 80.0, 4, None, Some((65, 80.0))),
            (Policy::All, FULL_HD, 40.0, 1, None, Some((90, 192.0))),
            (Policy::All, FULL_HD, 80.0, 1, None, Some((90, 192.0))),
            (Policy::All, FULL_HD, 40.0, 1, Some(7), Some((7, 40.0))),
            (Policy::First, VGA, 80.0, 1, None, None),
            (Policy::First, VGA, 80.0, 1, Some(7), None),
        ] {
            let searches = searches(policy, region, min_px, faces, told);
            assert_eq!(
                searches.first().map(|(frame, least_px)| (*frame, least_px.round())),
                first,
                "{policy:?} {region:?} {min_px} {told:?}"
            );
        }
    }

    #[test]
    fn small_faces_wait_twice_as_long_where_large_ones_are_searched_as_well() {
        let searches = searches(Policy::All, FULL_HD, 80.0, 1, None);
        let small = searches.iter().find(|(_, least_px)| *least_px == 80.0);
        assert_eq!(small, Some(&(519, 80.0)));
    }

    #[test]
    fn the_whole_region_is_searched_thoroughly_where_nobody_waits() {
        let mut follower = Follower::new(TrackConfig::default(), Pace::Wait).unwrap();
        assert_eq!(follower.effort(), Effort::Thorough);
        follower.tracks.found(&[FACE], &VGA, 0);
        assert_eq!(follower.effort(), Effort::Quick, "followed");
        follower.tracks.lose(1, 1000);
        follower.tracks.tidy(&VGA, 1900);
        assert_eq!(follower.effort(), Effort::Quick, "lost a moment ago");
        follower.tracks.tidy(&VGA, 2100);
        assert_eq!(follower.effort(), Effort::Thorough, "long gone");
    }

    #[test]
    fn what_is_searched_is_paid_for_and_nobody_is_forgotten() {
        for region in [VGA, FULL_HD] {
            for (min_px, faces) in [(20.0, 1), (40.0, 1), (40.0, 5), (80.0, 1), (80.0, 8)] {
                let searches = searches(Policy::All, region, min_px, faces, None);
                let (mut before, mut pixels) = (0, 0.0);
                for (frame, least_px) in &searches {
                    pixels += face::searched_pixels(&region, *least_px);
                    let paid = PIXELS_PER_RUN * (faces * frame) as f32;
                    assert!(pixels <= 1.001 * paid, "{pixels} of {paid} pixels for {min_px}");
                    assert!(frame - before <= SEARCH_EVERY[1], "{before} to {frame} for {min_px}");
                    before = *frame;
                }
                let all = searches.iter().filter(|(_, least_px)| *least_px == min_px).count();
                assert!(all > 0, "{region:?} {min_px} {faces}: {searches:?}");
            }
        }
    }
}
