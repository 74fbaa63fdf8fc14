//! Options that name a data set.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use host_trainer::bundle::Trained;
use host_trainer::config::TrainConfig;
use host_trainer::data::{BadRows, Skipped};
use host_trainer::model::Task;
use host_trainer::train::prepare::{Files, LEAST_OF_A_CLASS, Prepared, read};
use host_trainer::train::pretrained::Pretrained;
use host_trainer::train::samples::Data;

/// A data set.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataOptions {
    /// Kaggle's `training.csv` for keypoints; `fer2013.csv`, the notebook's CSV or a directory with a folder
    /// of pictures for each class (`DIR/happy/anna_1.png`) for emotions. Tables may be packed (`.gz`, `.zst`, `.zip`) and
    /// have commas, semicolons or tabs. May be given several times for emotions: the sets are trained on together, as
    /// the recipe's `sets` say in the same order.
    #[arg(long, value_name = "CSV|DIR", required = true)]
    pub(super) data: Vec<PathBuf>,
    /// The taggers' votes, `fer2013new.csv`, row by row beside the first data set; used by `loss.votes`.
    #[arg(long, value_name = "CSV")]
    pub(super) votes: Option<PathBuf>,
    /// Leave out rows that cannot be read, and list them, instead of refusing the file.
    #[arg(long)]
    pub(super) skip_bad_rows: bool,
    /// What the numbers 0, 1, 2, ... in the column `emotion` mean, where they are not those of FER2013:
    /// `Angry,Disgust,Fear,Happy,Neutral,Sad,Surprise` for folders that were numbered alphabetically.
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    pub(super) labels: Vec<String>,
}

impl DataOptions {
    /// Like [`DataOptions::prepare`], for a network that is trained already: votes need not be named, unless they
    /// decided which faces it was trained on.
    pub(crate) fn prepare_trained(&self, config: &TrainConfig) -> Result<Prepared> {
        let mut config = config.clone();
        if config.loss.outside().is_none() {
            config.loss = TrainConfig::original(config.task).loss;
        }
        self.prepare(&config)
    }

    pub(super) fn bad_rows(&self) -> BadRows {
        if self.skip_bad_rows {
            BadRows::Skip
        } else {
            BadRows::Refuse
        }
    }

    /// The network of a bundle to begin with; which faces it has seen is known where its data is among these.
    pub(super) fn pretrained(&self, bundle: &Path, task: Task) -> Result<Pretrained> {
        let trained = Trained::open(bundle, Some(task))?;
        let sets = trained.config.sets.len().max(1);
        for (at, data) in self.data.windows(sets).enumerate() {
            let votes = self.votes.clone().filter(|_| at == 0);
            let mut config = trained.config.clone();
            // Votes count where they decided which faces it was trained on.
            let votes = votes.filter(|_| config.loss.outside().is_some());
            if votes.is_none() {
                config.loss = TrainConfig::original(task).loss;
            }
            let files = Files {
                data: data.to_vec(),
                votes,
                bad_rows: self.bad_rows(),
            };
            let prepared = read(&files, &config).and_then(|(data, _)| Prepared::new(data, &config));
            if let Ok(prepared) = prepared
                && [&prepared.data, &prepared.held_out] == [&trained.data, &trained.held_out]
            {
                return Pretrained::of_bundle(&trained, &prepared);
            }
        }
        Pretrained::of_bundle_alone(&trained)
    }

    /// Reads and divides the data; tells on stderr what was left out.
    pub(crate) fn prepare(&self, config: &TrainConfig) -> Result<Prepared> {
        let prepared = Prepared::new(self.read(config)?, config)?;
        for (class, faces) in prepared.scarce_classes(config) {
            tracing::warn!(
                "`loss` weighs classes by their frequency, but {faces} training faces of {class} tell little about \
                 it; it takes {LEAST_OF_A_CLASS}, or set `balance` and `adjust` to 0"
            );
        }
        let split = &prepared.split;
        tracing::info!(
            "{} rows for training{}, {} for validation, {} for the test{}",
            split.train.len(),
            match prepared.sampling.len() {
                shown if shown == split.train.len() => String::new(),
                shown => format!(" ({shown} shown in each epoch)"),
            },
            split.validation.len(),
            split.test.len(),
            match split.copies_of_test.len() {
                0 => String::new(),
                copies => format!("; {copies} are left out as copies of test faces"),
            }
        );
        let classes = prepared.training_classes().into_iter();
        let classes: Vec<String> = classes.map(|(class, faces)| format!("{class} {faces}")).collect();
        if !classes.is_empty() {
            tracing::info!("training rows by class: {}", classes.join(", "));
        }
        Ok(prepared)
    }

    /// Reads data that a trained network is only measured on: in no way divided, without votes unless they are named.
    pub(crate) fn undivided(&self, config: &TrainConfig) -> Result<Prepared> {
        let mut config = config.clone();
        if self.votes.is_none() {
            config.loss = TrainConfig::original(config.task).loss;
        }
        if config.sets.len() != self.data.len() {
            config.sets.clear();
        }
        Ok(Prepared::undivided(self.read(&config)?, &config))
    }

    /// Reads the data; tells on stderr what was left out, and what looks doubtful.
    pub(super) fn read(&self, config: &TrainConfig) -> Result<Data> {
        let files = Files {
            data: self.data.clone(),
            votes: self.votes.clone(),
            bad_rows: self.bad_rows(),
        };
        let mut config = config.clone();
        if !self.labels.is_empty() {
            config.labels.clone_from(&self.labels);
        }
        let (data, skipped) = read(&files, &config)?;
        for (path, skipped) in skipped {
            tell(&path, &skipped, &config);
        }
        Ok(data)
    }
}

fn tell(path: &Path, skipped: &Skipped, config: &TrainConfig) {
    for doubt in &skipped.doubts {
        tracing::warn!(about = doubt.as_str(), "{}: {doubt}", path.display());
    }
    for row in &skipped.rows {
        tracing::info!("{}: left out: {row}", path.display());
    }
    if skipped.outside_classes > 0 {
        let classes: Vec<&str> = config.classes.iter().collect();
        tracing::info!(
            "{}: {} rows have other labels than {}",
            path.display(),
            skipped.outside_classes,
            classes.join(", ")
        );
    }
}
