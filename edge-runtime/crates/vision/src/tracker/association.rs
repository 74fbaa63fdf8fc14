//! Which observation belongs to which track: greedy, the best fit first.

use shared_model::image::Rect;

use super::place::inside;
use super::{MAX_OBSERVATIONS, Observation, Track, TrackerSettings};

/// The observations of one frame, and who took them.
pub(super) struct Pool {
    observations: heapless::Vec<Observation, MAX_OBSERVATIONS>,
    taken: [bool; MAX_OBSERVATIONS],
    sure_score: f32,
}

impl Pool {
    /// Those that are boxes at all, the surest if they are too many.
    pub(super) fn new(found: &[Observation], settings: &TrackerSettings) -> Self {
        let counts = |observation: &&Observation| {
            let Observation { bounds, score, .. } = observation;
            bounds.is_valid() && *score >= settings.doubtful_score()
        };
        let mut pool = Self {
            observations: heapless::Vec::new(),
            taken: [false; MAX_OBSERVATIONS],
            sure_score: settings.sure_score,
        };
        for observation in found.iter().filter(counts) {
            if pool.observations.is_full() {
                pool.replace_least(observation);
            } else {
                // There is room.
                let _ = pool.observations.push(*observation);
            }
        }
        pool
    }

    fn replace_least(&mut self, observation: &Observation) {
        let least = self.observations.iter_mut().min_by(|a, b| a.score.total_cmp(&b.score));
        if let Some(least) = least.filter(|least| least.score < observation.score) {
            *least = *observation;
        }
    }

    /// Those in the region that may begin a candidate: nobody took them, they are no second box of a face that somebody took,
    /// and a doubtful one is no part of something surer.
    pub(super) fn left(&self, region: &Rect, settings: &TrackerSettings) -> impl Iterator<Item = &Observation> {
        let all = || self.observations.iter().zip(self.taken);
        let double = move |own: &Observation| {
            let mut others = all().filter(|(_, taken)| *taken);
            others.any(|(other, _)| other.bounds.overlap(&own.bounds) > settings.double_overlap)
        };
        let part = move |own: &Observation| {
            let mut surer = all().filter(|(other, _)| other.score > own.score);
            own.score < settings.sure_score && surer.any(|(other, _)| inside(&other.bounds, &own.bounds))
        };
        let begins = move |own: &Observation| {
            let counts = own.score >= settings.beginning_score() && inside(region, &own.bounds);
            counts && !double(own) && !part(own)
        };
        let left = all().filter(move |(own, taken)| !taken && begins(own));
        left.map(|(observation, _)| observation)
    }
}

/// A track and an observation that may belong to each other.
#[derive(Debug, Clone, Copy)]
struct Match {
    fit: f32,
    track: usize,
    observation: usize,
}

/// Finds pairs; keeps its memory from frame to frame.
#[derive(Debug, Clone, Default)]
pub(super) struct Association {
    fits: Vec<Match>,
    pairs: Vec<(usize, Observation)>,
}

impl Association {
    /// Pairs of tracks, by their places, and sure or doubtful observations, each in at most one pair, whose fit is at
    /// least `least`. Their observations are taken.
    pub(super) fn pairs<'a>(
        &mut self,
        tracks: impl Iterator<Item = (usize, &'a Track)>,
        pool: &mut Pool,
        sure: bool,
        least: f32,
        now_ms: u64,
        settings: &TrackerSettings,
    ) -> &[(usize, Observation)] {
        self.fits.clear();
        self.pairs.clear();
        for (track, known) in tracks {
            for (observation, observed) in pool.observations.iter().enumerate() {
                if pool.taken[observation] || (observed.score >= pool.sure_score) != sure {
                    continue;
                }
                let fit = known.fit(&observed.bounds, now_ms, settings);
                if fit >= least {
                    self.fits.push(Match {
                        fit,
                        track,
                        observation,
                    });
                }
            }
        }
        // Of equal fits the one of the older track comes first. Unstable, since a stable sort takes memory.
        let places = |fit: &Match| (fit.track, fit.observation);
        self.fits
            .sort_unstable_by(|a, b| b.fit.total_cmp(&a.fit).then(places(a).cmp(&places(b))));
        for Match { track, observation, .. } in &self.fits {
            let known = self.pairs.iter().any(|(other, _)| other == track);
            if !known && !pool.taken[*observation] {
                pool.taken[*observation] = true;
                self.pairs.push((*track, pool.observations[*observation]));
            }
        }
        &self.pairs
    }
}
