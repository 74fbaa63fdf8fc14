//! `host-trainer quantise detector`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use durable::replace_file;
use host_trainer::detector::checkpoint::Checkpoint;
use host_trainer::detector::data::{Part, Set};
use host_trainer::detector::quantise::quantise;
use host_trainer::onnx::quantise::{Observer, Settings};

use super::Pictures;
use crate::command::write_line;

/// Quantise a trained detector to 8-bit integers, after the training.
///
/// Samples of the pictures that it was trained on set the ranges. Writes an ONNX file in QDQ form, and what each layer
/// costs: the signal to quantisation noise of the outputs when that layer alone is quantised, to stdout as JSON and to
/// stderr as a table.
#[derive(Debug, Args)]
pub(crate) struct QuantiseDetector {
    #[command(flatten)]
    pictures: Pictures,
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Samples to calibrate with.
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=4096))]
    samples: u32,
    /// How the range of an activation is found.
    #[arg(long, value_enum, default_value_t = Observer::Mse)]
    observer: Observer,
    /// Let each layer's bias make up for what rounding its weights moves on average.
    #[arg(long)]
    bias_correction: bool,
    /// The file to write.
    #[arg(long, value_name = "ONNX")]
    out: PathBuf,
}

impl QuantiseDetector {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let checkpoint = Checkpoint::load(&self.run)?;
        let set = Set::read(&self.pictures.data, &self.pictures.faces, Part::Training)?;
        let settings = Settings {
            observer: self.observer,
            bias_correction: self.bias_correction,
            // A file with floats in it would run in floats as a whole.
            keep_float: std::collections::BTreeSet::new(),
        };
        let samples = self.samples as usize;
        let quantised = quantise(&checkpoint, &set, &settings, samples, &mut |step| {
            tracing::info!("{step}");
        })?;
        replace_file(&self.out, &quantised.onnx).with_context(|| format!("write {}", self.out.display()))?;
        tracing::info!("{:24} {:>10}", "layer", "SQNR dB");
        for layer in &quantised.layers {
            tracing::info!(about = layer.name, "{:24} {:>10.1}", layer.name, layer.sqnr_db);
        }
        write_line(&serde_json::to_string(&quantised.layers)?)?;
        tracing::info!("{}: {} bytes", self.out.display(), quantised.onnx.len());
        Ok(ExitCode::SUCCESS)
    }
}
