//! `host-trainer export`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use durable::replace_file;
use host_trainer::bundle::Trained;
use host_trainer::model::Task;
use host_trainer::onnx::{Description, merge};

/// Write a trained network as an ONNX file.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Directory of the run.
    run: PathBuf,
    /// A keypoint run's second, emotion run: both go into one file with one input and two outputs.
    #[arg(long, value_name = "RUN")]
    with: Option<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "ONNX")]
    out: PathBuf,
}

impl Export {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let trained = Trained::of_run(&self.run)?;
        let onnx = match &self.with {
            None => trained.onnx,
            Some(other) => combined(&trained, &Trained::of_run(other)?)?.0,
        };
        replace_file(&self.out, &onnx).with_context(|| format!("write {}", self.out.display()))?;
        tracing::info!(
            "{}: {} bytes, weights of epoch {}",
            self.out.display(),
            onnx.len(),
            trained.epoch
        );
        Ok(ExitCode::SUCCESS)
    }
}

/// A keypoint and an emotion network in one file.
pub(super) fn combined(keypoints: &Trained, emotion: &Trained) -> Result<(Vec<u8>, Description)> {
    if [keypoints, emotion].map(|trained| trained.config.task) != [Task::Keypoints, Task::Emotion] {
        bail!("combine: a keypoint network comes first, an emotion network with --with");
    }
    if keypoints.config.normalisation != emotion.config.normalisation {
        bail!("combine: the two networks normalise their input differently and cannot share it");
    }
    let description = emotion.description();
    Ok((merge(&keypoints.onnx, &emotion.onnx, &description)?, description))
}
