//! Clocks that jump.

use super::*;

fn happy(id: u32, from_ms: u64, to_ms: u64) -> Scene {
    Scene {
        id,
        ms: (from_ms, to_ms),
        view: View::Camera,
        emotion: "Happy",
    }
}

/// A visitor, a jump of the clock, and another visitor.
fn jumped(start: (i64, bool), to: (i64, bool)) -> Vec<(Quarter, bool, u64)> {
    let hands = Hands::at(start.0, start.1);
    let mut counter = counter(&hands);
    play(&mut counter, &hands, &[happy(1, 0, 3000)], 0, 8000);
    hands.set(to.0, to.1);
    play(&mut counter, &hands, &[happy(2, 9000, 12_000)], 8100, 20_000);
    let told = |delta: &Delta| (delta.quarter, delta.doubtful, delta.tally.visitors);
    counter.pending.deltas().iter().map(told).collect()
}

#[test]
fn what_was_counted_in_1970_stays_there_with_a_mark_and_today_has_none() {
    let now = TODAY_S + 36_000;
    let expected = [(Quarter::of(0), true, 1), (Quarter::of(now), false, 1)];
    assert_eq!(jumped((10, false), (now, true)), expected);
}

#[test]
fn a_clock_that_nobody_vouches_for_marks_all() {
    let counted = jumped((TODAY_S, false), (TODAY_S + 7200, false));
    assert!(counted.iter().all(|(_, doubtful, _)| *doubtful), "{counted:?}");
}

#[test]
fn a_clock_that_goes_back_marks_the_quarter_that_it_left_and_those_that_come_again() {
    let before = TODAY_S + 36_000;
    let counted = jumped((before, true), (before - 3600, true));
    // The clock began to run at `before`: an hour earlier nothing was counted by it.
    assert_eq!(
        counted,
        [(Quarter::of(before), true, 1), (Quarter::of(before - 3600), false, 1)]
    );
    let counted = jumped((before, true), (before - 60, true));
    assert_eq!(
        counted,
        [(Quarter::of(before), true, 1), (Quarter::of(before - 60), false, 1)]
    );
    let counted = jumped((before + 300, true), (before + 200, true));
    assert_eq!(counted, [(Quarter::of(before), true, 2)]);
}

#[test]
fn a_jump_while_somebody_is_there_changes_no_dwell() {
    let hands = Hands::at(10, false);
    let mut counter = counter(&hands);
    let scenes = [happy(1, 0, 6000)];
    play(&mut counter, &hands, &scenes, 0, 3000);
    hands.set(TODAY_S, true);
    play(&mut counter, &hands, &scenes, 3100, 12_000);
    let tally = sum(&counter.pending);
    assert_eq!((tally.visitors, tally.dwell.visits, tally.dwell.ms), (1, 1, 6000));
}
