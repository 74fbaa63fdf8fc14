//! From files to a divided data set.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use shared_model::image::CropRule;

use super::divide::divide;
use super::samples::{Data, Samples};
use super::sampling::Sampling;
use crate::config::{Loss, TrainConfig};
use crate::data::emotion::{Outside, Reading};
use crate::data::split::Split;
use crate::data::{BadRows, EmotionData, Skipped, emotion, folder, keypoints, votes};
use crate::fingerprint::hex;
use crate::model::Task;

/// The files of a training: one data set, or several emotion sets that are trained on together.
#[derive(Debug, Clone)]
pub struct Files {
    /// `training.csv`; or `fer2013.csv` and its like, or folders with one folder for each class.
    pub data: Vec<PathBuf>,
    /// `fer2013new.csv`, the taggers' votes for the first set.
    pub votes: Option<PathBuf>,
    /// What is done with rows that cannot be read.
    pub bad_rows: BadRows,
}

/// A data set, divided and ready to make batches.
#[derive(Debug)]
pub struct Prepared {
    /// The faces, which become batches here.
    pub samples: Samples,
    /// Which rows are for what.
    pub split: Split,
    /// How often the rows of the training part are shown.
    pub sampling: Sampling,
    /// SHA-256 of data and labels, in hexadecimal.
    pub data: String,
    /// SHA-256 of the test part, in hexadecimal.
    pub held_out: String,
}

/// Fewest training faces of a class for its weight to be balanced: of 50, the share is known to within a seventh, and
/// no single face counts for more than a fiftieth of the class.
pub const LEAST_OF_A_CLASS: usize = 50;

/// What was left out of each file.
pub type LeftOut = Vec<(PathBuf, Skipped)>;

/// Reads the data of a task; also gives what was skipped, file by file.
pub fn read(files: &Files, config: &TrainConfig) -> Result<(Data, LeftOut)> {
    let (first, more) = files.data.split_first().context("name the data")?;
    if config.task == Task::Keypoints {
        if !more.is_empty() {
            bail!("keypoints are trained on one data set");
        }
        let (data, skipped) = keypoints::read(first, files.bad_rows)?;
        return Ok((Data::Keypoints(data), vec![(first.clone(), skipped)]));
    }
    if !config.sets.is_empty() && config.sets.len() != files.data.len() {
        let names: Vec<&str> = config.sets.iter().map(|set| set.name.as_str()).collect();
        bail!(
            "{} data sets were given for the {} of the settings; give {} in this order",
            files.data.len(),
            names.len(),
            names.join(", ")
        );
    }
    let mut left_out = Vec::new();
    let mut all = read_set(files, config, 0, &mut left_out)?;
    for set in 1..files.data.len() {
        all.append(read_set(files, config, set, &mut left_out)?);
    }
    Ok((Data::Emotion(all), left_out))
}

/// One of the sets, framed where there are several or its settings ask for it.
fn read_set(files: &Files, config: &TrainConfig, set: usize, left_out: &mut LeftOut) -> Result<EmotionData> {
    let path = &files.data[set];
    let frame = config.sets.get(set).map_or(CropRule::IDENTITY, |set| set.frame);
    if path.is_dir() {
        let (data, skipped) = folder::read(path, &config.classes, &frame, files.bad_rows)?;
        left_out.push((path.clone(), skipped));
        return Ok(data);
    }
    let votes = files.votes.as_ref().filter(|_| set == 0);
    let outside = match (votes, config.loss.outside()) {
        (Some(_), Some(_)) => Outside::Keep,
        _ => Outside::LeaveOut,
    };
    let (mut data, skipped) = {
        let reading = Reading {
            bad_rows: files.bad_rows,
            outside,
            labels: &config.labels,
        };
        emotion::read_with(path, &config.classes, reading)?
    };
    left_out.push((path.clone(), skipped));
    if let Some(votes) = votes {
        left_out.push((votes.clone(), votes::attach(&mut data, votes, files.bad_rows)?));
    }
    let as_it_is = files.data.len() == 1 && frame == CropRule::IDENTITY;
    Ok(if as_it_is { data } else { data.framed(&frame) })
}

impl Prepared {
    /// Divides the data as the configuration says.
    pub fn new(data: Data, config: &TrainConfig) -> Result<Self> {
        if let (Data::Emotion(data), Loss::CrossEntropy { votes, outside, .. }) = (&data, config.loss)
            && (votes > 0.0 || outside.is_some())
            && data.votes.is_none()
        {
            bail!(
                "training settings `loss.votes` and `loss.outside` need the taggers' votes: name their file with --votes"
            );
        }
        let whole = Samples::new(data, config, &[]);
        let split = divide(&whole, config)?;
        let sampling = Sampling::new(whole.data(), config, &split.train);
        if sampling.is_empty() {
            bail!("training setting `sets`: with these weights an epoch shows no face");
        }
        let samples = whole.with_training_part(config, &sampling.expected());
        // In the original's protocol rows are variants of faces; the faces behind them identify them.
        let faces = samples.data().faces().len() as u32;
        let held: Vec<u32> = split.test.iter().map(|row| row % faces).collect();
        let held_out = hex(&samples.data().fingerprint_of(&held));
        Ok(Self {
            data: hex(&samples.data().fingerprint()),
            held_out,
            samples,
            split,
            sampling,
        })
    }
}

impl Prepared {
    /// Data that is only measured: no row is trained on, and none held out.
    pub fn undivided(data: Data, config: &TrainConfig) -> Self {
        let samples = Samples::new(data, config, &[]);
        let split = Split {
            unused: (0..samples.data().faces().len() as u32).collect(),
            ..Split::default()
        };
        Self {
            data: hex(&samples.data().fingerprint()),
            held_out: hex(&samples.data().fingerprint_of(&[])),
            sampling: Sampling::default(),
            samples,
            split,
        }
    }

    /// Each class with its faces in the training part; empty for keypoints.
    pub fn training_classes(&self) -> Vec<(String, usize)> {
        let Data::Emotion(data) = self.samples.data() else {
            return Vec::new();
        };
        let mut counts = vec![0; data.classes.len()];
        for row in &self.split.train {
            counts[usize::from(data.labels[*row as usize % data.labels.len()])] += 1;
        }
        data.classes.iter().map(str::to_owned).zip(counts).collect()
    }

    /// Refuses a training part in which a class has no face: the network could never tell it, and its figures would
    /// look better than they are.
    pub fn check_classes(&self) -> Result<()> {
        let (there, missing): (Vec<_>, Vec<_>) = self.training_classes().into_iter().partition(|own| own.1 > 0);
        if missing.is_empty() {
            return Ok(());
        }
        let missing: Vec<String> = missing.into_iter().map(|(class, _)| class).collect();
        let there: Vec<String> = there.iter().map(|(class, count)| format!("{count} {class}")).collect();
        bail!(
            "no training face is of class {}; there are {}. Add faces, or leave the class out with \
             `classes = [...]` in a recipe; where the numbers mean other classes than those of FER2013, say so with --labels",
            missing.join(", "),
            there.join(", ")
        );
    }

    /// Classes, with their training faces, that are too few for what the loss makes of class frequencies.
    pub fn scarce_classes(&self, config: &TrainConfig) -> Vec<(String, usize)> {
        let balanced =
            matches!(config.loss, Loss::CrossEntropy { balance, adjust, .. } if balance > 0.0 || adjust > 0.0);
        let classes = self.training_classes().into_iter();
        classes
            .filter(|(_, count)| balanced && *count < LEAST_OF_A_CLASS)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::divide::tests::emotions;
    use super::*;
    use crate::config::SplitBy;
    use crate::data::Faces;

    #[test]
    fn balancing_a_class_of_a_few_faces_is_told() {
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = emotions().classes;
        let scarce = |config: &TrainConfig| {
            let prepared = Prepared::new(Data::Emotion(emotions()), config).unwrap();
            prepared.scarce_classes(config)
        };
        assert_eq!(scarce(&config), []);
        config.loss = Loss::CrossEntropy {
            smoothing: 0.0,
            balance: 0.5,
            votes: 0.0,
            outside: None,
            adjust: 0.0,
        };
        let found = scarce(&config);
        assert!(
            matches!(&found[..], [(class, count)] if class == "Sad" && *count <= 3),
            "{found:?}"
        );
    }

    #[test]
    fn a_class_without_a_training_face_is_refused_by_name() {
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = emotions().classes;
        let check = |data| Prepared::new(Data::Emotion(data), &config).unwrap().check_classes();
        assert!(check(emotions()).is_ok());
        let mut one = emotions();
        one.labels.fill(1);
        let error = check(one).unwrap_err().to_string();
        assert!(
            error.contains("no training face is of class Angry; there are 5") && error.contains("Sad"),
            "{error}"
        );
    }

    #[test]
    fn data_that_is_only_measured_needs_no_split() {
        let mut few = emotions();
        few.faces = Faces::new(1, vec![7]).unwrap();
        (few.labels, few.labelled, few.groups, few.rows) = (vec![1], vec![true], vec![0], vec![1]);
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = few.classes.clone();
        config.split.by = SplitBy::Usage;
        let prepared = Prepared::undivided(Data::Emotion(few), &config);
        assert_eq!((prepared.split.unused, prepared.split.train.len()), (vec![0], 0));
    }
}
