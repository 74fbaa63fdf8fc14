//! What an emotion network is asked to give for each face, and how much each face counts.

use shared_model::emotion::MAX_CLASSES;

use crate::config::Loss;
use crate::data::EmotionData;

/// Targets of all rows of a data set.
#[derive(Debug, Default)]
pub(super) struct ClassTargets {
    /// Distribution over the classes, 0 beyond the last, and weight of each row.
    pub(super) rows: Vec<([f32; MAX_CLASSES], f32)>,
    /// What is added to the logits in training, one for each class; empty where nothing is.
    pub(super) offsets: Vec<f32>,
    /// The class that is right for each row, and how much the row counts in a validation.
    pub(super) judged: Vec<(usize, f32)>,
}

impl ClassTargets {
    /// Targets as `loss` asks for; frequencies are those of the rows `train`, as often as they stand there.
    pub(super) fn new(data: &EmotionData, loss: Loss, train: &[u32]) -> Self {
        let Loss::CrossEntropy {
            smoothing,
            balance,
            votes,
            outside,
            adjust,
        } = loss
        else {
            return Self::default();
        };
        let classes = data.classes.len();
        let faces = data.labels.len();
        let own: Vec<([f32; MAX_CLASSES], f32)> = (0..faces).map(|face| target(data, face, votes, outside)).collect();
        let mut counts = [0usize; MAX_CLASSES];
        let mut shares = [0.0f64; MAX_CLASSES];
        for face in train
            .iter()
            .map(|row| *row as usize % faces)
            .filter(|face| known(data, *face))
        {
            counts[usize::from(data.labels[face])] += 1;
            let (target, weight) = &own[face];
            for (share, part) in shares.iter_mut().zip(target) {
                *share += f64::from(part * weight);
            }
        }
        let mean = train.len() as f32 / classes as f32;
        let smooth = |(mut target, weight): ([f32; MAX_CLASSES], f32), label: usize| {
            for value in &mut target[..classes] {
                *value = *value * (1.0 - smoothing) + smoothing / classes as f32;
            }
            (target, weight * (mean / counts[label].max(1) as f32).powf(balance))
        };
        let labels = data.labels.iter().map(|label| usize::from(*label));
        Self {
            judged: (0..faces).map(|face| judged(data, face, own[face], outside)).collect(),
            rows: own
                .into_iter()
                .zip(labels)
                .map(|(own, label)| smooth(own, label))
                .collect(),
            offsets: if adjust > 0.0 {
                offsets(&shares[..classes], adjust)
            } else {
                Vec::new()
            },
        }
    }
}

/// Target of one face before smoothing, and its weight before balancing.
fn target(data: &EmotionData, face: usize, votes: f32, outside: Option<f32>) -> ([f32; MAX_CLASSES], f32) {
    let classes = data.classes.len();
    let mut target = [0.0; MAX_CLASSES];
    target[usize::from(data.labels[face])] = 1.0;
    let Some(own) = data.votes.as_ref().and_then(|votes| votes[face]) else {
        return (target, 1.0);
    };
    let spread = outside.unwrap_or(0.0) * own.outside;
    let counted = own.inside() + spread;
    if counted > 0.0 && (own.inside() > 0.0 || outside.is_some()) {
        let label = if data.labelled[face] { 1.0 - votes } else { 0.0 };
        for (value, class) in target.iter_mut().zip(own.classes).take(classes) {
            *value = *value * label + (class + spread / classes as f32) / counted * (1.0 - label);
        }
    }
    let weight = match outside {
        None => 1.0,
        // A face that nobody voted on at all has only its label.
        Some(_) if own.inside() + own.outside == 0.0 => 1.0,
        Some(_) => counted / (own.inside() + own.outside),
    };
    (target, weight)
}

/// Whether anything says which class a face is of.
fn known(data: &EmotionData, face: usize) -> bool {
    let voted = || {
        data.votes
            .as_ref()
            .and_then(|votes| votes[face])
            .is_some_and(|votes| votes.inside() > 0.0)
    };
    data.labelled[face] || voted()
}

fn judged(
    data: &EmotionData,
    face: usize,
    (target, weight): ([f32; MAX_CLASSES], f32),
    outside: Option<f32>,
) -> (usize, f32) {
    let label = usize::from(data.labels[face]);
    if outside.is_none() {
        return (label, 1.0);
    }
    let parts = target.iter().copied().enumerate();
    let (class, _) = parts.fold((label, target[label]), |top, own| if own.1 > top.1 { own } else { top });
    (class, if known(data, face) { weight } else { 0.0 })
}

/// `adjust` times the logarithm of each class's share.
fn offsets(shares: &[f64], adjust: f32) -> Vec<f32> {
    let sum: f64 = shares.iter().sum();
    let least = 1e-4;
    shares
        .iter()
        .map(|share| adjust * (share / sum).max(least).ln() as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::ClassSet;

    use super::*;
    use crate::data::Faces;
    use crate::data::votes::Votes;

    const CLASSES: f32 = 4.0;

    fn data(votes: Votes, labelled: bool) -> EmotionData {
        EmotionData {
            classes: ClassSet::new(&["Angry", "Sad", "Happy", "Neutral"]).unwrap(),
            faces: Faces::new(1, vec![1, 2]).unwrap(),
            labels: vec![0, 2],
            labelled: vec![labelled, true],
            votes: Some(vec![Some(votes), None]),
            sets: vec![0],
            usage: None,
            groups: vec![0, 1],
            rows: vec![1, 2],
            csv_rows: 2,
        }
    }

    /// Angry 2, Sad 3, and 5 for labels that are no class.
    fn votes() -> Votes {
        Votes {
            classes: [2.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            outside: 5.0,
            outside_top: 5.0,
        }
    }

    fn loss(votes: f32, outside: Option<f32>) -> Loss {
        Loss::CrossEntropy {
            smoothing: 0.0,
            balance: 0.0,
            votes,
            outside,
            adjust: 0.0,
        }
    }

    fn of(data: &EmotionData, loss: Loss) -> ([f32; 4], f32) {
        let targets = ClassTargets::new(data, loss, &[0, 1]);
        assert_eq!(
            targets.rows[1],
            ([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 1.0),
            "no votes: the label"
        );
        let (target, weight) = targets.rows[0];
        (std::array::from_fn(|class| target[class]), weight)
    }

    fn close(got: ([f32; 4], f32), expected: ([f32; 4], f32)) {
        let near = got.0.iter().zip(expected.0).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(
            near && (got.1 - expected.1).abs() < 1e-6,
            "{got:?} instead of {expected:?}"
        );
    }

    #[test]
    fn votes_for_no_class_are_passed_over_unless_they_are_asked_for() {
        let data = data(votes(), true);
        close(of(&data, loss(0.5, None)), ([0.5 + 0.2, 0.3, 0.0, 0.0], 1.0));
        close(of(&data, loss(0.5, Some(0.0))), ([0.5 + 0.2, 0.3, 0.0, 0.0], 0.5));
        // Half of the five outside votes are spread over the four classes.
        let spread = 2.5 / CLASSES / 7.5;
        let shares = [2.0 / 7.5 + spread, 3.0 / 7.5 + spread, spread, spread];
        close(of(&data, loss(1.0, Some(0.5))), (shares, 0.75));
    }

    #[test]
    fn a_face_without_a_label_of_the_set_is_trained_on_by_its_votes_alone() {
        let data = data(votes(), false);
        close(of(&data, loss(0.1, Some(0.0))), ([0.4, 0.6, 0.0, 0.0], 0.5));
    }

    #[test]
    fn a_face_that_is_of_no_class_asks_for_all_of_them_alike_and_is_not_judged() {
        let none = Votes {
            classes: [0.0; MAX_CLASSES],
            ..votes()
        };
        let data = data(none, false);
        close(of(&data, loss(0.8, Some(0.5))), ([0.25; 4], 0.5));
        assert_eq!(ClassTargets::new(&data, loss(0.8, Some(0.5)), &[0, 1]).judged[0].1, 0.0);
    }

    #[test]
    fn a_validation_judges_by_label_or_by_target() {
        let data = data(votes(), true);
        let judged = |loss| ClassTargets::new(&data, loss, &[0, 1]).judged;
        assert_eq!(judged(loss(0.9, None)), [(0, 1.0), (2, 1.0)]);
        assert_eq!(judged(loss(0.9, Some(0.0))), [(1, 0.5), (2, 1.0)]);
    }

    #[test]
    fn offsets_are_the_logarithms_of_the_shares() {
        let data = data(votes(), true);
        let adjusted = Loss::CrossEntropy {
            smoothing: 0.0,
            balance: 0.0,
            votes: 0.0,
            outside: None,
            adjust: 0.5,
        };
        // The first row stands there three times.
        let offsets = ClassTargets::new(&data, adjusted, &[0, 0, 0, 1]).offsets;
        let expected = [0.75f32, 1e-4, 0.25, 1e-4].map(|share| 0.5 * share.ln());
        assert!(
            offsets.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5),
            "{offsets:?}"
        );
    }

    #[test]
    fn rare_classes_weigh_more_where_they_are_balanced() {
        let data = data(votes(), true);
        let balanced = Loss::CrossEntropy {
            smoothing: 0.0,
            balance: 1.0,
            votes: 0.0,
            outside: None,
            adjust: 0.0,
        };
        let rows = ClassTargets::new(&data, balanced, &[0, 0, 0, 1]).rows;
        assert!((rows[1].1 / rows[0].1 - 3.0).abs() < 1e-5);
    }
}
