//! How far scores can be trusted: temperature and abstention, and how many faces it takes to tell.

use std::collections::BTreeMap;

use anyhow::Result;
use shared_model::emotion::Scores;
use shared_model::manifest::Decision;

use crate::evaluate::{Answer, LEAST_PROBABILITY, calibration_error};
use crate::panel::answer;

/// Lowest and highest temperature tried.
const RANGE: [f64; 2] = [0.05, 20.0];
/// Thresholds are tried in these steps.
const STEP: f32 = 0.01;

/// Fewest faces of a class for a temperature: the error of a perfect network of 300 is still 0.02 to 0.05 in 15 bins.
pub const LEAST_FACES: usize = 300;
/// Fewest of them on which the network is wrong: the temperature weighs how sure it is of those against the rest, and
/// 30 fix their share to within a fifth.
pub const LEAST_WRONG: usize = 30;
/// Fewest faces that a threshold must let through: of 100, nine right in ten is 82 to 95 in a hundred of all faces.
pub const LEAST_TOLD: usize = 100;
/// The threshold where there is too little to find one.
pub const DEFAULT_THRESHOLD: f32 = 0.6;
/// Of a run, whose scores nobody has calibrated yet.
pub const UNCALIBRATED: Decision = Decision {
    temperature: 1.0,
    abstain_below: DEFAULT_THRESHOLD,
};
/// Numbers of bins in which the calibration error is given.
pub const BINS: [usize; 3] = [10, 15, 20];

/// What a network gave for one face.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// Its logits, one a class, in the order of the classes.
    pub logits: &'a [f32],
    /// The true class; `None` for faces of no class.
    pub truth: Option<u8>,
    /// Which of several data sets it is from, from 0.
    pub set: usize,
    /// Faces with the same number are of one person, or copies.
    pub person: u32,
}

/// How scores become verdicts, and what that rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibrated {
    /// The temperature of the scores, and the least score of a verdict.
    pub decision: Decision,
    /// Faces of a class that the temperature was found with.
    pub faces: usize,
    /// Those among them on which the network is wrong.
    pub wrong: usize,
    /// Faces, others included, that reach the threshold.
    pub told: usize,
    /// What there was too little evidence for, and what was done instead.
    pub warnings: Vec<String>,
}

/// How well scores are calibrated on some faces, without and with a temperature.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Calibration {
    /// Faces that are of one of the classes; all figures are of them.
    pub faces: usize,
    /// Number of bins, then the expected calibration error without and with it.
    pub errors: Vec<(usize, [f64; 2])>,
    /// Mean -ln(probability of the true class) without and with it, in nats.
    pub log_loss: [f64; 2],
}

/// Finds temperature and threshold: of what is told, `accuracy` must be right, faces of no class included. The threshold
/// keeps that promise on faces that were not counted, too; `least_right` says how.
pub fn calibrate(evidence: &[Evidence<'_>], accuracy: f64) -> Result<Calibrated> {
    let mut warnings = Vec::new();
    let faces = evidence.iter().filter(|face| face.truth.is_some()).count();
    let plain = answers(evidence, 1.0)?;
    let wrong = plain
        .iter()
        .filter(|face| face.truth.is_some_and(|truth| truth != face.top))
        .count();
    let enough = faces >= LEAST_FACES && wrong >= LEAST_WRONG;
    let fitted = if enough {
        temperature(|t| log_loss(evidence, t))
    } else {
        warnings.push(format!(
            "the temperature stays 1: {faces} faces, {wrong} of them wrong, cannot tell how sure the network may be; it \
             takes {LEAST_FACES} with {LEAST_WRONG} wrong ones"
        ));
        1.0
    };
    let cooled = answers(evidence, fitted)?;
    let found = threshold(&by_set(evidence, &cooled), accuracy).filter(|_| evidence.len() >= LEAST_FACES);
    let abstain_below = found.unwrap_or_else(|| {
        warnings.push(format!(
            "the threshold is set to {DEFAULT_THRESHOLD}: no score lets {LEAST_TOLD} of {} faces through of which {:.0} % \
             are right with some certainty, or there are fewer than {LEAST_FACES}",
            evidence.len(),
            100.0 * accuracy
        ));
        DEFAULT_THRESHOLD
    });
    Ok(Calibrated {
        decision: Decision {
            temperature: fitted,
            abstain_below,
        },
        faces,
        wrong,
        told: cooled.iter().filter(|face| face.score >= abstain_below).count(),
        warnings,
    })
}

/// How well a temperature fits these faces; those of no class are left out.
pub fn calibration(evidence: &[Evidence<'_>], temperature: f32) -> Result<Calibration> {
    let verdicts = |t: f32| -> Result<Vec<(f64, bool)>> {
        let judged = answers(evidence, t)?.into_iter().filter(|face| face.truth.is_some());
        Ok(judged
            .map(|face| (f64::from(face.score), face.truth == Some(face.top)))
            .collect())
    };
    let (before, after) = (verdicts(1.0)?, verdicts(temperature)?);
    let errors = BINS.map(|bins| {
        (
            bins,
            [&before, &after].map(|verdicts| calibration_error(verdicts, bins)),
        )
    });
    Ok(Calibration {
        faces: before.len(),
        errors: errors.to_vec(),
        log_loss: [1.0, temperature].map(|t| log_loss(evidence, t)),
    })
}

fn answers(evidence: &[Evidence<'_>], temperature: f32) -> Result<Vec<Answer>> {
    evidence
        .iter()
        .map(|face| answer(face.logits, temperature, face.truth, face.person))
        .collect()
}

/// Mean -ln(probability of the true class) of the faces of a class; infinite where the logits are no numbers.
fn log_loss(evidence: &[Evidence<'_>], temperature: f32) -> f64 {
    let own = evidence
        .iter()
        .filter_map(|face| Some((face.logits, usize::from(face.truth?))));
    let (mut loss, mut count) = (0.0, 0u32);
    for (logits, truth) in own {
        let scores = Scores::from_logits(logits, temperature);
        let score = scores.and_then(|scores| scores.as_slice().get(truth).copied());
        loss -= score.map_or(f64::NEG_INFINITY, |score| {
            f64::from(score).clamp(LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY).ln()
        });
        count += 1;
    }
    loss / f64::from(count.max(1))
}

/// The temperature with the lowest mean log loss (Guo et al., 2017), by golden-section search over its
/// logarithm; `loss` gives that loss.
fn temperature(loss: impl Fn(f32) -> f64) -> f32 {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let [mut low, mut high] = RANGE.map(f64::ln);
    let at = |x: f64| loss(x.exp() as f32);
    let (mut left, mut right) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_left, mut at_right) = (at(left), at(right));
    while high - low > 1e-3 {
        if at_left <= at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - golden * (high - low);
            at_left = at(left);
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + golden * (high - low);
            at_right = at(right);
        }
    }
    f64::midpoint(low, high).exp() as f32
}

/// The answers in parts that must each be right often enough: all of them, and each data set that is large enough.
///
/// Visitors are like the faces of one set or of another, in shares that nobody knows. A set on which the network is good
/// must not pay for one on which it is not.
fn by_set(evidence: &[Evidence<'_>], answers: &[Answer]) -> Vec<Vec<Answer>> {
    let sets = evidence.iter().map(|face| face.set + 1).max().unwrap_or(0);
    let of_set = |set: usize| {
        let own = evidence.iter().zip(answers).filter(|(face, _)| face.set == set);
        own.map(|(_, answer)| *answer).collect::<Vec<Answer>>()
    };
    let large = (0..sets).map(of_set).filter(|own| own.len() >= LEAST_FACES);
    std::iter::once(answers.to_vec()).chain(large).collect()
}

/// The lowest threshold from which on, in each of `parts`, the faces that reach it are right with at least this accuracy,
/// as far as these faces can tell; `None` if no threshold up to 0.99 does.
fn threshold(parts: &[Vec<Answer>], accuracy: f64) -> Option<f32> {
    let enough = |step: &u8| {
        let threshold = f32::from(*step) * STEP;
        parts.iter().all(|part| {
            let told: Vec<Answer> = part.iter().copied().filter(|face| face.score >= threshold).collect();
            told.len() >= LEAST_TOLD && least_right(&told) >= accuracy
        })
    };
    (0..100).find(enough).map(|step| f32::from(step) * STEP)
}

/// The share of these answers that is right at least: the lower end of its 95 % interval, the one that is given beside every
/// figure, on other faces like these.
///
/// The share on these faces is too good a guess: a threshold is chosen where it happens to be high, and so was the epoch of
/// the network. This is the lower end of Wilson's score interval (1927), which holds near 1 as well, with the number of
/// faces that as many strangers would be: of ten pictures of one person, the network is often right about all or none
/// (the *effective sample size*, Kish 1965).
fn least_right(answers: &[Answer]) -> f64 {
    /// The normal distribution has 95 % within this to both sides.
    const WITHIN: f64 = 1.96;
    let faces = answers.len() as f64;
    if answers.is_empty() {
        return 0.0;
    }
    let right = |face: &Answer| f64::from(u8::from(face.truth == Some(face.top)));
    let share = answers.iter().map(right).sum::<f64>() / faces;
    // Of each person the faces, and by how many more of them are right than of all.
    let mut people: BTreeMap<u32, f64> = BTreeMap::new();
    for face in answers {
        *people.entry(face.person).or_default() += right(face) - share;
    }
    let count = people.len() as f64;
    let between = people.values().map(|excess| excess * excess).sum::<f64>();
    let variance = between / (faces * faces) * count / (count - 1.0).max(1.0);
    let strangers = if variance > 0.0 {
        (share * (1.0 - share) / variance).min(faces)
    } else {
        count
    };
    let (z, n) = (WITHIN * WITHIN, strangers);
    let middle = share + z / (2.0 * n);
    let spread = WITHIN * (share * (1.0 - share) / n + z / (4.0 * n * n)).sqrt();
    (middle - spread) / (1.0 + z / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Strangers with the logit of class 0 above that of class 1, and the truth.
    fn faces(kinds: &[(usize, f32, Option<u8>)]) -> Vec<([f32; 2], Option<u8>)> {
        let repeated = kinds
            .iter()
            .flat_map(|(count, logit, truth)| vec![([*logit, 0.0], *truth); *count]);
        repeated.collect()
    }

    fn evidence(faces: &[([f32; 2], Option<u8>)]) -> Vec<Evidence<'_>> {
        let strangers = (0..).zip(faces);
        strangers
            .map(|(person, (logits, truth))| Evidence {
                logits,
                truth: *truth,
                set: 0,
                person,
            })
            .collect()
    }

    #[test]
    fn finds_the_lowest_loss() {
        let found = temperature(|t| (f64::from(t).ln() - 1.7f64.ln()).powi(2));
        assert!((found - 1.7).abs() < 2e-3, "{found}");
    }

    #[test]
    fn a_network_that_is_too_sure_is_cooled_to_what_it_is_right_with() {
        // Right in 3 of 4 cases, which a logit of ln 3 would say, not one of 3.
        let faces = faces(&[(300, 3.0, Some(0)), (100, 3.0, Some(1))]);
        let found = calibrate(&evidence(&faces), 0.5).unwrap();
        let expected = 3.0 / 3f32.ln();
        assert!((found.decision.temperature - expected).abs() < 0.01, "{found:?}");
        assert_eq!(
            (found.faces, found.wrong, found.told, found.warnings.len()),
            (400, 100, 400, 0)
        );
        let measured = calibration(&evidence(&faces), found.decision.temperature).unwrap();
        assert!(
            measured
                .errors
                .iter()
                .all(|(_, [before, after])| *before > 0.19 && *after < 0.01)
        );
        assert!(measured.log_loss[0] > measured.log_loss[1]);
    }

    #[test]
    fn faces_of_no_class_count_against_a_threshold() {
        let known = [(300, 2.0, Some(0)), (40, 0.5, Some(1)), (60, 0.5, Some(0))];
        let of = |kinds: &[(usize, f32, Option<u8>)]| {
            let faces = faces(kinds);
            calibrate(&evidence(&faces), 0.9).unwrap().decision
        };
        let alone = of(&known);
        let others = of(&[&known[..], &[(40, 2.0, None)]].concat());
        assert!(
            alone.abstain_below > 0.5 && alone.abstain_below < others.abstain_below
                || others.abstain_below == DEFAULT_THRESHOLD
        );
        assert_eq!(
            alone.temperature, others.temperature,
            "they say nothing about the temperature"
        );
    }

    #[test]
    fn the_least_share_right_is_wilsons_and_lower_where_many_faces_are_of_one_person() {
        let of = |right: u32, all: u32, faces_of_one: u32| {
            let answer = |at: u32| Answer {
                truth: Some(u8::from(at >= right)),
                top: 0,
                score: 0.9,
                person: at / faces_of_one,
            };
            least_right(&(0..all).map(answer).collect::<Vec<_>>())
        };
        // Wilson's interval of 90 in 100 is 0.826 to 0.945.
        assert!((of(90, 100, 1) - 0.8256).abs() < 1e-3, "{}", of(90, 100, 1));
        assert!((of(900, 1000, 1) - 0.8799).abs() < 1e-3, "{}", of(900, 1000, 1));
        assert!((of(100, 100, 1) - 0.9630).abs() < 1e-3, "{}", of(100, 100, 1));
        // Ten people, of one of whom all is wrong, are worth nine strangers.
        assert!((of(90, 100, 10) - 0.577).abs() < 2e-3, "{}", of(90, 100, 10));
        // All is right, of ten people only.
        assert!((of(100, 100, 10) - 0.7225).abs() < 2e-3, "{}", of(100, 100, 10));
        assert_eq!(least_right(&[]), 0.0);
    }

    #[test]
    fn a_set_that_falls_short_raises_the_threshold_and_a_small_one_does_not() {
        // Of doubtful faces of the second set, half are wrong; of both sets together few.
        let sure = [(1900, 2.0, Some(0)), (60, 2.0, Some(1))];
        let doubtful = |count: usize| [(3 * count, 2.0, Some(0)), (count, 0.5, Some(0)), (count, 0.5, Some(1))];
        let threshold = |count: usize, set: usize| {
            let (first, second) = (faces(&sure), faces(&doubtful(count)));
            let mut all = evidence(&first);
            let others = evidence(&second).into_iter().map(|own| Evidence {
                set,
                person: own.person + 10_000,
                ..own
            });
            all.extend(others);
            calibrate(&all, 0.9).unwrap().decision.abstain_below
        };
        assert!(threshold(100, 0) < 0.5, "together they are right often enough");
        assert!(threshold(100, 1) > 0.5, "the second set is not");
        assert!(threshold(20, 1) < 0.5, "a hundred faces tell too little by themselves");
    }

    #[test]
    fn too_few_faces_give_warnings_and_the_defaults() {
        // 101 faces, all but one right: the temperature would fall to 0.2.
        let few = faces(&[(100, 2.0, Some(0)), (1, 0.1, Some(1))]);
        let found = calibrate(&evidence(&few), 0.9).unwrap();
        assert_eq!(
            (found.decision.temperature, found.decision.abstain_below),
            (1.0, DEFAULT_THRESHOLD)
        );
        assert_eq!(found.warnings.len(), 2);
        assert!(
            found.warnings[0].contains("101 faces, 1 of them wrong"),
            "{:?}",
            found.warnings
        );
        // Enough of them, but never right.
        let bad = faces(&[(200, 2.0, Some(0)), (200, 2.0, Some(1))]);
        assert_eq!(
            calibrate(&evidence(&bad), 0.9).unwrap().decision.abstain_below,
            DEFAULT_THRESHOLD
        );
    }
}
