//! One frame after another: networks where faces are followed, the detector where it is needed.

mod ask;

use ask::{RETRY_MS, Unsearched};
use shared_model::image::{GrayView, Rect};
use shared_model::message::Withheld;

use super::memory::{Memories, UNCONFIRMED_MS};
use super::place::shifted;
use super::policy::MAX_FACES;
use super::scene::Scene;
use super::search::{Found, Pace, Purpose, Search, SearchError};
use super::tracks::{Track, Tracks};
use super::{TrackConfig, shape};
use crate::clock::Clock;
use crate::stats::Stats;
use inference::{PredictError, Prediction, Predictor};

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
    unsearched: Unsearched,
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
            unsearched: Unsearched::default(),
        })
    }

    /// The same tracker, before its first frame, whose first number is this one.
    #[must_use]
    pub fn numbering_from(mut self, first: u32) -> Self {
        self.tracks.number_from(first);
        self
    }

    /// The next number that will be given.
    pub fn next_number(&self) -> u32 {
        self.tracks.next_number()
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
        let region = self.config.region.of(frame);
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
                let least_px = self.config.detector.min_face_px;
                self.begin(Purpose::Anybody { least_px }, &mut now)?;
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
        let mut id = track.id;
        let (mut bounds, alike) = self.go_along(track, now.frame);
        let mut prediction = Self::judge(&bounds, now)?;
        let mut plausible = shape::is_plausible(&prediction.keypoints, &bounds);
        // Keypoints that go on to be none of a face's, where the detector has just seen one, are no news.
        let news = !alike || (!plausible && now.time_ms.saturating_sub(track.asked_ms) >= RETRY_MS);
        if news {
            let Some(number) = self.is_there(track, now)? else {
                self.end(track.id, now.time_ms);
                return Ok(());
            };
            id = number;
            let there = self.tracks.set_back(id).unwrap_or(bounds);
            if there.overlap(&bounds) < MOVED {
                prediction = Self::judge(&there, now)?;
            }
            bounds = there;
            plausible = shape::is_plausible(&prediction.keypoints, &bounds);
        }
        let keypoints = &prediction.keypoints;
        if plausible {
            bounds = self.tracks.moved(id, keypoints, now.time_ms).unwrap_or(bounds);
        }
        let memory = self.memories.of(id, &self.tracks);
        memory.motion.remember(now.frame, &bounds);
        let withheld = memory.look.at(now.frame, &bounds);
        let facing = plausible && shape::is_facing(keypoints);
        let confirmed_ms = self.tracks.get(id).map_or(0, |track| track.confirmed_ms);
        let unconfirmed = now.time_ms.saturating_sub(confirmed_ms) > UNCONFIRMED_MS;
        let withheld = withheld.or((!facing).then_some(Withheld::TurnedAway));
        self.seen.push(Seen {
            id,
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
        let memory = self.memories.of(track.id, &self.tracks);
        if self.cut {
            memory.keep(0.0);
        }
        let Some(shift) = memory.motion.find(frame, &bounds).filter(|_| comparable) else {
            return (bounds, true);
        };
        memory.keep(shift.likeness);
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

    /// Asks the detector, and waits, whether a face is where this one should be; gives its number.
    fn is_there(&mut self, track: &Track, now: &mut Now<'_>) -> Result<Option<u32>, FollowError> {
        self.settle(now)?;
        self.begin(Purpose::Astray(track.id), now)?;
        if let Some(id) = self.settle(now)? {
            return Ok(Some(id));
        }
        self.begin(Purpose::Last(track.id), now)?;
        self.settle(now)
    }

    /// Waits for a search that is under way, and learns from it; gives the number of the face that it confirmed.
    fn settle(&mut self, now: &mut Now<'_>) -> Result<Option<u32>, FollowError> {
        let found = self.search.wait()?;
        Ok(found.and_then(|found| self.learn(&found, now)))
    }

    /// Gives the number of the face that was looked for, if it is confirmed.
    fn learn(&mut self, found: &Found, now: &mut Now<'_>) -> Option<u32> {
        if found.purpose == Purpose::SignOfLife {
            return None;
        }
        now.stats.find.record(found.took);
        match found.purpose {
            Purpose::Check(id) | Purpose::Astray(id) | Purpose::Last(id) if self.tracks.get(id).is_some() => {
                let there = self.tracks.checked(id, &found.faces, now.time_ms);
                there.then(|| self.number(id))
            }
            _ => {
                self.tracks.found(&found.faces, &now.region, now.time_ms);
                let ids: heapless::Vec<u32, MAX_FACES> = self.tracks.live().iter().map(|track| track.id).collect();
                for id in ids {
                    self.number(id);
                }
                None
            }
        }
    }

    /// The number of a face that the detector may just have found: another one from now on, if it had not found it for long
    /// and it looks like somebody else.
    fn number(&mut self, id: u32) -> u32 {
        let (Some(track), Some((part, from))) = (self.tracks.get(id).copied(), self.search.searched()) else {
            return id;
        };
        let face = shifted(&track.detected, from.map(|length| -length));
        let memory = self.memories.of(id, &self.tracks);
        if memory.confirm(part, &face, &track) {
            return id;
        }
        let Some(new) = self.tracks.renew(id) else { return id };
        self.memories.of(new, &self.tracks).confirm(part, &face, &track);
        for seen in self.seen.iter_mut().filter(|seen| seen.id == id) {
            seen.id = new;
        }
        new
    }
}

#[cfg(test)]
mod tests;
