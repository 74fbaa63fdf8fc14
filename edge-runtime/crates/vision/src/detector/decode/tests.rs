use shared_model::manifest::Detector;
use testing::bundle::detector_entry;

use super::*;

const SIZE: [usize; 2] = [64, 48];
const HEADS: usize = 3;
const CHANNELS: [usize; HEADS] = [5 * FIELDS, FIELDS, FIELDS];
const PLANES: [[usize; 2]; HEADS] = [[8, 6], [4, 3], [2, 2]];

/// Grids of 4, 8, 16 and 32 pixels.
fn grids() -> Vec<Grid> {
    Grid::of(&detector_entry())
}

/// The same numbers on every machine (`SplitMix64`).
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `-spread` to `spread`.
    fn number(&mut self, spread: f32) -> f32 {
        ((self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * spread
    }
}

fn maps(values: &[Vec<f32>; HEADS]) -> [Map<'_>; HEADS] {
    std::array::from_fn(|head| {
        let [columns, rows] = PLANES[head];
        Map {
            values: &values[head],
            columns,
            rows,
            pixel_step: CHANNELS[head],
            channel_step: 1,
        }
    })
}

/// Maps that say "no face" everywhere.
fn quiet() -> [Vec<f32>; HEADS] {
    std::array::from_fn(|head| {
        let mut values = vec![0.0; PLANES[head][0] * PLANES[head][1] * CHANNELS[head]];
        values.iter_mut().step_by(FIELDS).for_each(|score| *score = -9.0);
        values
    })
}

fn decoded(values: &[Vec<f32>; HEADS], limits: &Limits) -> (Vec<Detection>, Dropped) {
    let mut found = Vec::new();
    let dropped = decode(&maps(values), &grids(), SIZE, limits, &mut found);
    (found, dropped)
}

#[test]
fn places_a_face_by_its_cell() {
    let mut values = quiet();
    // Stride 16, column 1, row 1: centre (24, 24).
    let first = (4 + 1) * FIELDS;
    values[1][first..first + 7].copy_from_slice(&[2.0, 0.25, -0.25, 0.0, (0.5f32).ln(), -0.5, 0.5]);
    let (found, dropped) = decoded(&values, &Limits::default());
    assert_eq!(dropped, Dropped::default());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].bounds, [12.0, 12.0, 44.0, 28.0]);
    assert_eq!(found[0].points[0], [16.0, 32.0]);
    assert!((found[0].score - 0.880_797).abs() < 1e-5);
}

#[test]
fn divides_the_cells_of_the_finest_head() {
    let mut values = quiet();
    // Pixel (2, 1) of stride 8, its part at the right below: cell (5, 3) of stride 4, centre (22, 14).
    let first = (8 + 2) * CHANNELS[0] + FIELDS + 3 * FIELDS;
    values[0][first] = 3.0;
    let (found, _) = decoded(&values, &Limits::default());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].bounds, [18.0, 10.0, 26.0, 18.0]);
}

#[test]
fn layouts_make_no_difference() {
    let mut noise = Noise(3);
    let values: [Vec<f32>; HEADS] = quiet().map(|map| map.iter().map(|_| noise.number(2.0)).collect());
    let planar: [Vec<f32>; HEADS] = std::array::from_fn(|head| {
        let pixels = PLANES[head][0] * PLANES[head][1];
        (0..CHANNELS[head] * pixels)
            .map(|at| values[head][at % pixels * CHANNELS[head] + at / pixels])
            .collect()
    });
    let planes: [Map<'_>; HEADS] = std::array::from_fn(|head| {
        let [columns, rows] = PLANES[head];
        Map {
            values: &planar[head],
            columns,
            rows,
            pixel_step: 1,
            channel_step: columns * rows,
        }
    });
    let mut found = Vec::new();
    decode(&planes, &grids(), SIZE, &Limits::default(), &mut found);
    assert_eq!(found, decoded(&values, &Limits::default()).0);
}

#[test]
fn keeps_the_best_of_doubles_and_both_of_neighbours() {
    let mut values = quiet();
    for (column, score) in [(0, 1.0), (3, 2.0)] {
        values[1][(4 + column) * FIELDS] = score;
        values[1][(4 + column) * FIELDS + 3] = -0.5;
    }
    // The double of the second: the cell above, pointing down at it.
    values[1][3 * FIELDS..3 * FIELDS + 4].copy_from_slice(&[1.5, 0.0, 1.0, -0.5]);
    let (found, _) = decoded(&values, &Limits::default());
    let scores: Vec<f32> = found.iter().map(|face| face.score).collect();
    assert_eq!(scores.len(), 2, "{found:?}");
    assert!(scores[0] > 0.88 && (0.73..0.74).contains(&scores[1]), "{scores:?}");
}

#[test]
fn counts_what_is_damaged_and_what_is_too_much() {
    let mut values = quiet();
    values[2][0] = f32::NAN;
    values[1][0] = 3.0;
    values[1][1] = f32::INFINITY;
    let (found, dropped) = decoded(&values, &Limits::default());
    assert_eq!((found.len(), dropped.damaged), (0, 2));
    values[0].fill(1.0);
    let (found, dropped) = decoded(
        &values,
        &Limits {
            candidates: 20,
            ..Limits::default()
        },
    );
    assert!(found.len() <= 20);
    assert_eq!(dropped.crowded, 48 * 5 - 20);
    values[0].clear();
    assert!(
        decoded(&values, &Limits::default()).1.damaged > 0,
        "a map that is too short"
    );
}

#[test]
fn any_maps_give_sound_faces_within_limits() {
    let mut noise = Noise(1);
    let wild = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        0.0,
        f32::MIN_POSITIVE,
    ];
    for round in 0..4_000 {
        let limits = Limits {
            score: [0.5, 0.0, 1.0, f32::NAN][round % 4],
            candidates: round % 61,
            faces: round % 17,
            ..Limits::default()
        };
        let spread = [0.5, 3.0, 100.0][round % 3];
        let values: [Vec<f32>; HEADS] = std::array::from_fn(|head| {
            let number = |noise: &mut Noise| match (noise.bits() % 100) as usize {
                at if at < wild.len() => wild[at],
                _ => noise.number(spread),
            };
            (0..PLANES[head][0] * PLANES[head][1] * CHANNELS[head])
                .map(|_| number(&mut noise))
                .collect()
        });
        let (found, _) = decoded(&values, &limits);
        assert!(found.len() <= limits.candidates.min(limits.faces));
        for (at, face) in found.iter().enumerate() {
            let [left, top, right, bottom] = face.bounds;
            assert!(left >= 0.0 && top >= 0.0 && right <= 64.0 && bottom <= 48.0, "{face:?}");
            assert!(
                left < right && top < bottom && face.score > 0.0 && face.score <= 1.0,
                "{face:?}"
            );
            assert!(face.points.iter().flatten().all(|value| value.is_finite()));
            assert!(
                found[..at]
                    .iter()
                    .all(|better| overlap(&better.bounds, &face.bounds) <= limits.overlap)
            );
        }
    }
}

#[test]
fn grids_are_those_of_the_manifest_the_finest_first() {
    let grid = |head, first, split, stride| Grid {
        head,
        first,
        split,
        stride,
    };
    let expected = [
        grid(0, FIELDS, 2, 4.0),
        grid(0, 0, 1, 8.0),
        grid(1, 0, 1, 16.0),
        grid(2, 0, 1, 32.0),
    ];
    assert_eq!(grids(), expected);
    let entry = Detector {
        score: 0.25,
        overlap: 0.5,
        ..detector_entry()
    };
    let limits = Limits::of(&entry);
    assert_eq!((limits.score, limits.overlap), (0.25, 0.5));
}

#[test]
fn a_map_that_is_missing_counts_as_damaged() {
    let values = quiet();
    let mut found = Vec::new();
    let dropped = decode(&maps(&values)[..2], &grids(), SIZE, &Limits::default(), &mut found);
    assert_eq!((found.len(), dropped.damaged), (0, 1));
}

/// All cells of a large picture, more than a million numbers, agree on a face: suppression looks at the best ones alone.
#[test]
fn a_million_numbers_cost_no_more_than_the_candidates_allow() {
    let planes = [[160, 120], [80, 60], [40, 30]];
    let mut noise = Noise(7);
    let values: [Vec<f32>; HEADS] = std::array::from_fn(|head| {
        let length = planes[head][0] * planes[head][1] * CHANNELS[head];
        (0..length).map(|_| noise.number(1.0) + 0.9).collect()
    });
    assert!(values.iter().map(Vec::len).sum::<usize>() > 1_000_000);
    let maps: [Map<'_>; HEADS] = std::array::from_fn(|head| Map {
        values: &values[head],
        columns: planes[head][0],
        rows: planes[head][1],
        pixel_step: CHANNELS[head],
        channel_step: 1,
    });
    let limits = Limits::default();
    let mut found = Vec::new();
    let dropped = decode(&maps, &grids(), [1280, 960], &limits, &mut found);
    assert!(
        found.len() <= limits.faces && dropped.crowded > 50_000,
        "{} {dropped:?}",
        found.len()
    );
    assert!(
        found.capacity() <= 4 * 160 * 120 * 5,
        "no more than the cells there are"
    );
}
