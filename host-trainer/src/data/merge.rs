//! Several sets of faces with emotions as one.

use shared_model::image::{CropRule, SIDE};

use super::{EmotionData, Usage};

impl EmotionData {
    /// The same faces as a network is to see them: `frame` says which part of each picture that is.
    #[must_use]
    pub fn framed(mut self, frame: &CropRule) -> Self {
        self.faces = self.faces.framed(frame);
        self
    }

    /// These rows and then those; both sets have faces of 96 x 96 pixels and the same classes.
    ///
    /// Groups stay apart, and row numbers are each set's own. Rows of a set without a `Usage` column count as
    /// `Training` where the other set has one; each set is divided by itself.
    pub fn append(&mut self, other: Self) {
        debug_assert_eq!((self.faces.side(), &self.classes), (SIDE, &other.classes));
        let (own, more) = (self.labels.len(), other.labels.len());
        let next_group = self.groups.iter().max().map_or(0, |group| group + 1);
        self.sets.extend(other.sets.iter().map(|start| start + own as u32));
        self.groups.extend(other.groups.iter().map(|group| group + next_group));
        self.votes = both(self.votes.take(), own, other.votes, more, None);
        self.usage = both(self.usage.take(), own, other.usage, more, Usage::Training);
        self.faces.append(other.faces);
        self.labels.extend(other.labels);
        self.labelled.extend(other.labelled);
        self.rows.extend(other.rows);
        self.csv_rows += other.csv_rows;
    }

    /// First row and end of each of the sets that were put together.
    pub fn set_ranges(&self) -> Vec<std::ops::Range<usize>> {
        let ends = self.sets.iter().skip(1).map(|start| *start as usize);
        let starts = self.sets.iter().map(|start| *start as usize);
        starts
            .zip(ends.chain([self.labels.len()]))
            .map(|(start, end)| start..end)
            .collect()
    }
}

/// Both lists, one after the other; where only one is there, `missing` stands for the other's values.
fn both<T: Clone>(
    own: Option<Vec<T>>,
    own_rows: usize,
    other: Option<Vec<T>>,
    other_rows: usize,
    missing: T,
) -> Option<Vec<T>> {
    if own.is_none() && other.is_none() {
        return None;
    }
    let mut values = own.unwrap_or_else(|| vec![missing.clone(); own_rows]);
    values.extend(other.unwrap_or_else(|| vec![missing; other_rows]));
    Some(values)
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::ClassSet;

    use super::super::Faces;
    use super::super::votes::Votes;
    use super::*;

    const VOTES: Votes = Votes {
        classes: [0.0; 8],
        outside: 1.0,
        outside_top: 1.0,
    };

    fn set(shades: &[u8]) -> EmotionData {
        let count = shades.len();
        EmotionData {
            classes: ClassSet::product(),
            faces: Faces::new(
                SIDE,
                shades.iter().flat_map(|shade| vec![*shade; SIDE * SIDE]).collect(),
            )
            .unwrap(),
            labels: shades.to_vec(),
            labelled: vec![true; count],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: (0..count as u32).collect(),
            rows: (1..=count as u64).collect(),
            csv_rows: count as u64,
        }
    }

    #[test]
    fn groups_and_ranges_of_merged_sets_stay_apart() {
        let mut all = set(&[0, 1]);
        all.append(set(&[2, 3, 4]));
        all.append(set(&[0]));
        assert_eq!(all.set_ranges(), [0..2, 2..5, 5..6]);
        assert_eq!(all.groups, [0, 1, 2, 3, 4, 5]);
        assert_eq!((all.labels, all.rows), (vec![0, 1, 2, 3, 4, 0], vec![1, 2, 1, 2, 3, 1]));
        assert_eq!((all.votes, all.usage, all.csv_rows), (None, None, 6));
    }

    #[test]
    fn what_only_one_set_has_is_filled_up_for_the_other() {
        let mut all = set(&[0]);
        let mut other = set(&[1, 2]);
        other.votes = Some(vec![Some(VOTES), None]);
        other.usage = Some(vec![Usage::PublicTest; 2]);
        all.append(other);
        assert_eq!(all.votes, Some(vec![None, Some(VOTES), None]));
        assert_eq!(
            all.usage.unwrap(),
            [Usage::Training, Usage::PublicTest, Usage::PublicTest]
        );
    }
}
