//! One frame after another: networks where faces are followed, the detector where it is needed.

use shared_model::image::{GrayView, Rect};
use shared_model::message::Withheld;

use super::memory::Memories;
use super::scene::Scene;
use super::search::{Found, Pace, Purpose, Search, SearchError};
use super::tracks::{MAX_FACES, Track, Tracks};
use super::{TrackConfig, shape};
use crate::clock::Clock;
use crate::face::{Aim, DetectorConfig, Effort};
use crate::predict::{PredictError, Prediction, Predictor};
use crate::stats::Stats;

/// How often the detector looks whether a followed face is still there.
const CHECK_MS: u64 = 400;

/// How soon it looks again where it has not found it.
const RETRY_MS: u64 = 100;

/// A face that the detector has not found for longer is not judged.
const UNCONFIRMED_MS: u64 = 600;

/// Side of the surroundings that are searched for a followed face, in sides of its box: the box follows the
/// keypoints, and lies within some percent of the detector's.
const SURROUNDINGS: f32 = 1.7;

/// Side of the surroundings that are searched for a face that went astray: it holds every face that
/// [`Tracks::checked`] takes for this one.
const SEARCHED: f32 = 2.5;

/// The smallest and the largest face in the surroundings, in sides of the box.
const ITS_SIZE: [f32; 2] = [0.85, 1.3];

/// The same for a face that went astray: its box may have been wrong for a while.
const ABOUT_ITS_SIZE: [f32; 2] = [0.75, 1.4];

/// Correlation with the frame before below which a face may be another one, or none.
const ALIKE: f32 = 0.5;

/// A box of the detector's that shares less of the union with the one that the networks saw is another sight.
const MOVED: f32 = 0.7;

/// A face in the last frame.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its number, from 1; 0 where faces are not followed.
    pub id: u32,
    /// Where it is, as the detector would give it.
    pub bounds: Rect,
    /// What the networks say.
    pub prediction: Prediction,
    /// Why it is not judged, if it is not.
    pub withheld: Option<Withheld>,
}

/// Why a frame cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The networks cannot run.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// The detector cannot.
    #[error(transparent)]
    Search(#[from] SearchError),
}

/// Finds and follows faces.
pub struct Follower {
    config: TrackConfig,
    pace: Pace,
    tracks: Tracks,
    search: Search,
    seen: Vec<Seen>,
    memories: Memories,
    scene: Scene,
    /// Whether this frame is of another scene than the one before.
    cut: bool,
    /// Frames since the whole region was searched.
    unsearched: u32,
}

/// What belongs to one frame.
struct Now<'a> {
    frame: GrayView<'a>,
    region: Rect,
    time_ms: u64,
    predictor: &'a mut Predictor,
    clock: &'a dyn Clock,
    stats: &'a mut Stats,
}

impl Follower {
    /// Follows nobody yet.
    pub fn new(config: TrackConfig, pace: Pace) -> Result<Self, SearchError> {
        Ok(Self {
            config,
            pace,
            tracks: Tracks::new(config.policy),
            search: Search::new(config.detector)?,
            seen: Vec::with_capacity(MAX_FACES),
            memories: Memories::new(),
            scene: Scene::default(),
            cut: false,
            unsearched: 0,
        })
    }

    /// The faces of the last frame, in the order in which they came.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// The face of the last frame that counts.
    pub fn counting(&self) -> Option<&Seen> {
        let id = self.tracks.counting()?;
        self.seen.iter().find(|seen| seen.id == id)
    }

    /// Whether the detector is not at the same search as when this was last asked: it may take long, and
    /// frames go on meanwhile.
    pub fn has_searched(&mut self) -> bool {
        self.search.has_moved_on()
    }

    /// Looks at the next frame, taken at `time_ms`.
    pub fn look(
        &mut self,
        frame: GrayView<'_>,
        time_ms: u64,
        predictor: &mut Predictor,
        clock: &dyn Clock,
        stats: &mut Stats,
    ) -> Result<(), FollowError> {
        let share = self.config.region;
        let (width, height) = (frame.width() as f32, frame.height() as f32);
        let region = Rect {
            x: share.x * width,
            y: share.y * height,
            w: share.w * width,
            h: share.h * height,
        };
        let mut now = Now {
            frame,
            region,
            time_ms,
            predictor,
            clock,
            stats,
        };
        self.seen.clear();
        self.cut = self.scene.cuts(frame);
        if let Some(found) = self.search.poll()? {
            self.learn(&found, &mut now);
        }
        self.follow(&mut now)?;
        if self.tracks.live().is_empty() {
            self.settle(&mut now)?;
            if self.tracks.live().is_empty() {
                self.begin(Purpose::Anybody, &mut now)?;
                self.settle(&mut now)?;
            }
            self.follow(&mut now)?;
        }
        self.ask(&mut now)?;
        self.tracks.tidy(&region, time_ms);
        let tracks = &self.tracks;
        self.seen.retain(|seen| tracks.get(seen.id).is_some());
        Ok(())
    }

    /// Runs the networks on every followed face that has not been seen in this frame.
    fn follow(&mut self, now: &mut Now<'_>) -> Result<(), FollowError> {
        let tracks: heapless::Vec<Track, MAX_FACES> = self.tracks.live().iter().copied().collect();
        for track in tracks {
            if self.seen.iter().all(|seen| seen.id != track.id) {
                self.follow_one(&track, now)?;
            }
        }
        Ok(())
    }

    /// Where the networks see no face any more, or something else than before, the detector decides: it sets
    /// the box back, or the track ends.
    fn follow_one(&mut self, track: &Track, now: &mut Now<'_>) -> Result<(), FollowError> {
        let (mut bounds, alike) = self.go_along(track, now.frame);
        let mut prediction = Self::judge(&bounds, now)?;
        let mut plausible = shape::is_plausible(&prediction.keypoints, &bounds);
        // Keypoints that go on to be none of a face's, where the detector has just seen one, are no news.
        let news = !alike || (!plausible && now.time_ms.saturating_sub(track.asked_ms) >= RETRY_MS);
        if news {
            if !self.is_there(track, now)? {
                self.end(track.id, now.time_ms);
                return Ok(());
            }
            let there = self.tracks.set_back(track.id).unwrap_or(bounds);
            if there.overlap(&bounds) < MOVED {
                prediction = Self::judge(&there, now)?;
            }
            bounds = there;
            plausible = shape::is_plausible(&prediction.keypoints, &bounds);
        }
        let keypoints = &prediction.keypoints;
        if plausible {
            bounds = self.tracks.moved(track.id, keypoints, now.time_ms).unwrap_or(bounds);
        }
        let memory = self.memories.of(track.id, &self.tracks);
        memory.motion.remember(now.frame, &bounds);
        let withheld = memory.look.at(now.frame, &bounds);
        let facing = plausible && shape::is_facing(keypoints);
        let confirmed_ms = self.tracks.get(track.id).map_or(0, |track| track.confirmed_ms);
        let unconfirmed = now.time_ms.saturating_sub(confirmed_ms) > UNCONFIRMED_MS;
        let withheld = withheld.or((!facing).then_some(Withheld::TurnedAway));
        self.seen.push(Seen {
            id: track.id,
            bounds,
            withheld: withheld.or(unconfirmed.then_some(Withheld::Unconfirmed)),
            prediction,
        });
        Ok(())
    }

    /// Moves the box of a face to where it looks most like in the frame before; gives the box, and whether it looks like
    /// that at all.
    fn go_along(&mut self, track: &Track, frame: GrayView<'_>) -> (Rect, bool) {
        let Some((bounds, comparable)) = self.tracks.expect(track.id) else {
            return (track.bounds, true);
        };
        let motion = &mut self.memories.of(track.id, &self.tracks).motion;
        let Some(shift) = motion.find(frame, &bounds).filter(|_| comparable) else {
            return (bounds, true);
        };
        let alike = shift.likeness >= ALIKE;
        let there = self.tracks.shift(track.id, alike.then_some(shift.by));
        (there.unwrap_or(bounds), alike)
    }

    /// Ends the track of what the detector does not see. Who is hidden, or looks down, may be back in a moment; after a
    /// cut nobody inherits the number.
    fn end(&mut self, id: u32, time_ms: u64) {
        if self.cut {
            self.tracks.forget(id);
        } else {
            self.tracks.lose(id, time_ms);
        }
    }

    /// Runs the networks on a box.
    fn judge(bounds: &Rect, now: &mut Now<'_>) -> Result<Prediction, FollowError> {
        let start = now.clock.now();
        now.predictor.crop(now.frame, &now.predictor.crops(bounds))?;
        let cropped = now.clock.now();
        let prediction = now.predictor.run()?;
        let judged = now.clock.now();
        now.stats.crop.record(cropped.saturating_sub(start));
        now.stats.networks.record(judged.saturating_sub(cropped));
        Ok(prediction)
    }

    /// Asks the detector, and waits, whether a face is where this one should be.
    fn is_there(&mut self, track: &Track, now: &mut Now<'_>) -> Result<bool, FollowError> {
        self.settle(now)?;
        self.begin(Purpose::Astray(track.id), now)?;
        if self.settle(now)? {
            return Ok(true);
        }
        self.begin(Purpose::Last(track.id), now)?;
        self.settle(now)
    }

    /// Starts the search that is due, if the detector is free.
    fn ask(&mut self, now: &mut Now<'_>) -> Result<(), FollowError> {
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

    fn begin(&mut self, purpose: Purpose, now: &mut Now<'_>) -> Result<(), FollowError> {
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

    /// Waits for a search that is under way, and learns from it; gives whether it confirmed a face.
    fn settle(&mut self, now: &mut Now<'_>) -> Result<bool, FollowError> {
        let found = self.search.wait()?;
        Ok(found.is_some_and(|found| self.learn(&found, now)))
    }

    /// Gives whether the face that was looked for is confirmed.
    fn learn(&mut self, found: &Found, now: &mut Now<'_>) -> bool {
        now.stats.find.record(found.took);
        match found.purpose {
            Purpose::Check(id) | Purpose::Astray(id) | Purpose::Last(id) if self.tracks.get(id).is_some() => {
                self.tracks.checked(id, &found.faces, now.time_ms)
            }
            Purpose::Anybody | Purpose::Check(_) | Purpose::Astray(_) | Purpose::Last(_) => {
                self.tracks.found(&found.faces, &now.region, now.time_ms);
                false
            }
        }
    }
}

/// A box of so many sides around another one.
fn surroundings(bounds: &Rect, sides: f32) -> Rect {
    let margin = (sides - 1.0) / 2.0;
    Rect {
        x: bounds.x - margin * bounds.w,
        y: bounds.y - margin * bounds.h,
        w: sides * bounds.w,
        h: sides * bounds.h,
    }
}

#[cfg(test)]
mod tests;
