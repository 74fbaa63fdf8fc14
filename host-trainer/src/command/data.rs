//! Options that name a data set.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use host_trainer::config::TrainConfig;
use host_trainer::data::BadRows;
use host_trainer::train::prepare::{Files, Prepared, read};

/// A data set.
#[derive(Debug, Args)]
pub(crate) struct DataOptions {
    /// Kaggle's `training.csv` for keypoints; `fer2013.csv` or the notebook's CSV for emotions.
    #[arg(long, value_name = "CSV")]
    pub(super) data: PathBuf,
    /// The taggers' votes, `fer2013new.csv`, row by row beside the data; used by `loss.votes`.
    #[arg(long, value_name = "CSV")]
    pub(super) votes: Option<PathBuf>,
    /// Leave out rows that cannot be read, and list them, instead of refusing the file.
    #[arg(long)]
    pub(super) skip_bad_rows: bool,
}

impl DataOptions {
    /// Like [`DataOptions::prepare`], for a network that is trained already: votes that its loss asked for need not
    /// be named.
    pub(crate) fn prepare_trained(&self, config: &TrainConfig) -> Result<Prepared> {
        let mut config = config.clone();
        config.loss = TrainConfig::original(config.task).loss;
        self.prepare(&config)
    }

    /// Reads and divides the data; tells on stderr what was left out.
    pub(crate) fn prepare(&self, config: &TrainConfig) -> Result<Prepared> {
        let files = Files {
            data: self.data.clone(),
            votes: self.votes.clone(),
            bad_rows: if self.skip_bad_rows {
                BadRows::Skip
            } else {
                BadRows::Refuse
            },
        };
        let (data, skipped) = read(&files, config)?;
        for (path, skipped) in skipped {
            for row in &skipped.rows {
                eprintln!("{}: left out: {row}", path.display());
            }
            if skipped.outside_classes > 0 {
                let classes: Vec<&str> = config.classes.iter().collect();
                eprintln!(
                    "{}: {} rows have other labels than {}",
                    path.display(),
                    skipped.outside_classes,
                    classes.join(", ")
                );
            }
        }
        let prepared = Prepared::new(data, config)?;
        let split = &prepared.split;
        eprintln!(
            "{} rows for training, {} for validation, {} for the test{}",
            split.train.len(),
            split.validation.len(),
            split.test.len(),
            match split.copies_of_test.len() {
                0 => String::new(),
                copies => format!("; {copies} are left out as copies of test faces"),
            }
        );
        Ok(prepared)
    }
}
