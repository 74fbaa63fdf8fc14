//! Going on with a training: what it may differ in, and where its settings lie.

use std::path::Path;

use anyhow::{Context, Result, bail};
use durable::replace_file;

use super::checkpoint::{self, Checkpoint};
use super::{Job, checkpoints};
use crate::config::{Difference, TrainConfig};

/// The settings, in a run's directory; it is there from the beginning of the run.
const SETTINGS: &str = "config.toml";

/// A checkpoint to go on from, which must be of this data and these settings; more epochs are no other setting where
/// the schedule does not know its end.
pub(super) fn go_on(mut found: Checkpoint, job: &Job<'_>) -> Result<Checkpoint> {
    let state = &found.state;
    if state.data != job.prepared.data || state.held_out != job.prepared.held_out {
        let (then, now) = (state.train_rows as usize, job.prepared.split.train.len());
        let what = if then == now {
            format!("as many faces ({now} for training), but other pixels, labels or another order")
        } else {
            format!("{now} faces for training instead of {then}")
        };
        bail!("the data differs from what the training began with: {what}; give the same files in the same order");
    }
    let mut differences = state.config.differences(&job.config);
    if !state.config.schedule.knows_its_end() {
        differences.retain(|own| own.key != "epochs");
    }
    if !differences.is_empty() {
        bail!("{}", told(&differences));
    }
    if state.config.epochs != job.config.epochs {
        found.state.config.epochs = job.config.epochs;
        write_settings(job)?;
    }
    Ok(found)
}

/// Settings that differ from those of a run, with what can be done.
pub fn told(differences: &[Difference]) -> String {
    let each: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let end = if differences.iter().any(|own| own.key == "epochs") {
        " This schedule is laid out for its number of epochs, which cannot change later."
    } else {
        ""
    };
    format!(
        "the settings differ: {}.{end} Leave the options out to go on as the run began, or name another directory with \
         --out",
        each.join("; ")
    )
}

/// Notes the settings in the run's directory.
pub(super) fn write_settings(job: &Job<'_>) -> Result<()> {
    let (path, text) = (job.run.join(SETTINGS), toml::to_string(&job.config)?);
    replace_file(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))
}

/// The settings of a run; `None` where none has begun.
pub fn settings_of_run(run: &Path) -> Result<Option<TrainConfig>> {
    let path = run.join(SETTINGS);
    if !path.exists() {
        return Ok(None);
    }
    let text = crate::files::read_text(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(Some(
        toml::from_str(&text).with_context(|| format!("read {}", path.display()))?,
    ))
}

/// Whether a run has a checkpoint to go on from.
pub fn has_checkpoint(run: &Path) -> Result<bool> {
    Ok(checkpoint::newest(&checkpoints(run), &mut Vec::new())?.is_some())
}
