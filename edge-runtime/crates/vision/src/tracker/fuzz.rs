//! Output maps at random, from bytes: decoding and association stay within their limits, and nothing panics.

use std::convert::Infallible;

use super::maps::{REGION, SIZE, empty, maps, observation};
use super::*;
use crate::detector::decode::{Grid, Limits, decode};
use testing::bolero::check;
use testing::detector::bright_spots;
use testing::fuzz::{Answers, DRAWN};

/// Puts numbers into the maps: two bytes say where, and four are the number.
fn fill(values: &mut [Vec<f32>; 3], frame: &[u8]) {
    for change in frame.chunks_exact(6) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]]));
        let map = &mut values[at % 3];
        let place = at / 3 % map.len();
        map[place] = f32::from_le_bytes([change[2], change[3], change[4], change[5]]);
    }
}

#[test]
fn whatever_the_maps_say_faces_and_tracks_stay_within_limits() {
    let grids = Grid::of(&bright_spots(&[]));
    let settings = TrackerSettings::default();
    let limits = Limits {
        score: settings.doubtful_score(),
        ..Limits::default()
    };
    let answers = Answers::default();
    check!(name = "faces").with_iterations(DRAWN).for_each(|input: &[u8]| {
        let mut values = empty();
        let mut tracker = Tracker::new(Policy::All, settings, 1);
        let (mut now_ms, mut found, mut damaged) = (0, Vec::new(), 0);
        // Each frame begins with its distance from the one before.
        for frame in input.chunks(120) {
            now_ms += u64::from(frame[0]);
            fill(&mut values, &frame[1..]);
            damaged += decode(&maps(&values), &grids, SIZE, &limits, &mut found).damaged;
            assert!(found.len() <= limits.faces);
            let observations: Vec<_> = found.iter().map(observation).collect();
            // A second look may say anything, too.
            let second = f32::from_bits(u32::from(frame[0]) << 23);
            let Ok(()) = tracker.update((&observations, true), &REGION, now_ms, |_, _| {
                Ok::<_, Infallible>(second)
            });
            assert!(tracker.shown().count() <= MAX_FACES && tracker.tracks.len() <= MAX_TRACKS);
            for track in tracker.tracks.iter().filter(|track| track.id > 0) {
                assert!(track.bounds(now_ms, &settings).is_valid());
            }
        }
        answers.count(&if damaged == 0 { Ok(()) } else { Err("damaged maps") });
    });
    answers.were_of_both_kinds();
}
