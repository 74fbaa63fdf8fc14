//! Which training faces an epoch shows, and in which order.
//!
//! Each face has a number of times that it is drawn in an epoch, on average. An epoch draws as many faces as
//! these add up to, by systematic sampling over a random order: a face with 0.5 comes in about every other
//! epoch, one with 2.5 twice or three times. Each further time that a face is drawn it is another *row*
//! (`face + faces * time`), so that it is varied differently.

use rand::RngExt;
use rand::seq::SliceRandom;

use crate::augment::sample_rng;
use crate::config::{OTHER, SetConfig, TrainConfig};
use crate::data::EmotionData;
use crate::train::samples::Data;

/// The order of the rows in an epoch draws from the stream of this sample number, which no row has.
const ORDER: u64 = u64::MAX;
/// Share of the votes that each of two classes needs for taggers to be divided between them.
const DIVIDED: f32 = 0.2;

/// The rows that are trained on.
#[derive(Debug, Clone, Default)]
pub struct Sampling {
    rows: Vec<u32>,
    /// Faces of the data set.
    faces: u32,
    /// Of each row the times that it is drawn in an epoch; `None`: once.
    times: Option<Vec<f32>>,
}

impl Sampling {
    /// Every one of these rows once in an epoch.
    pub fn once(rows: &[u32]) -> Self {
        Self {
            rows: rows.to_vec(),
            faces: 0,
            times: None,
        }
    }

    /// The training part `rows` of a data set, drawn as its sets' settings say.
    pub fn new(data: &Data, config: &TrainConfig, rows: &[u32]) -> Self {
        let Data::Emotion(data) = data else {
            return Self::once(rows);
        };
        if config.sets.is_empty() {
            return Self::once(rows);
        }
        let times = |row: &u32| {
            let of_set = |start: &u32| start <= row;
            let set = data.sets.iter().rposition(of_set).and_then(|set| config.sets.get(set));
            set.map_or(1.0, |set| times(set, data, *row as usize))
        };
        Self {
            rows: rows.to_vec(),
            faces: data.labels.len() as u32,
            times: Some(rows.iter().map(times).collect()),
        }
    }

    /// Faces that an epoch shows.
    pub fn len(&self) -> usize {
        match &self.times {
            None => self.rows.len(),
            Some(times) => times.iter().map(|times| f64::from(*times)).sum::<f64>() as usize,
        }
    }

    /// Whether an epoch shows no face.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows of an epoch, counted from 0, in the order in which they are shown.
    pub fn epoch(&self, seed: u64, epoch: u32) -> Vec<u32> {
        let mut rng = sample_rng(seed, u64::from(epoch), ORDER);
        let Some(times) = &self.times else {
            let mut order = self.rows.clone();
            order.shuffle(&mut rng);
            return order;
        };
        let mut places: Vec<usize> = (0..self.rows.len()).collect();
        places.shuffle(&mut rng);
        let count = self.len();
        let mut order = Vec::with_capacity(count);
        let (mut end, offset) = (0.0, rng.random::<f64>());
        for place in places {
            end += f64::from(times[place]);
            let mut time = 0;
            while order.len() < count && order.len() as f64 + offset < end {
                order.push(self.rows[place] + self.faces * time);
                time += 1;
            }
        }
        order.shuffle(&mut rng);
        order
    }

    /// The rows as often as they come in many epochs, at least once each: what class frequencies are counted in.
    pub(super) fn expected(&self) -> Vec<u32> {
        /// Copies that stand for being drawn once an epoch.
        const UNIT: f32 = 4.0;
        let Some(times) = &self.times else {
            return self.rows.clone();
        };
        let copies = |(row, times): (&u32, &f32)| std::iter::repeat_n(*row, (times * UNIT).round() as usize);
        self.rows.iter().zip(times).flat_map(copies).collect()
    }
}

/// Times that a face is drawn in an epoch.
fn times(set: &SetConfig, data: &EmotionData, row: usize) -> f32 {
    let label = data.classes.label(usize::from(data.labels[row])).unwrap_or_default();
    let label = if data.labelled[row] { label } else { OTHER };
    let of_label = |(name, weight): (&String, &f32)| name.eq_ignore_ascii_case(label).then_some(*weight);
    let of_class = set.classes.iter().find_map(of_label).unwrap_or(1.0);
    let shares = data
        .votes
        .as_ref()
        .and_then(|votes| votes[row])
        .and_then(|votes| votes.shares());
    let divided = set.divided.iter().filter(|divided| {
        let enough = |label: &String| {
            let class = data.classes.index(label);
            class
                .zip(shares)
                .is_some_and(|(class, shares)| shares[class] >= DIVIDED)
        };
        divided.between.iter().all(enough)
    });
    set.weight * of_class * divided.map(|divided| divided.weight).product::<f32>()
}

#[cfg(test)]
mod tests {
    use shared_model::emotion::ClassSet;

    use super::*;
    use crate::config::Divided;
    use crate::data::Faces;
    use crate::data::votes::Votes;
    use crate::model::Task;

    /// Two sets of four faces, all Angry but for the last two of the second: Happy, and one without a label.
    fn data() -> Data {
        Data::Emotion(EmotionData {
            classes: ClassSet::product(),
            faces: Faces::new(1, vec![0; 8]).unwrap(),
            labels: vec![0, 0, 0, 0, 0, 0, 3, 0],
            labelled: vec![true, true, true, true, true, true, true, false],
            votes: None,
            sets: vec![0, 4],
            usage: None,
            groups: (0..8).collect(),
            rows: (1..=8).collect(),
            csv_rows: 8,
        })
    }

    fn config(weights: [f32; 2], classes: &[(&str, f32)]) -> TrainConfig {
        let set = |weight| SetConfig {
            weight,
            ..SetConfig::plain("a")
        };
        let mut config = TrainConfig::original(Task::Emotion);
        config.sets = weights.map(set).to_vec();
        config.sets[1].classes = classes
            .iter()
            .map(|(name, weight)| ((*name).to_owned(), *weight))
            .collect();
        config
    }

    fn all() -> Vec<u32> {
        (0..8).collect()
    }

    #[test]
    fn order_depends_on_seed_and_epoch() {
        for sampling in [
            Sampling::once(&all()),
            Sampling::new(&data(), &config([1.0, 1.0], &[]), &all()),
        ] {
            assert_eq!(sampling.epoch(1, 2), sampling.epoch(1, 2));
            assert_ne!(sampling.epoch(1, 2), sampling.epoch(1, 3));
            assert_ne!(sampling.epoch(1, 2), sampling.epoch(2, 2));
            let mut sorted = sampling.epoch(1, 2);
            sorted.sort_unstable();
            assert_eq!(sorted, all());
        }
    }

    #[test]
    fn faces_come_as_often_as_their_set_and_class_say() {
        let config = config([0.5, 2.0], &[("happy", 1.5), (OTHER, 0.0)]);
        let sampling = Sampling::new(&data(), &config, &all());
        // 4 * 0.5 + 2 * 2 + 3 + 0.
        assert_eq!(sampling.len(), 9);
        let mut drawn = [0u32; 8];
        for epoch in 0..400 {
            let rows = sampling.epoch(7, epoch);
            assert_eq!(rows.len(), 9);
            let different: std::collections::BTreeSet<u32> = rows.iter().copied().collect();
            assert_eq!(different.len(), rows.len(), "each time is a row of its own");
            for row in rows {
                drawn[row as usize % 8] += 1;
            }
        }
        assert_eq!(drawn[4..], [800, 800, 1200, 0]);
        // Six standard deviations about half of 400.
        assert!(drawn[..4].iter().all(|count| (140..=260).contains(count)), "{drawn:?}");
    }

    #[test]
    fn divided_faces_come_more_often() {
        let Data::Emotion(mut data) = data() else { return };
        let votes = |angry, happy| Votes {
            classes: [angry, 0.0, 0.0, happy, 0.0, 0.0, 0.0, 0.0],
            outside: 0.0,
            outside_top: 0.0,
        };
        let mut all_votes = vec![None; 8];
        (all_votes[0], all_votes[1]) = (Some(votes(8.0, 2.0)), Some(votes(9.0, 1.0)));
        data.votes = Some(all_votes);
        let mut config = config([1.0, 1.0], &[]);
        config.sets[0].divided = vec![Divided {
            between: ["Happy".to_owned(), "Angry".to_owned()],
            weight: 3.0,
        }];
        let sampling = Sampling::new(&Data::Emotion(data), &config, &all());
        assert_eq!(sampling.len(), 10);
        let of_first = sampling.epoch(0, 0).iter().filter(|row| **row % 8 == 0).count();
        assert_eq!(of_first, 3);
    }
}
