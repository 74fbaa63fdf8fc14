//! What must hold for every story, not only for those that somebody thought of.

use proptest::collection::vec;
use proptest::prelude::*;

use edge_runtime::decide::{Change, DecideConfig, Decider, Observation};
use shared_model::emotion::{ClassSet, Scores};
use shared_model::message::{RejectReason, Verdict};

const CLASSES: [&str; 3] = ["A", "B", "C"];

fn decider(config: DecideConfig) -> Decider {
    Decider::new(config, ClassSet::new(&CLASSES).unwrap(), 0.0).unwrap()
}

fn scores(probabilities: [f32; 3]) -> Scores {
    Scores::from_logits(&probabilities.map(|value| value.max(1e-6).ln()), 1.0).unwrap()
}

/// Something that is seen, or the time that passes without.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Seen(Observation),
    Another,
    Time,
}

fn event() -> impl Strategy<Value = Event> {
    let face =
        [0.0f32..1.0, 0.0f32..1.0, 0.0f32..1.0].prop_map(|values| Event::Seen(Observation::Face(scores(values))));
    prop_oneof![
        6 => face,
        2 => Just(Event::Seen(Observation::NoFace)),
        1 => Just(Event::Seen(Observation::Rejected(RejectReason::Dark))),
        1 => Just(Event::Seen(Observation::Rejected(RejectReason::Blurred))),
        1 => Just(Event::Another),
        2 => Just(Event::Time),
    ]
}

/// Events, each so many milliseconds after the one before; most come like frames, some after a gap.
fn story() -> impl Strategy<Value = Vec<(u64, Event)>> {
    vec((prop_oneof![8 => 1u64..120, 1 => 120u64..3000], event()), 1..120)
}

fn config() -> impl Strategy<Value = DecideConfig> {
    (0u64..800, 0.2f32..0.9, 0.0f32..1.0, 0u64..700, 200u64..=1000).prop_map(
        |(smoothing_ms, enter, share, dwell_ms, stale_ms)| DecideConfig {
            smoothing_ms,
            enter,
            leave: enter * share,
            neutral_margin: 0.2,
            dwell_ms,
            stale_ms,
        },
    )
}

/// Plays a story; gives every change, and what was seen when.
fn play(config: DecideConfig, story: &[(u64, Event)]) -> (Vec<Change>, Vec<(u64, Observation)>) {
    let (mut decider, mut now) = (decider(config), 0);
    let (mut changes, mut seen) = (Vec::new(), Vec::new());
    for (after, event) in story {
        now += after;
        let change = match event {
            Event::Time => decider.tick(now),
            Event::Another => {
                decider.another_face();
                None
            }
            Event::Seen(observation) => {
                seen.push((now, observation.clone()));
                decider.observe(now, observation)
            }
        };
        changes.extend(change);
        let told = changes
            .last()
            .map_or(Verdict::Unknown, |change: &Change| change.verdict.clone());
        assert_eq!(decider.verdict(), told, "what is held has been told");
    }
    (changes, seen)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_flickers_faster_than_the_dwell(config in config(), story in story()) {
        let (changes, _) = play(config, &story);
        for pair in changes.windows(2) {
            prop_assert_ne!((&pair[0].verdict, pair[0].reason), (&pair[1].verdict, pair[1].reason));
            // Not knowing is told at once: an old verdict is worse than a short one.
            if pair[1].verdict != Verdict::Unknown {
                prop_assert!(pair[1].time_ms - pair[0].time_ms >= config.dwell_ms, "{:?}", pair);
            }
        }
    }

    #[test]
    fn every_verdict_rests_on_what_was_seen_during_its_dwell(config in config(), story in story()) {
        let (changes, seen) = play(config, &story);
        for change in &changes {
            let during = || seen.iter().filter(|(at, _)| *at <= change.time_ms && *at + config.dwell_ms >= change.time_ms);
            let last = || seen.iter().rfind(|(at, _)| *at <= change.time_ms);
            let face = |observation: &Observation| *observation != Observation::NoFace;
            match &change.verdict {
                Verdict::NoFace => {
                    prop_assert!(during().all(|(_, seen)| *seen == Observation::NoFace));
                    prop_assert!(matches!(last(), Some((_, Observation::NoFace))));
                }
                Verdict::Emotion(_) => {
                    prop_assert!(matches!(last(), Some((_, Observation::Face(_)))));
                    prop_assert!(during().all(|(_, seen)| matches!(seen, Observation::Face(_))));
                    prop_assert!(change.confidence >= config.leave);
                }
                Verdict::Uncertain => prop_assert!(during().all(|(_, seen)| face(seen))),
                Verdict::Unknown => {
                    let before = seen.iter().filter(|(at, _)| *at < change.time_ms);
                    let newest = before.map(|(at, _)| *at).max();
                    prop_assert!(newest.is_some_and(|at| change.time_ms - at > config.stale_ms));
                }
            }
        }
    }

    #[test]
    fn nothing_older_than_the_limit_is_held(config in config(), story in story(), wait in 1u64..5000) {
        let (mut decider, mut now) = (decider(config), 0);
        for (after, event) in &story {
            now += after;
            if let Event::Seen(observation) = event {
                decider.observe(now, observation);
            }
        }
        decider.tick(now + config.stale_ms + wait);
        prop_assert_eq!(decider.verdict(), Verdict::Unknown);
    }

    #[test]
    fn the_same_clip_at_5_and_at_30_frames_a_second_decides_the_same(scenes in vec((scene(), 3_000u64..6_000), 1..6)) {
        let slow = watch(&scenes, 200);
        let fast = watch(&scenes, 33);
        let words = |changes: &[Change]| -> Vec<String> {
            changes.iter().map(|change| change.verdict.as_str().to_owned()).collect()
        };
        prop_assert_eq!(words(&slow), words(&fast));
        for (slow, fast) in slow.iter().zip(&fast) {
            // One frame of the slow clip until a scene is seen, and one until its dwell is over.
            prop_assert!(slow.time_ms.abs_diff(fast.time_ms) <= 2 * 200, "{} and {} ms", slow.time_ms, fast.time_ms);
        }
    }
}

/// What is to be seen for some seconds. No probability lies near a threshold: there one frame more or less
/// decides, at any rate.
fn scene() -> impl Strategy<Value = Observation> {
    let face = |class: usize| {
        move |certain: f32| {
            let mut probabilities = [(1.0 - certain) / 2.0; 3];
            probabilities[class] = certain;
            Observation::Face(scores(probabilities))
        }
    };
    prop_oneof![
        (0.7f32..0.99).prop_map(face(0)),
        (0.7f32..0.99).prop_map(face(1)),
        Just(Observation::Face(scores([0.34, 0.33, 0.33]))),
        Just(Observation::NoFace),
        Just(Observation::Rejected(RejectReason::TurnedAway)),
    ]
}

/// The verdicts about a clip of these scenes (each with its length) at one frame every `step` milliseconds.
fn watch(scenes: &[(Observation, u64)], step: u64) -> Vec<Change> {
    let mut decider = decider(DecideConfig::default());
    let (mut changes, mut end, mut now) = (Vec::new(), 0, 0);
    for (observation, length) in scenes {
        end += length;
        while now < end {
            changes.extend(decider.observe(now, observation));
            now += step;
        }
    }
    changes
}
