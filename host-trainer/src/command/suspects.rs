//! Options of `host-trainer evaluate` about labels that may be wrong.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use durable::replace_file;
use host_trainer::suspects::Suspect;

/// What is told about labels that the network contradicts.
#[derive(Debug, Args)]
pub(super) struct SuspectOptions {
    /// Also list the N rows whose label the network contradicts most (confident learning); for emotions. Look at them:
    /// either the label is wrong or the network.
    #[arg(long, value_name = "N")]
    suspects: Option<usize>,
    /// All such rows as a table.
    #[arg(long, value_name = "CSV", requires = "suspects")]
    out: Option<PathBuf>,
}

impl SuspectOptions {
    /// Whether anybody asks for them.
    pub(super) fn asked(&self) -> bool {
        self.suspects.is_some()
    }

    /// Tells and writes what was found, the surest first.
    pub(super) fn tell(&self, found: &[Suspect]) -> Result<()> {
        let shown = &found[..found.len().min(self.suspects.unwrap_or(0))];
        tracing::info!(
            "the network contradicts the labels of {} faces\n{}",
            found.len(),
            table(shown)
        );
        if let Some(out) = &self.out {
            let mut csv = csv::Writer::from_writer(Vec::new());
            for suspect in found {
                csv.serialize(suspect)?;
            }
            replace_file(out, &csv.into_inner().context("write the table")?)
                .with_context(|| format!("write {}", out.display()))?;
            tracing::info!("{} is ready", out.display());
        }
        Ok(())
    }
}

fn table(suspects: &[Suspect]) -> String {
    let mut text = String::new();
    if suspects.is_empty() {
        return text;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:>8}  {:<10}{:>7}  {:<10}{:>7}",
        "row", "label", "score", "network", "score"
    );
    for Suspect {
        row,
        label,
        label_score,
        class,
        score,
    } in suspects
    {
        let _ = writeln!(text, "{row:>8}  {label:<10}{label_score:>7.3}  {class:<10}{score:>7.3}");
    }
    text
}
