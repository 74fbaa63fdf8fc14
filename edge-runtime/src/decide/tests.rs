use super::*;

mod neutral;

/// One step of a story: what is seen when, and the word that must come of it (`-`: no change).
type Step<'a> = (u64, See, &'a str);

#[derive(Clone, Copy)]
enum See {
    /// A face whose probability of `A` is this, of `B` the rest.
    A(f32),
    /// A face that cannot be judged.
    Turned,
    /// No face is in the frame.
    Nobody,
    /// No frame: only time passes.
    Time,
}
use See::{A, Nobody, Time, Turned};

fn decider(config: DecideConfig) -> Decider {
    Decider::new(config, ClassSet::new(&["A", "B", "C"]).unwrap(), 0.0).unwrap()
}

fn scores(a: f32) -> Scores {
    // ln of the wanted probabilities as logits; `C` gets next to nothing.
    let logits = [a.max(1e-6).ln(), (1.0 - a).max(1e-6).ln(), -30.0];
    Scores::from_logits(&logits, 1.0).unwrap()
}

fn tell(decider: &mut Decider, steps: &[Step]) {
    for (at, (now, see, expected)) in steps.iter().enumerate() {
        let change = match see {
            A(a) => decider.observe(*now, &Observation::Face(scores(*a))),
            Turned => decider.observe(*now, &Observation::Rejected(RejectReason::TurnedAway)),
            Nobody => decider.observe(*now, &Observation::NoFace),
            Time => decider.tick(*now),
        };
        let word = change.as_ref().map_or("-", |change| change.verdict.as_str());
        assert_eq!(word, *expected, "step {at} at {now} ms");
        if let Some(change) = change {
            assert_eq!(change.time_ms, *now);
            assert_eq!(change.verdict, decider.verdict());
        }
    }
}

const PLAIN: DecideConfig = DecideConfig {
    smoothing_ms: 0,
    enter: 0.6,
    leave: 0.4,
    neutral_margin: 0.2,
    dwell_ms: 0,
    stale_ms: 1000,
};

#[test]
fn holds_emotion_until_dwell_passes() {
    let mut decider = decider(DecideConfig { dwell_ms: 200, ..PLAIN });
    let steps = [
        (0, A(0.9), "-"),
        (100, A(0.9), "-"),
        (200, A(0.9), "A"),
        (300, A(0.1), "-"),
        (400, A(0.9), "-"),
        (500, A(0.1), "-"),
        (600, A(0.1), "-"),
        (699, A(0.1), "-"),
        (700, A(0.1), "B"),
    ];
    tell(&mut decider, &steps);
}

#[test]
fn a_face_of_which_nothing_lasts_is_uncertain_and_not_unknown_for_ever() {
    let config = DecideConfig { dwell_ms: 200, ..PLAIN };
    let mut undecided = decider(config);
    let steps = [
        (0, A(0.9), "-"),
        (100, A(0.5), "-"),
        (200, A(0.9), "-"),
        (300, A(0.5), "-"),
        (400, A(0.9), "uncertain"),
        (500, A(0.9), "-"),
        (600, A(0.9), "-"),
        (700, A(0.9), "A"),
    ];
    tell(&mut undecided, &steps);
    // Whoever goes in between begins anew.
    let mut gone = decider(config);
    let steps = [
        (0, A(0.9), "-"),
        (100, A(0.5), "-"),
        (200, Nobody, "-"),
        (300, A(0.9), "-"),
        (400, A(0.5), "-"),
        (500, A(0.9), "-"),
        (600, A(0.5), "-"),
        (700, A(0.9), "uncertain"),
    ];
    tell(&mut gone, &steps);
}

#[test]
fn enters_high_and_leaves_low() {
    let steps = [
        (0, A(0.55), "uncertain"),
        (10, A(0.59), "-"),
        (20, A(0.65), "A"),
        (30, A(0.45), "-"),
        (40, A(0.41), "-"),
        // `B` has 0.61 now: a rival that enters wins at once.
        (50, A(0.39), "B"),
        (60, A(0.55), "-"),
        (70, A(0.59), "-"),
        (80, A(0.61), "A"),
    ];
    tell(&mut decider(PLAIN), &steps);
}

#[test]
fn leaves_to_uncertain_where_no_rival_is_certain() {
    let mut decider = decider(DecideConfig {
        enter: 0.8,
        leave: 0.5,
        ..PLAIN
    });
    tell(
        &mut decider,
        &[(0, A(0.9), "A"), (10, A(0.51), "-"), (20, A(0.45), "uncertain")],
    );
}

#[test]
fn the_limit_of_a_bundle_says_what_begins_and_not_what_ends() {
    let classes = ClassSet::new(&["A", "B", "C"]).unwrap();
    let mut decider = Decider::new(PLAIN, classes, 0.8).unwrap();
    let steps = [
        (0, A(0.79), "uncertain"),
        (10, A(0.81), "A"),
        // Near the limit it does not come and go.
        (20, A(0.79), "-"),
        (30, A(0.81), "-"),
        (40, A(0.41), "-"),
        // B has 0.61, which does not begin.
        (50, A(0.39), "uncertain"),
        (60, A(0.79), "-"),
    ];
    tell(&mut decider, &steps);
}

#[test]
fn nobody_must_last_as_well_and_forgets_the_face() {
    let mut decider = decider(DecideConfig {
        dwell_ms: 100,
        smoothing_ms: 1000,
        ..PLAIN
    });
    let steps = [
        (0, A(1.0), "-"),
        (100, A(1.0), "A"),
        (200, Nobody, "-"),
        (250, A(1.0), "-"),
        (300, Nobody, "-"),
        (400, Nobody, "no_face"),
        // Without forgetting, the smoothing would still be near A.
        (500, A(0.0), "-"),
        (600, A(0.0), "B"),
    ];
    tell(&mut decider, &steps);
}

#[test]
fn a_face_that_cannot_be_judged_becomes_uncertain_after_the_dwell() {
    let mut decider = decider(DecideConfig { dwell_ms: 200, ..PLAIN });
    let steps = [
        (0, A(0.9), "-"),
        (200, A(0.9), "A"),
        (300, Turned, "-"),
        (400, A(0.9), "-"),
        (500, Turned, "-"),
        (700, Turned, "uncertain"),
        (800, A(0.9), "-"),
        (1000, A(0.9), "A"),
    ];
    tell(&mut decider, &steps);
}

#[test]
fn scores_after_a_pause_weigh_by_the_time_since_the_last_scores() {
    let smoothing = DecideConfig {
        smoothing_ms: 100,
        ..PLAIN
    };
    let mut decider = decider(smoothing);
    decider.observe(0, &Observation::Face(scores(1.0)));
    for now in [30, 60, 90] {
        decider.observe(now, &Observation::Rejected(RejectReason::Dark));
    }
    decider.observe(100, &Observation::Face(scores(0.0)));
    // exp(-1)
    assert!((decider.probability(0) - 0.367_879).abs() < 1e-4);
}

#[test]
fn another_face_begins_anew_and_the_verdict_holds_until_it_is_judged() {
    let config = DecideConfig {
        dwell_ms: 100,
        smoothing_ms: 1000,
        ..PLAIN
    };
    let mut decider = decider(config);
    tell(
        &mut decider,
        &[(0, A(1.0), "-"), (100, A(1.0), "A"), (150, A(0.0), "-")],
    );
    decider.another_face();
    assert_eq!(decider.verdict().as_str(), "A");
    tell(&mut decider, &[(200, A(0.0), "-"), (300, A(0.0), "B")]);
}

#[test]
fn unknown_when_the_last_judged_frame_is_older_than_the_limit() {
    let steps = [
        (0, Time, "-"),
        (0, A(0.9), "A"),
        (1000, Time, "-"),
        (1001, Time, "unknown"),
        (3000, Time, "-"),
        (3100, A(0.9), "A"),
        (3200, Nobody, "no_face"),
        (4201, Time, "unknown"),
    ];
    tell(&mut decider(PLAIN), &steps);
}

#[test]
fn a_gap_between_observations_is_told_first() {
    let mut decider = decider(DecideConfig { dwell_ms: 100, ..PLAIN });
    let steps = [
        (0, A(0.9), "-"),
        (100, A(0.9), "A"),
        (1200, A(0.9), "unknown"),
        (1250, A(0.9), "-"),
        (1300, A(0.9), "A"),
    ];
    tell(&mut decider, &steps);
}

#[test]
fn without_a_dwell_what_follows_a_gap_is_told_with_the_next_frame() {
    let steps = [(0, A(0.9), "A"), (1500, A(0.9), "unknown"), (1530, A(0.9), "A")];
    tell(&mut decider(PLAIN), &steps);
}

#[test]
fn smoothing_follows_the_time_constant() {
    let mut decider = decider(DecideConfig {
        smoothing_ms: 100,
        enter: 0.5,
        leave: 0.5,
        ..PLAIN
    });
    decider.observe(0, &Observation::Face(scores(1.0)));
    decider.observe(100, &Observation::Face(scores(0.0)));
    // exp(-1)
    assert!((decider.probability(0) - 0.367_879).abs() < 1e-4);
    // Two half steps weigh as one whole step.
    decider.observe(150, &Observation::Face(scores(0.0)));
    decider.observe(200, &Observation::Face(scores(0.0)));
    assert!((decider.probability(0) - 0.135_335).abs() < 1e-4);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut decider = decider(DecideConfig { dwell_ms: 100, ..PLAIN });
    tell(
        &mut decider,
        &[
            (500, A(0.9), "-"),
            (400, A(0.9), "-"),
            (0, Time, "-"),
            (599, A(0.9), "-"),
        ],
    );
    assert_eq!(decider.observe(50, &Observation::Face(scores(0.9))), None);
    assert_eq!(
        decider.observe(600, &Observation::Face(scores(0.9))).unwrap().time_ms,
        600
    );
}

#[test]
fn confidence_is_that_of_the_emotion_and_face_tells_whether_someone_is_there() {
    let mut decider = decider(PLAIN);
    let change = decider.observe(0, &Observation::Face(scores(0.9))).unwrap();
    assert!((change.confidence - 0.9).abs() < 1e-3 && change.face());
    let change = decider
        .observe(1, &Observation::Face(scores(0.5)))
        .map(|change| change.face());
    assert_eq!(change, None);
    let change = decider.observe(2, &Observation::NoFace).unwrap();
    assert!(change.confidence == 0.0 && !change.face());
}

#[test]
fn refuses_settings_out_of_range() {
    for bad in [
        DecideConfig { enter: 1.1, ..PLAIN },
        DecideConfig {
            enter: f32::NAN,
            ..PLAIN
        },
        DecideConfig { leave: -0.1, ..PLAIN },
        DecideConfig { leave: 0.7, ..PLAIN },
        DecideConfig {
            neutral_margin: 1.1,
            ..PLAIN
        },
        DecideConfig { stale_ms: 0, ..PLAIN },
        DecideConfig {
            stale_ms: 1001,
            ..PLAIN
        },
    ] {
        assert!(Decider::new(bad, ClassSet::product(), 0.0).is_err(), "{bad:?}");
    }
    assert_eq!(DecideConfig::default().check(), Ok(()));
}

#[test]
fn the_reason_is_told_once_it_lasts_and_does_not_hold_up_the_verdict() {
    let mut decider = decider(DecideConfig { dwell_ms: 100, ..PLAIN });
    let mut see = |now, why: Option<RejectReason>| {
        let seen = why.map_or_else(|| Observation::Face(scores(0.9)), Observation::Rejected);
        let change = decider.observe(now, &seen)?;
        Some((change.verdict.as_str().to_owned(), change.reason))
    };
    let uncertain = |why| Some(("uncertain".to_owned(), Some(why)));
    assert_eq!(see(0, None), None);
    assert_eq!(see(100, None), Some(("A".to_owned(), None)));
    // Two reasons in turn: that the face is not judged is news all the same.
    assert_eq!(see(150, Some(RejectReason::Dark)), None);
    assert_eq!(see(200, Some(RejectReason::Blurred)), None);
    assert_eq!(see(250, Some(RejectReason::Dark)), uncertain(RejectReason::Dark));
    // Another reason is told when it has lasted.
    assert_eq!(see(300, Some(RejectReason::TurnedAway)), None);
    assert_eq!(see(350, Some(RejectReason::Dark)), None);
    assert_eq!(see(400, Some(RejectReason::TurnedAway)), None);
    assert_eq!(
        see(500, Some(RejectReason::TurnedAway)),
        uncertain(RejectReason::TurnedAway)
    );
    assert_eq!(see(600, Some(RejectReason::TurnedAway)), None);
    assert_eq!(see(650, None), None);
    assert_eq!(see(750, None), Some(("A".to_owned(), None)));
}
