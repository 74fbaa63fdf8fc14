//! `host-trainer data`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use durable::replace_file;
use host_trainer::config::TrainConfig;
use host_trainer::data::votes;
use host_trainer::model::Task;
use host_trainer::report::Survey;
use host_trainer::train::samples::Data;
use shared_model::emotion::ClassSet;

use super::data::DataOptions;

/// Look at a data set before anything is trained on it.
///
/// Counts, quartiles of every coordinate, classes, votes beside labels, exact copies and their conflicts, missing points,
/// and what guessing would come to; with --out also 64 faces, on one page of HTML that needs nothing but itself.
#[derive(Debug, Args)]
pub(crate) struct LookAtData {
    /// What the data is for.
    task: Task,
    #[command(flatten)]
    data: DataOptions,
    /// The classes, where they are not the product's five.
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    classes: Vec<String>,
    /// Show the same faces as this recipe varies them, together and with each variation alone.
    #[arg(long, value_name = "TOML", requires = "out")]
    augment: Option<PathBuf>,
    /// The page to write.
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
}

impl LookAtData {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut config = TrainConfig::original(self.task);
        let recipe = self
            .augment
            .as_deref()
            .map(|path| config.with_recipe(path))
            .transpose()?;
        if let Some(recipe) = &recipe {
            config.classes.clone_from(&recipe.classes);
        }
        if !self.classes.is_empty() {
            let names: Vec<&str> = self.classes.iter().map(String::as_str).collect();
            config.classes = ClassSet::new(&names).context("--classes")?;
        }
        let data = self.data.read(&config)?;
        let shares = match (&data, &self.data.votes) {
            (Data::Emotion(own), Some(path)) => Some(votes::read(own, path, self.data.bad_rows())?.0),
            _ => None,
        };
        let shares: Option<Vec<_>> = shares.map(|votes| {
            let shares = votes.into_iter().map(|votes| votes.and_then(|votes| votes.shares()));
            shares.collect()
        });
        let survey = Survey::of(&data, shares.as_deref(), recipe.as_ref().map(|recipe| &recipe.augment))?;
        super::write_line(survey.text().trim_end())?;
        if let Some(out) = &self.out {
            replace_file(out, survey.html().as_bytes()).with_context(|| format!("write {}", out.display()))?;
            tracing::info!("{} is ready; it shows real faces of the data set", out.display());
        }
        Ok(ExitCode::SUCCESS)
    }
}
