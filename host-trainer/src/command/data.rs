//! Options that name a data set.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use host_trainer::bundle::Trained;
use host_trainer::config::TrainConfig;
use host_trainer::data::BadRows;
use host_trainer::model::Task;
use host_trainer::train::prepare::{Files, LEAST_OF_A_CLASS, Prepared, read};
use host_trainer::train::pretrained::Pretrained;

/// A data set.
#[derive(Debug, Args)]
pub(crate) struct DataOptions {
    /// Kaggle's `training.csv` for keypoints; `fer2013.csv`, the notebook's CSV or a directory with a folder
    /// of pictures for each class (`DIR/happy/anna_1.png`) for emotions. May be given several times for
    /// emotions: the sets are trained on together, as the recipe's `sets` say in the same order.
    #[arg(long, value_name = "CSV|DIR", required = true)]
    pub(super) data: Vec<PathBuf>,
    /// The taggers' votes, `fer2013new.csv`, row by row beside the first data set; used by `loss.votes`.
    #[arg(long, value_name = "CSV")]
    pub(super) votes: Option<PathBuf>,
    /// Leave out rows that cannot be read, and list them, instead of refusing the file.
    #[arg(long)]
    pub(super) skip_bad_rows: bool,
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

    /// The network of a bundle to begin with: its data must be among these.
    pub(super) fn pretrained(&self, bundle: &Path, task: Task) -> Result<Pretrained> {
        let trained = Trained::open(bundle, Some(task))?;
        let mut config = trained.config.clone();
        config.loss = TrainConfig::original(task).loss;
        for path in self.data.iter().filter(|path| path.is_file()) {
            let files = Files {
                data: vec![path.clone()],
                votes: None,
                bad_rows: self.bad_rows(),
            };
            let prepared = read(&files, &config).and_then(|(data, _)| Prepared::new(data, &config));
            if let Ok(prepared) = prepared
                && [&prepared.data, &prepared.held_out] == [&trained.data, &trained.held_out]
            {
                return Pretrained::of_bundle(&trained, &prepared);
            }
        }
        bail!(
            "{}: which faces its network has seen is only known beside the data that it was trained on; give that data,              too",
            bundle.display()
        )
    }

    /// Reads and divides the data; tells on stderr what was left out.
    pub(crate) fn prepare(&self, config: &TrainConfig) -> Result<Prepared> {
        let files = Files {
            data: self.data.clone(),
            votes: self.votes.clone(),
            bad_rows: self.bad_rows(),
        };
        let (data, skipped) = read(&files, config)?;
        for (path, skipped) in skipped {
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
        let prepared = Prepared::new(data, config)?;
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
        Ok(prepared)
    }
}
