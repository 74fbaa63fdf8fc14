//! `host-trainer report`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use host_trainer::data::votes;
use host_trainer::report::{Provenance, Source, write};
use host_trainer::train::provenance;
use host_trainer::train::samples::Data;
use host_trainer::train::shipped::Shipped;

use super::commit::commit;
use super::data::DataOptions;
use super::words;

/// Write a page about a trained network: curves, figures, faces, data, settings.
///
/// One HTML file that needs nothing but itself, and the same pictures as files beside it. It shows real
/// faces of the data set.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// Directory of the run.
    run: PathBuf,
    #[command(flatten)]
    data: DataOptions,
    /// Where the report goes; an older one is written over.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Report {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let shipped = Shipped::of_run(&self.run)?;
        let prepared = self.data.prepare_trained(&shipped.state.config)?;
        let votes = match (prepared.samples.data(), &self.data.votes) {
            (Data::Emotion(data), Some(path)) => Some(match &data.votes {
                Some(votes) => votes.clone(),
                None => votes::read(data, path, self.data.bad_rows())?.0,
            }),
            _ => None,
        };
        let shares = votes.map(|votes| {
            votes
                .iter()
                .map(|votes| votes.and_then(|votes| votes.shares()))
                .collect::<Vec<_>>()
        });
        let task = shipped.state.config.task.to_possible_value();
        let provenance = Provenance {
            begun: provenance::Provenance::of_run(&self.run)?,
            again: self.training(task.as_ref().map_or("", |task| task.get_name())),
            report: words::own(),
            commit: commit(),
        };
        write(
            &self.out,
            &Source {
                shipped: &shipped,
                prepared: &prepared,
                votes: shares.as_deref(),
            },
            &provenance,
        )?;
        tracing::info!(
            "{} is ready; it shows real faces of the data set",
            self.out.join("report.html").display()
        );
        Ok(ExitCode::SUCCESS)
    }

    /// The command that trains with the very settings of the run.
    fn training(&self, task: &str) -> String {
        let path = |path: &Path| path.display().to_string();
        let mut words: Vec<String> = ["host-trainer", "train", task].map(str::to_owned).to_vec();
        for data in &self.data.data {
            words.extend(["--data".to_owned(), path(data)]);
        }
        if let Some(votes) = &self.data.votes {
            words.extend(["--votes".to_owned(), path(votes)]);
        }
        if self.data.skip_bad_rows {
            words.push("--skip-bad-rows".to_owned());
        }
        words.extend(["--recipe".to_owned(), path(&self.run.join("config.toml"))]);
        words.extend(["--out".to_owned(), path(&self.run.with_extension("again"))]);
        words::shell(words)
    }
}
