//! Tracking by detection: which box of a frame is which face of the frames before.
//!
//! A detector has searched every frame; boxes and time come in, numbered faces go out. Nothing else is looked at, apart
//! from a score for a second look, so that the same boxes and scores give the same numbers. After SORT (Bewley et al.,
//! 2016) and ByteTrack (Zhang et al., 2022): each face is predicted to go on at constant velocity, boxes are matched to
//! predictions by intersection over union, sure boxes first and doubtful ones to the faces that are left.
//!
//! Terms:
//! - *observation*: a box that the detector gave for this frame, square as the networks' crops want it;
//! - *doubtful*: less sure than the bundle's least score;
//! - *candidate*: a track that was observed too seldom to have a number yet;
//! - *second look*: the detector sees a candidate once more, larger, before it has a number;
//! - *coasting*: a track without an observation in this frame goes on as it went.
//!
//! A number never passes between two boxes that do not meet, and is never given twice. Nobody is recognised: whoever was
//! away for longer than [`TrackerSettings::death_ms`] gets another number.

mod association;
mod choice;
mod confirmation;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod maps;
mod place;
mod policy;
mod settings;
#[cfg(test)]
mod tests;
mod track;
#[cfg(test)]
mod wild;

pub use policy::{MAX_FACES, Policy};
pub use settings::{REMEMBERED_MS, TrackerSettings};
pub use track::Track;

use shared_model::image::Rect;

use association::{Association, Pool};
use confirmation::Refused;
use place::inside;

/// Most tracks at once, candidates among them: twice as many as are shown.
const MAX_TRACKS: usize = 16;

/// Most tracks beside which a doubtful observation begins a candidate: the rest is left for sure ones.
const MAX_DOUBTFUL: usize = MAX_TRACKS / 2;

/// Most observations of a frame; the surest count.
pub const MAX_OBSERVATIONS: usize = 64;

/// A box in which the detector saw a face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Where, in pixels of the frame; a square, which may reach beyond the frame.
    pub bounds: Rect,
    /// Probability that it is a face, 0 to 1.
    pub score: f32,
    /// How far the head is tilted towards a shoulder, as the picture shows it: in radians, clockwise; 0 where nobody knows.
    pub roll: f32,
}

/// Tracks faces from frame to frame.
#[derive(Debug, Clone)]
pub struct Tracker {
    settings: TrackerSettings,
    policy: Policy,
    tracks: heapless::Vec<Track, MAX_TRACKS>,
    association: Association,
    refused: Refused,
    /// Number of the face that counts.
    counting: Option<u32>,
    /// The next number that is given.
    next: u32,
    /// Time of the last frame.
    last_ms: Option<u64>,
}

impl Tracker {
    /// Tracks nobody yet; the first number is `first`, at least 1.
    pub fn new(policy: Policy, settings: TrackerSettings, first: u32) -> Self {
        Self {
            settings,
            policy,
            tracks: heapless::Vec::new(),
            association: Association::default(),
            refused: Refused::default(),
            counting: None,
            next: first.max(1),
            last_ms: None,
        }
    }

    /// Takes in what the detector saw in a frame that was taken at `now_ms`; where that was not `searched`, in the last one, of
    /// which it is a repetition. Faces count whose centre lies in `region`, in pixels of the frame. `look` gives the score of
    /// a second look at a candidate in this frame, by its box and its roll; it is called once at most.
    ///
    /// # Errors
    /// Those of `look`; the frame then gives nobody a number.
    pub fn update<E>(
        &mut self,
        (found, searched): (&[Observation], bool),
        region: &Rect,
        now_ms: u64,
        look: impl FnOnce(&Rect, f32) -> Result<f32, E>,
    ) -> Result<(), E> {
        let pause_ms = self.last_ms.map_or(0, |last_ms| now_ms.saturating_sub(last_ms));
        self.last_ms = Some(now_ms);
        if pause_ms > self.settings.longest_pause_ms {
            self.forget();
        }
        let mut pool = Pool::new(found, &self.settings);
        self.associate(&mut pool, now_ms);
        self.end(region, now_ms, pause_ms);
        let confirmed = self.confirm(region, now_ms, look);
        self.begin((&pool, searched), region, now_ms);
        choice::show(&mut self.tracks, self.policy);
        self.counting = choice::counting(
            &mut self.tracks,
            self.policy,
            self.counting,
            region,
            now_ms,
            &self.settings,
        );
        confirmed
    }

    /// The scene is another one: nobody keeps a number.
    pub fn forget(&mut self) {
        self.tracks.clear();
        self.refused.clear();
        self.counting = None;
    }

    /// Whether nobody is there, not even a candidate. What is doubtful keeps no room awake.
    pub fn is_idle(&self) -> bool {
        self.tracks.iter().all(|track| track.is_doubtful(&self.settings))
    }

    /// Whether everybody who is there has a number and was observed in the last frame.
    pub fn is_settled(&self) -> bool {
        let mut people = self.tracks.iter().filter(|track| !track.is_doubtful(&self.settings));
        self.last_ms
            .is_some_and(|last_ms| people.all(|track| track.id > 0 && track.is_found(last_ms)))
    }

    /// The faces that the policy wants, by their numbers.
    pub fn shown(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().filter(|track| track.shown)
    }

    /// Number of the face that counts.
    pub fn counting(&self) -> Option<u32> {
        self.counting
    }

    /// The next number that will be given: greater than all before.
    pub fn next_number(&self) -> u32 {
        self.next
    }

    /// Sure observations first, then doubtful ones; candidates get what is left.
    fn associate(&mut self, pool: &mut Pool, now_ms: u64) {
        let settings = &self.settings;
        let rounds = [
            (true, true, settings.least_overlap),
            (true, false, settings.least_overlap_doubtful),
            (false, true, settings.least_overlap),
            (false, false, settings.least_overlap_doubtful),
        ];
        for (numbered, sure, least) in rounds {
            let takes_part = |track: &Track| (track.id > 0) == numbered && !track.is_found(now_ms);
            let tracks = self.tracks.iter().enumerate().filter(|(_, track)| takes_part(track));
            let pairs = self.association.pairs(tracks, pool, sure, least, now_ms, settings);
            for (track, observation) in pairs {
                self.tracks[*track].observe(observation, now_ms, settings);
            }
        }
    }

    /// Ends tracks that were not observed for long, that left the region, or that coast over another one's face.
    fn end(&mut self, region: &Rect, now_ms: u64, pause_ms: u64) {
        let settings = &self.settings;
        let found: heapless::Vec<Rect, MAX_TRACKS> = (self.tracks.iter())
            .filter(|track| track.is_found(now_ms))
            .map(|track| track.observed)
            .collect();
        self.tracks.retain(|track| {
            if track.is_found(now_ms) {
                return inside(region, &track.observed);
            }
            let bounds = track.bounds(now_ms, settings);
            let hidden = found
                .iter()
                .any(|other| other.overlap(&bounds) > settings.double_overlap);
            inside(region, &bounds) && !track.is_over(now_ms, pause_ms, settings) && !hidden
        });
    }

    /// Gives a number to each candidate that was observed often enough, and is certain or stands a second look; the one that
    /// the policy prefers comes first.
    fn confirm<E>(
        &mut self,
        region: &Rect,
        now_ms: u64,
        look: impl FnOnce(&Rect, f32) -> Result<f32, E>,
    ) -> Result<(), E> {
        let (policy, settings) = (self.policy, &self.settings);
        self.tracks.sort_unstable_by(|a, b| {
            let known = (a.id == 0).cmp(&(b.id == 0)).then(a.id.cmp(&b.id));
            known.then_with(|| {
                choice::rank(policy, region, &a.observed).total_cmp(&choice::rank(policy, region, &b.observed))
            })
        });
        self.refused.forget_before(now_ms, settings);
        let refused = &mut self.refused;
        let confirmed = confirmation::second_look(&mut self.tracks, refused, now_ms, settings, look);
        for track in self.tracks.iter_mut().filter(|track| track.is_candidate(settings)) {
            if track.confirmed || track.best_score >= settings.certain_score() {
                track.id = self.next;
                self.next = self.next.saturating_add(1);
            }
        }
        (self.tracks).retain(|track| !(track.is_doubtful(settings) && refused.remembers(&track.observed, settings)));
        confirmed
    }

    /// Begins a candidate for each observation in the region that may, and that nobody took, as far as there is room.
    /// Nothing doubtful does where it was refused, nor in a frame that was not searched.
    fn begin(&mut self, (pool, searched): (&Pool, bool), region: &Rect, now_ms: u64) {
        for observation in pool.left(region, &self.settings) {
            let doubtful = observation.score < self.settings.sure_score;
            let begins = || {
                let room = self.tracks.len() < MAX_DOUBTFUL;
                searched && room && !self.refused.remembers(&observation.bounds, &self.settings)
            };
            if doubtful && !begins() {
                continue;
            }
            if self.tracks.push(Track::new(observation, now_ms)).is_err() {
                return;
            }
        }
    }
}
