//! Which rows are for training, validation and test.

use anyhow::{Context, Result, bail};

use super::samples::{Data, Samples};
use crate::config::{SplitBy, TrainConfig};
use crate::data::split::{Split, TestPart, by_group, by_usage, random_rows, stratified};

/// Divides each of the sets by itself.
pub(super) fn divide(samples: &Samples, config: &TrainConfig) -> Result<Split> {
    let data = match samples.data() {
        Data::Emotion(data) if config.sets.len() > 1 || data.sets.len() > 1 => data,
        _ => return divide_one(samples, config),
    };
    let mut all = Split::default();
    for (at, range) in data.set_ranges().into_iter().enumerate() {
        let own = config.sets.get(at).and_then(|set| set.split).unwrap_or(config.split);
        let usage = data.usage.as_ref().map(|usage| &usage[range.clone()]);
        let split = match own.by {
            SplitBy::Group => by_group(&data.groups[range.clone()], own.fractions(), config.seed),
            SplitBy::Stratified => {
                let classes = &data.labels[range.clone()];
                stratified(&data.groups[range.clone()], classes, own.fractions(), config.seed)
            }
            SplitBy::Usage => {
                let usage = usage.context(NO_USAGE)?;
                by_usage(
                    &data.groups[range.clone()],
                    usage,
                    TestPart::Public,
                    own.validation,
                    config.seed,
                )
            }
            SplitBy::Variants => bail!("split by variants: the original's protocol knows one data set"),
        };
        let name = config
            .sets
            .get(at)
            .map_or_else(|| (at + 1).to_string(), |set| set.name.clone());
        all.extend(
            split.with_context(|| format!("divide data set {name}"))?,
            range.start as u32,
        );
    }
    Ok(all)
}

const NO_USAGE: &str = "split by usage: the data has no column `Usage`; use split by group";

fn divide_one(samples: &Samples, config: &TrainConfig) -> Result<Split> {
    let own = config.sets.first().and_then(|set| set.split).unwrap_or(config.split);
    let fractions = own.fractions();
    let groups = match samples.data() {
        Data::Keypoints(data) => &data.groups,
        Data::Emotion(data) => &data.groups,
    };
    let split = match (own.by, samples.data()) {
        (SplitBy::Group, _) => by_group(groups, fractions, config.seed),
        (SplitBy::Stratified, Data::Emotion(data)) => stratified(groups, &data.labels, fractions, config.seed),
        (SplitBy::Stratified, Data::Keypoints(_)) => {
            bail!("split by class: keypoint data has no classes; use split by group")
        }
        (SplitBy::Variants, data) => {
            random_rows(samples.rows(), fractions, config.seed).map(|split| whole(split, data))
        }
        (SplitBy::Usage, Data::Emotion(data)) => {
            let usage = data.usage.as_ref().context(NO_USAGE)?;
            by_usage(groups, usage, TestPart::Public, own.validation, config.seed)
        }
        (SplitBy::Usage, Data::Keypoints(_)) => bail!("split by usage: keypoint data has no usage; use split by group"),
    };
    split.context("divide the data")
}

/// The original trains and tests only on faces whose points are all known.
fn whole(mut split: Split, data: &Data) -> Split {
    if let Data::Keypoints(data) = data {
        let known = |row: &u32| {
            data.present[*row as usize % data.present.len()]
                .iter()
                .all(|known| *known)
        };
        for part in [&mut split.train, &mut split.validation, &mut split.test] {
            split.unused.extend(part.extract_if(.., |row| !known(row)));
        }
        split.unused.sort_unstable();
    }
    split
}

#[cfg(test)]
pub(super) mod tests {
    use shared_model::emotion::ClassSet;
    use shared_model::image::CropRule;
    use shared_model::keypoints::{COUNT, Keypoints};

    use super::super::prepare::Prepared;
    use super::*;
    use crate::config::SetConfig;
    use crate::data::{EmotionData, Faces, KeypointData, Usage};
    use crate::model::Task;

    /// Sixty Angry faces, one Sad one in twenty, each of a group of its own.
    pub(crate) fn emotions() -> EmotionData {
        EmotionData {
            classes: ClassSet::new(&["Angry", "Sad"]).unwrap(),
            faces: Faces::new(1, (0..60).collect()).unwrap(),
            labels: (0..60).map(|row| u8::from(row % 20 == 0)).collect(),
            labelled: vec![true; 60],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: (0..60).collect(),
            rows: (1..=60).collect(),
            csv_rows: 60,
        }
    }

    #[test]
    fn each_set_is_divided_in_its_own_way() {
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = emotions().classes;
        let first = SetConfig {
            split: Some(crate::config::SplitConfig {
                by: SplitBy::Usage,
                test: 0.0,
                validation: 0.1,
            }),
            ..SetConfig::plain("by usage")
        };
        config.sets = vec![first, SetConfig::plain("by group")];
        let mut data = emotions();
        data.usage = Some(
            (0..60)
                .map(|row| if row < 50 { Usage::Training } else { Usage::PublicTest })
                .collect(),
        );
        let mut data = data.framed(&CropRule::IDENTITY);
        data.append(emotions().framed(&CropRule::IDENTITY));
        let split = Prepared::new(Data::Emotion(data), &config).unwrap().split;
        let of_first = |rows: &[u32]| rows.iter().filter(|row| **row < 60).count();
        assert_eq!(of_first(&split.test), 10);
        assert_eq!((of_first(&split.validation), split.test.len()), (5, 10 + 3));
        assert_eq!(split.train.len() + split.validation.len() + split.test.len(), 120);
    }

    #[test]
    fn the_originals_protocol_leaves_out_faces_with_unknown_points() {
        const FACES: usize = 20;
        let mut present = vec![[true; COUNT]; FACES];
        present[3][7] = false;
        let data = KeypointData {
            faces: Faces::new(1, vec![0; FACES]).unwrap(),
            points: vec![Keypoints([[1.0; 2]; COUNT]); FACES],
            present,
            groups: (0..FACES as u32).collect(),
            rows: (1..=FACES as u64).collect(),
        };
        let config = TrainConfig::original(Task::Keypoints).with_original_protocol();
        let split = Prepared::new(Data::Keypoints(data), &config).unwrap().split;
        // Five variants of each face.
        assert_eq!(split.unused, [3, 23, 43, 63, 83]);
        let rest = [split.train, split.validation, split.test].concat();
        assert_eq!(rest.len(), 95);
        assert!(rest.iter().all(|row| row % 20 != 3));
    }

    #[test]
    fn a_stratified_split_keeps_rare_classes_in_each_part_whatever_the_seed() {
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = emotions().classes;
        (config.split.by, config.split.test, config.split.validation) = (SplitBy::Stratified, 0.3, 0.4);
        for seed in 0..10 {
            config.seed = seed;
            let prepared = Prepared::new(Data::Emotion(emotions()), &config).unwrap();
            let split = &prepared.split;
            let sad = |rows: &[u32]| rows.iter().filter(|row| **row % 20 == 0).count();
            let parts = [&split.train, &split.validation, &split.test];
            assert_eq!(parts.map(|rows| (sad(rows), rows.len())), [(1, 25), (1, 17), (1, 18)]);
        }
    }

    #[test]
    fn points_have_no_classes_to_keep_in_proportion() {
        let mut config = TrainConfig::original(Task::Keypoints);
        config.split.by = SplitBy::Stratified;
        let refused = config.check().unwrap_err().to_string();
        assert!(
            refused.contains("`split.by` must be `group` for keypoints"),
            "{refused}"
        );
    }
}
