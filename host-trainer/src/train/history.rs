//! What each epoch came to, as a CSV file.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Context, Result};
use durable::replace_file;
use serde::{Deserialize, Serialize};

/// What one epoch came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// Mean training loss, with varied faces, dropout and smoothed targets.
    pub loss: f64,
    /// Training accuracy of an emotion network, or root mean squared error of a keypoint network in px: over the epoch's
    /// steps, each with the weights that it began with, on varied faces with dropout. `None` in runs of older versions.
    #[serde(default)]
    pub metric: Option<f64>,
    /// Validation loss, on faces as they are.
    pub validation_loss: f64,
    /// Validation accuracy of an emotion network, or root mean squared error of a keypoint network in px.
    pub validation_metric: f64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Wall time in seconds, validation included.
    pub seconds: f64,
}

/// Writes `history.csv`.
pub(crate) fn write(path: &Path, records: &[EpochRecord]) -> Result<()> {
    let mut text = String::from("epoch,loss,metric,validation_loss,validation_metric,learning_rate,seconds\n");
    for r in records {
        writeln!(
            text,
            "{},{:.6},{},{:.6},{:.6},{:.3e},{:.1}",
            r.epoch,
            r.loss,
            r.metric.map_or_else(String::new, |metric| format!("{metric:.6}")),
            r.validation_loss,
            r.validation_metric,
            r.learning_rate,
            r.seconds
        )?;
    }
    replace_file(path, text.as_bytes()).with_context(|| format!("write {}", path.display()))
}
