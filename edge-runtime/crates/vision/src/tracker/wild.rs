//! Whatever a damaged network gives: decoding and association do not panic, what they look at is bounded, and numbers
//! keep their promise.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::maps::{REGION, SIZE, empty, maps, observation};
use super::*;
use crate::detector::decode::{Detection, FIELDS, Grid, Limits, decode};
use testing::detector::bright_spots;

/// `SplitMix64`.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.bits() % most
    }

    /// From `-spread` to `spread`.
    fn number(&mut self, spread: f32) -> f32 {
        ((self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * spread
    }
}

/// Changes some numbers of the maps: scores that come and go, boxes that move, and what is no number.
fn disturb(values: &mut [Vec<f32>; 3], noise: &mut Noise) {
    for map in values {
        for _ in 0..=noise.below(6) {
            let at = noise.below(map.len() as u64) as usize;
            let value = match noise.below(40) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => f32::NEG_INFINITY,
                3 => f32::MAX,
                4 => noise.number(1e9),
                _ => noise.number(4.0),
            };
            map[at] = value;
            // Most cells see no face.
            let cell = at - at % FIELDS;
            if noise.below(3) > 0 {
                map[cell] = -5.0;
            }
        }
    }
    if noise.below(500) == 0 {
        *noise = Noise(noise.bits());
    }
}

#[test]
fn random_maps_are_bounded_and_no_number_passes_between_boxes_that_never_met() {
    let grids = Grid::of(&bright_spots(&[]));
    let mut noise = Noise(7);
    let mut values = empty();
    let policies = [Policy::All, Policy::Largest, Policy::Centre, Policy::First];
    let settings = TrackerSettings::default();
    let limits = Limits {
        score: settings.doubtful_score(),
        ..Limits::default()
    };
    let mut trackers = policies.map(|policy| Tracker::new(policy, settings, 1));
    let mut known = policies.map(|_| BTreeMap::<u32, Rect>::new());
    let (mut now_ms, mut found, mut observations) = (0, Vec::<Detection>::new(), Vec::new());
    let (mut numbers, mut passed) = (0, 0);
    for _ in 0..testing::rounds(20_000) {
        if noise.below(200) == 0 {
            values.iter_mut().flatten().for_each(|value| *value = noise.number(6.0));
        } else {
            disturb(&mut values, &mut noise);
        }
        now_ms += noise.below(120);
        decode(&maps(&values), &grids, SIZE, &limits, &mut found);
        // What takes time is bounded by these.
        assert!(found.len() <= limits.faces && found.capacity() <= 1024);
        observations.clear();
        observations.extend(found.iter().map(observation));
        for (tracker, known) in trackers.iter_mut().zip(&mut known) {
            let before = tracker.next_number();
            let second = noise.number(1.0);
            let Ok(()) = tracker.update((&observations, true), &REGION, now_ms, |_, _| {
                Ok::<_, Infallible>(second)
            });
            assert!(tracker.next_number() >= before);
            let most = if tracker.policy == Policy::All { MAX_FACES } else { 1 };
            assert!(tracker.shown().count() <= most && tracker.tracks.len() <= MAX_TRACKS);
            let counting = tracker.counting();
            assert!(counting.is_none_or(|id| tracker.shown().any(|track| track.id == id)));
            for track in tracker.tracks.iter().filter(|track| track.id > 0) {
                assert!(track.bounds(now_ms, &settings).is_valid());
                match known.insert(track.id, track.observed) {
                    None => {
                        assert!(
                            (before..tracker.next_number()).contains(&track.id),
                            "a number of its own"
                        );
                        numbers += 1;
                    }
                    Some(last) => {
                        assert!(last.overlap(&track.observed) > 0.0, "{last:?} {:?}", track.observed);
                        passed += u64::from(last != track.observed);
                    }
                }
            }
        }
    }
    assert!(numbers > 100 && passed > 100, "{numbers} numbers, {passed} passed on");
}
