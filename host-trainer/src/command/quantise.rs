//! `host-trainer quantise`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use durable::replace_file;
use host_trainer::bundle::Trained;
use host_trainer::model::Task;
use host_trainer::onnx::quantise::{Observer, Settings, quantise};
use host_trainer::train::calibration::calibration;

use super::data::DataOptions;
use super::export::combined;

/// Quantise a trained network to 8-bit integers, after the training.
///
/// Writes an ONNX file in QDQ form, and what each layer costs: the signal to quantisation noise of the
/// outputs when that layer alone is quantised, to stdout as JSON and to stderr as a table.
#[derive(Debug, Args)]
pub(crate) struct Quantise {
    /// Directory of the run, or of a bundle.
    #[arg(value_name = "RUN|BUNDLE")]
    trained: PathBuf,
    /// Which network of a bundle.
    #[arg(long)]
    task: Option<Task>,
    /// An emotion network beside a keypoint network: both go into one file with one input and two outputs.
    #[arg(long, value_name = "RUN|BUNDLE")]
    with: Option<PathBuf>,
    /// The data that the network was trained on, in the same order; faces of its training part set the ranges.
    #[arg(long, value_name = "CSV|DIR", required = true)]
    calibrate: Vec<PathBuf>,
    /// The votes that the network was trained with, where they decided which faces it saw.
    #[arg(long, value_name = "CSV")]
    votes: Option<PathBuf>,
    /// Leave out rows that cannot be read, as in the training.
    #[arg(long)]
    skip_bad_rows: bool,
    /// Faces to calibrate with, at most.
    #[arg(long, value_name = "N", default_value_t = 256)]
    faces: usize,
    /// How the range of an activation is found.
    #[arg(long, value_enum, default_value_t = Observer::Mse)]
    observer: Observer,
    /// Let each layer's bias make up for what rounding its weights moves on average.
    #[arg(long)]
    bias_correction: bool,
    /// A layer that stays 32-bit float; may be given several times.
    #[arg(long, value_name = "LAYER")]
    keep_float: Vec<String>,
    /// The file to write.
    #[arg(long, value_name = "ONNX")]
    out: PathBuf,
}

impl Quantise {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let trained = Trained::open(&self.trained, self.task)?;
        let (onnx, description) = match &self.with {
            None => (trained.onnx.clone(), trained.description()),
            Some(other) => combined(&trained, &Trained::open(other, Some(Task::Emotion))?)?,
        };
        let options = DataOptions {
            data: self.calibrate.clone(),
            votes: self.votes.clone(),
            skip_bad_rows: self.skip_bad_rows,
            labels: Vec::new(),
        };
        let prepared = options.prepare_trained(&trained.config)?;
        if prepared.data != trained.data {
            bail!("quantise: what --calibrate names is not the data that the network was trained on");
        }
        let faces = calibration(&prepared, trained.config.normalisation, self.faces);
        let settings = Settings {
            observer: self.observer,
            bias_correction: self.bias_correction,
            keep_float: self.keep_float.iter().cloned().collect(),
        };
        let quantised = quantise(&onnx, &description, &settings, &faces, &mut |step| {
            tracing::info!("{step}");
        })?;
        replace_file(&self.out, &quantised.onnx).with_context(|| format!("write {}", self.out.display()))?;
        tracing::info!("{:24} {:>10}", "layer", "SQNR dB");
        for layer in &quantised.layers {
            tracing::info!("{:24} {:>10.1}", layer.name, layer.sqnr_db);
        }
        super::write_json(&serde_json::to_string(&quantised.layers)?)?;
        tracing::info!(
            "{}: {} bytes, 32-bit {} bytes",
            self.out.display(),
            quantised.onnx.len(),
            onnx.len()
        );
        Ok(ExitCode::SUCCESS)
    }
}
