//! Rows that are about nobody.

use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;

use super::*;
use crate::counts::{Entry, Export, Share, csv, grouped, json_line};

fn entry(visitors: u64, doubtful: bool) -> Entry {
    Entry {
        doubtful,
        tally: Tally {
            visitors,
            ..Tally::default()
        },
    }
}

/// Quarters from midnight on, by their place in the day and their visitors.
fn quarters(all: &[(i64, u64)]) -> Vec<(Quarter, Entry)> {
    let dated = |(place, visitors): &(i64, u64)| (Quarter::of(TODAY_S + 900 * place), entry(*visitors, false));
    all.iter().map(dated).collect()
}

fn merged(all: &[(i64, u64)]) -> (Vec<(i64, i64, u64)>, u64) {
    let Export { groups, left_out } = grouped(&quarters(all), 3, &TimeZone::UTC);
    let place = |quarter: Quarter| (quarter.start_s() - TODAY_S) / 900;
    let told = groups
        .iter()
        .map(|it| (place(it.from), place(it.to), it.tally.visitors));
    (told.collect(), left_out)
}

#[test]
fn quarters_with_few_visitors_are_merged_with_their_neighbours() {
    type Case<'a> = (&'a [(i64, u64)], &'a [(i64, i64, u64)], u64);
    let cases: [Case<'_>; 6] = [
        (&[(40, 3), (41, 7)], &[(40, 40, 3), (41, 41, 7)], 0),
        (&[(40, 1), (41, 1), (43, 1), (50, 5)], &[(40, 43, 3), (50, 50, 5)], 0),
        // The last of a day goes with those before.
        (&[(40, 4), (41, 2), (96, 3)], &[(40, 41, 6), (96, 96, 3)], 0),
        // A day with few goes with the next.
        (&[(40, 2), (96, 1), (97, 3)], &[(40, 96, 3), (97, 97, 3)], 0),
        (&[(40, 3), (200, 1)], &[(40, 200, 4)], 0),
        (&[(40, 1), (41, 1)], &[], 2),
    ];
    for (all, expected, left_out) in cases {
        assert_eq!(merged(all), (expected.to_vec(), left_out), "{all:?}");
    }
}

#[test]
fn a_time_that_is_doubtful_is_never_mixed_with_one_that_is_not() {
    let all = [
        (Quarter::of(0), entry(2, true)),
        (Quarter::of(TODAY_S), entry(3, false)),
        (Quarter::of(TODAY_S + 900), entry(3, true)),
    ];
    let Export { groups, left_out } = grouped(&all, 3, &TimeZone::UTC);
    let told: Vec<_> = groups
        .iter()
        .map(|it| (it.from, it.doubtful, it.tally.visitors))
        .collect();
    assert_eq!(told, [(Quarter::of(TODAY_S), false, 3), (Quarter::of(0), true, 5)]);
    assert_eq!(left_out, 0);
    assert_eq!(grouped(&all[..1], 3, &TimeZone::UTC).left_out, 2);
}

#[test]
fn rows_and_lines_say_the_same_in_the_time_of_the_place() {
    let mut quarters = quarters(&[(40, 4), (41, 5)]);
    let tally = &mut quarters[0].1.tally;
    (tally.attentive, tally.abstained) = (2, Share { visitors: 1, ms: 1500 });
    tally.dwell.record(2500);
    tally.add_share(&"Happy".try_into().unwrap(), Share { visitors: 2, ms: 2250 });
    let zone = TimeZone::fixed(Offset::constant(1));
    let groups = grouped(&quarters, 3, &zone).groups;
    let mut table = Vec::new();
    csv(&groups, &zone, &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(
        lines[0],
        "start,end,clock,visitors,attentive,smiles,visits,dwell_s,visits_up_to_2_s,visits_up_to_5_s,visits_up_to_10_s,\
         visits_up_to_20_s,visits_up_to_30_s,visits_up_to_60_s,visits_up_to_120_s,visits_up_to_300_s,visits_up_to_600_s,\
         visits_up_to_1800_s,visits_longer,Happy_visitors,Happy_s,abstained_visitors,abstained_s"
    );
    assert_eq!(
        lines[1],
        "2026-11-27T11:00:00+01:00,2026-11-27T11:15:00+01:00,trusted,4,2,2,1,2.5,0,1,0,0,0,0,0,0,0,0,0,2,2.25,1,1.5"
    );
    let line = json_line(&groups[0], &zone);
    assert_eq!(line["start"], "2026-11-27T11:00:00+01:00");
    assert_eq!(
        line["told"],
        serde_json::json!({ "Happy": { "visitors": 2, "seconds": 2.25 } })
    );
    assert_eq!(
        line["dwell"]["histogram"][1],
        serde_json::json!({ "up_to_s": 5, "visits": 1 })
    );
    assert_eq!((&line["smiles"], &line["clock"]), (&2.into(), &"trusted".into()));
}

proptest! {
    #[test]
    fn no_row_has_fewer_visitors_and_none_is_lost(
        all in prop::collection::btree_map(0..400i64, (0..6u64, any::<bool>()), 0..60),
        least in 1..8u64,
    ) {
        let quarters: Vec<_> = all
            .iter()
            .map(|(place, (visitors, doubtful))| (Quarter::of(TODAY_S + 900 * place), entry(*visitors, *doubtful)))
            .collect();
        let Export { groups, left_out } = grouped(&quarters, least, &TimeZone::UTC);
        prop_assert!(groups.iter().all(|group| group.tally.visitors >= least));
        let shown: u64 = groups.iter().map(|group| group.tally.visitors).sum();
        let counted: u64 = all.values().map(|(visitors, _)| visitors).sum();
        prop_assert_eq!(shown + left_out, counted);
        prop_assert!(left_out < 2 * least);
    }
}
