//! `host-trainer compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use durable::replace_file;
use host_trainer::compare::{Run, Test, same_data, test};
use host_trainer::report::Comparison;

use super::data::DataOptions;

/// Compare runs: settings that differ, curves, figures, and a test on the same faces.
///
/// With --data, each run but the first is tested against the first on the faces held out: emotion networks by McNemar's
/// exact test, keypoint networks by a paired bootstrap of their mean errors. Tables go to stderr, and to stdout as JSON
/// where that is no terminal.
#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Directories of runs of one task.
    #[arg(required = true, num_args = 2.., value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// The data that all of them were trained on, named as `train` had it.
    #[arg(long, value_name = "CSV|DIR")]
    data: Vec<PathBuf>,
    /// The taggers' votes, where they decided which faces were trained on.
    #[arg(long, value_name = "CSV", requires = "data")]
    votes: Option<PathBuf>,
    /// Leave out rows that cannot be read, as the trainings did.
    #[arg(long, requires = "data")]
    skip_bad_rows: bool,
    /// The page to write: curves of all runs, and the tables.
    #[arg(long, value_name = "HTML")]
    out: Option<PathBuf>,
}

impl Compare {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let runs = self.runs.iter().map(|dir| Run::open(dir));
        let runs = runs.collect::<Result<Vec<_>>>()?;
        // Refuses runs of different tasks before anything is measured.
        Comparison::of(&runs, None)?;
        let comparison = Comparison::of(&runs, self.test(&runs)?)?;
        tracing::info!("{} runs\n{}", runs.len(), comparison.text());
        if let Some(out) = &self.out {
            replace_file(out, comparison.html()?.as_bytes()).with_context(|| format!("write {}", out.display()))?;
            tracing::info!("{} is ready", out.display());
        }
        super::write_json(&comparison.json().to_string())?;
        Ok(ExitCode::SUCCESS)
    }

    /// Figures on the faces held out, where the data was named and is that of all runs.
    fn test(&self, runs: &[Run]) -> Result<Option<Test>> {
        let Some(first) = runs.first().filter(|_| !self.data.is_empty()) else {
            return Ok(None);
        };
        if !same_data(runs) {
            tracing::warn!(
                "these runs were trained on different data, or hold other faces out, so they are not measured: figures of \
                 different faces cannot be compared"
            );
            return Ok(None);
        }
        let options = DataOptions {
            data: self.data.clone(),
            votes: self.votes.clone(),
            skip_bad_rows: self.skip_bad_rows,
            labels: Vec::new(),
        };
        let prepared = options.prepare_trained(&first.shipped.state.config)?;
        test(runs, &prepared).map(Some)
    }
}
