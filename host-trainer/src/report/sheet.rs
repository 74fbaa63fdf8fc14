//! What a data set holds: rows, labels, exact copies, and how far labels can be trusted.

use std::collections::HashMap;

use shared_model::keypoints::{COUNT, NAMES};

use crate::data::votes::Shares;
use crate::data::{EmotionData, KeypointData};

/// Exact pixel copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Copies {
    /// Faces that are there more than once.
    pub(super) sets: usize,
    /// Rows that they take.
    pub(super) rows: usize,
    /// Sets whose rows are labelled differently.
    pub(super) conflicting_sets: usize,
    /// Rows of those sets.
    pub(super) conflicting_rows: usize,
}

/// Labels beside the majority of the taggers' votes, within the class set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Agreement {
    /// Rows with a vote for one of the classes.
    pub(super) voted: usize,
    /// Those whose label has the most votes, alone or with others.
    pub(super) agree: usize,
}

/// The emotion rows that are exact copies.
pub(super) fn emotion_copies(data: &EmotionData) -> Copies {
    copies(&data.faces.copy_groups(), |a, b| data.labels[a] == data.labels[b])
}

/// The keypoint rows that are exact copies; missing points conflict with nothing.
pub(super) fn keypoint_copies(data: &KeypointData) -> Copies {
    copies(&data.faces.copy_groups(), |a, b| {
        let known = (0..COUNT).filter(|at| data.present[a][*at] && data.present[b][*at]);
        known.into_iter().all(|at| data.points[a].0[at] == data.points[b].0[at])
    })
}

/// Each row is compared with the first of its set.
fn copies(groups: &[u32], alike: impl Fn(usize, usize) -> bool) -> Copies {
    let mut sets: HashMap<u32, Vec<usize>> = HashMap::new();
    for (row, group) in groups.iter().enumerate() {
        sets.entry(*group).or_default().push(row);
    }
    let mut found = Copies::default();
    for rows in sets.into_values().filter(|rows| rows.len() > 1) {
        found.sets += 1;
        found.rows += rows.len();
        if !rows.iter().all(|row| alike(rows[0], *row)) {
            found.conflicting_sets += 1;
            found.conflicting_rows += rows.len();
        }
    }
    found
}

/// Rows of each class, in the order of the class set, and their agreement with the votes.
pub(super) fn per_class(data: &EmotionData, votes: Option<&[Option<Shares>]>) -> Vec<(usize, Agreement)> {
    let mut classes = vec![(0, Agreement::default()); data.classes.len()];
    for (row, label) in data.labels.iter().map(|label| usize::from(*label)).enumerate() {
        let (count, agreement) = &mut classes[label];
        *count += 1;
        if let Some(shares) = votes.and_then(|votes| votes[row]) {
            agreement.voted += 1;
            agreement.agree += usize::from(shares.iter().all(|share| *share <= shares[label]));
        }
    }
    classes
}

/// Rows of these with each class.
pub(super) fn labels_among(data: &EmotionData, rows: &[u32]) -> Vec<usize> {
    let mut counts = vec![0; data.classes.len()];
    for row in rows {
        counts[usize::from(data.labels[*row as usize % data.labels.len()])] += 1;
    }
    counts
}

/// Rows on which each point is known, and rows on which all are.
pub(super) fn known_points(data: &KeypointData) -> (Vec<(&'static str, usize)>, usize) {
    let known = |at: usize| data.present.iter().filter(|present| present[at]).count();
    let points = NAMES.iter().enumerate().map(|(at, name)| (*name, known(at))).collect();
    (
        points,
        data.present
            .iter()
            .filter(|present| present.iter().all(|known| *known))
            .count(),
    )
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::{ClassSet, MAX_CLASSES};
    use shared_model::keypoints::Keypoints;

    use super::*;
    use crate::data::Faces;

    /// Faces a a b c c c d; the second a and the last c are labelled differently.
    fn emotions() -> EmotionData {
        EmotionData {
            classes: ClassSet::product(),
            faces: Faces::new(1, vec![1, 1, 2, 3, 3, 3, 4]).unwrap(),
            labels: vec![0, 1, 2, 3, 3, 4, 0],
            labelled: vec![true; 7],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: (0..7).collect(),
            rows: (1..=7).collect(),
            csv_rows: 7,
        }
    }

    #[test]
    fn copies_and_their_conflicts_are_counted() {
        let found = emotion_copies(&emotions());
        assert_eq!(
            found,
            Copies {
                sets: 2,
                rows: 5,
                conflicting_sets: 2,
                conflicting_rows: 5
            }
        );
        let same = EmotionData {
            labels: vec![0, 0, 2, 3, 3, 3, 0],
            ..emotions()
        };
        assert_eq!(
            emotion_copies(&same),
            Copies {
                sets: 2,
                rows: 5,
                ..Copies::default()
            }
        );
    }

    #[test]
    fn a_missing_point_conflicts_with_nothing() {
        let mut data = KeypointData {
            faces: Faces::new(1, vec![9, 9]).unwrap(),
            points: vec![Keypoints([[1.0; 2]; COUNT]), Keypoints([[1.0; 2]; COUNT])],
            present: vec![[true; COUNT]; 2],
            groups: vec![0, 1],
            rows: vec![1, 2],
        };
        data.points[1].0[4] = [7.0, 7.0];
        assert_eq!(keypoint_copies(&data).conflicting_sets, 1);
        data.present[1][4] = false;
        assert_eq!(
            (keypoint_copies(&data).sets, keypoint_copies(&data).conflicting_sets),
            (1, 0)
        );
        let (points, whole) = known_points(&data);
        assert_eq!((points[3].1, points[4].1, whole), (2, 1, 1));
    }

    #[test]
    fn only_rows_with_votes_can_agree() {
        let share = |values: [f32; 2]| {
            let mut shares = [0.0; MAX_CLASSES];
            shares[..2].copy_from_slice(&values);
            Some(shares)
        };
        // Class 0: rows 0 (tie) and 6 (none); class 1: row 1 (outvoted).
        let mut votes = vec![None; 7];
        (votes[0], votes[1]) = (share([0.5, 0.5]), share([0.8, 0.2]));
        let classes = per_class(&emotions(), Some(&votes));
        assert_eq!(classes[0], (2, Agreement { voted: 1, agree: 1 }));
        assert_eq!(classes[1], (1, Agreement { voted: 1, agree: 0 }));
        assert_eq!(classes[3], (2, Agreement::default()));
        assert_eq!(labels_among(&emotions(), &[0, 3, 6]), [2, 0, 0, 1, 0]);
    }
}
