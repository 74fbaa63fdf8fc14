//! From files to a divided data set.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::checkpoint::hex;
use super::samples::{Data, Samples};
use crate::config::{Loss, SplitBy, TrainConfig};
use crate::data::split::{Fractions, Split, TestPart, by_group, by_usage, random_rows};
use crate::data::{BadRows, Skipped, emotion, keypoints, votes};
use crate::model::Task;

/// The files of a data set.
#[derive(Debug, Clone)]
pub struct Files {
    /// `training.csv` or `fer2013.csv`.
    pub data: PathBuf,
    /// `fer2013new.csv`, the taggers' votes.
    pub votes: Option<PathBuf>,
    /// What is done with rows that cannot be read.
    pub bad_rows: BadRows,
}

/// A data set, divided and ready to make batches.
#[derive(Debug)]
pub struct Prepared {
    /// Makes batches.
    pub samples: Samples,
    /// Which rows are for what.
    pub split: Split,
    /// SHA-256 of data and labels, in hexadecimal.
    pub data: String,
    /// SHA-256 of the test part, in hexadecimal.
    pub held_out: String,
}

/// Reads a data set for a task; also gives what was skipped, file by file.
pub fn read(files: &Files, config: &TrainConfig) -> Result<(Data, Vec<(PathBuf, Skipped)>)> {
    let path: &Path = &files.data;
    if config.task == Task::Keypoints {
        let (data, skipped) = keypoints::read(path, files.bad_rows)?;
        return Ok((Data::Keypoints(data), vec![(path.to_owned(), skipped)]));
    }
    let (mut data, skipped) = emotion::read(path, &config.classes, files.bad_rows)?;
    let mut all = vec![(path.to_owned(), skipped)];
    if let Some(path) = &files.votes {
        all.push((path.clone(), votes::attach(&mut data, path, files.bad_rows)?));
    }
    Ok((Data::Emotion(data), all))
}

impl Prepared {
    /// Divides the data as the configuration says.
    pub fn new(data: Data, config: &TrainConfig) -> Result<Self> {
        if let (Data::Emotion(data), Loss::CrossEntropy { votes, .. }) = (&data, config.loss)
            && votes > 0.0
            && data.soft.is_none()
        {
            bail!("training setting `loss.votes` needs the taggers' votes: name their file with --votes");
        }
        let whole = Samples::new(data, config, &[]);
        let split = divide(&whole, config)?;
        let samples = whole.with_training_part(config, &split.train);
        // In the original's protocol rows are variants of faces; the faces behind them identify them.
        let faces = samples.data().faces().len() as u32;
        let held: Vec<u32> = split.test.iter().map(|row| row % faces).collect();
        let held_out = hex(&samples.data().fingerprint_of(&held));
        Ok(Self {
            data: hex(&samples.data().fingerprint()),
            held_out,
            samples,
            split,
        })
    }
}

fn divide(samples: &Samples, config: &TrainConfig) -> Result<Split> {
    let test = config.split.test;
    let fractions = Fractions {
        validation: config.split.validation * (1.0 - test),
        test,
    };
    let groups = match samples.data() {
        Data::Keypoints(data) => &data.groups,
        Data::Emotion(data) => &data.groups,
    };
    let split = match (config.split.by, samples.data()) {
        (SplitBy::Group, _) => by_group(groups, fractions, config.seed),
        (SplitBy::Variants, data) => {
            random_rows(samples.rows(), fractions, config.seed).map(|split| whole(split, data))
        }
        (SplitBy::Usage, Data::Emotion(data)) => {
            let usage = data
                .usage
                .as_ref()
                .context("split by usage: the data has no column `Usage`; use split by group")?;
            by_usage(groups, usage, TestPart::Public, config.split.validation, config.seed)
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
mod tests {
    use shared_model::keypoints::{COUNT, Keypoints};

    use super::*;
    use crate::data::{Faces, KeypointData};

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
}
