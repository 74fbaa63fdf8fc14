//! Verdicts of bundles that know Neutral.

use super::*;

/// A decider of Happy, Sad and Neutral, and what it holds after frames with these probabilities.
fn told(limit: f32, frames: &[[f32; 3]]) -> Vec<String> {
    let classes = ClassSet::new(&["Happy", "Sad", "Neutral"]).unwrap();
    let config = DecideConfig { enter: 0.5, ..PLAIN };
    let mut decider = Decider::new(config, classes, limit).unwrap();
    let frames = frames.iter().enumerate().map(|(at, probabilities)| {
        let logits = probabilities.map(|probability| probability.max(1e-6).ln());
        let face = Observation::Face(Scores::from_logits(&logits, 1.0).unwrap());
        decider.observe(at as u64 * 10, &face);
        decider.verdict().as_str().to_owned()
    });
    frames.collect()
}

#[test]
fn a_verdict_rests_at_neutral() {
    let words = told(
        0.0,
        &[
            [0.1, 0.1, 0.8],
            // An emotion begins only by so much above Neutral; until then it rests.
            [0.55, 0.02, 0.43],
            [0.70, 0.05, 0.25],
            // Held, it stays above `leave` while Neutral is not more probable.
            [0.48, 0.05, 0.47],
            [0.45, 0.05, 0.50],
            // Undecided, but still neutral: below half of `leave` no more.
            [0.44, 0.35, 0.21],
            [0.45, 0.40, 0.15],
        ],
    );
    assert_eq!(
        words,
        [
            "Neutral",
            "Neutral",
            "Happy",
            "Happy",
            "Neutral",
            "Neutral",
            "uncertain"
        ]
    );
}

#[test]
fn the_bundles_limit_concerns_emotions_and_not_neutral() {
    let frames = [
        [0.25, 0.15, 0.6],
        [0.73, 0.05, 0.22],
        [0.85, 0.05, 0.1],
        // What is held ends by `leave` or Neutral, not by the limit.
        [0.55, 0.05, 0.4],
        [0.45, 0.05, 0.5],
    ];
    assert_eq!(told(0.8, &frames), ["Neutral", "Neutral", "Happy", "Happy", "Neutral"]);
    // Nothing is most probable by itself: two emotions share what there is.
    assert_eq!(told(0.8, &[[0.31, 0.35, 0.34]]), ["uncertain"]);
}

#[test]
fn neutral_is_found_by_its_name_whatever_its_case_and_place() {
    for (labels, class) in [
        (["neutral", "A", "B"], Some(0)),
        (["A", "NEUTRAL", "B"], Some(1)),
        (["A", "B", "C"], None),
    ] {
        assert_eq!(ClassSet::new(&labels).unwrap().neutral(), class);
    }
}
