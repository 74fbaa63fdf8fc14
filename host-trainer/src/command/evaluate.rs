//! `host-trainer evaluate`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use edge_runtime::bundle::Bundle;
use host_trainer::config::{SplitConfig, TrainConfig};
use host_trainer::measure::{Judged, keypoints};
use host_trainer::model::Task;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::samples::Data;
use host_trainer::train::shipped::Shipped;
use shared_model::image::Normalisation;

use super::data::DataOptions;

/// Measure a trained network on the faces held out.
///
/// The network runs as it does on the device: exported, by the runtime's code. Figures go to stdout
/// as JSON and to stderr as a table.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    network: Network,
    /// Measure this ONNX file, exported or quantised from the run, instead of its weights.
    #[arg(long, value_name = "ONNX", requires = "run")]
    onnx: Option<PathBuf>,
    /// Which of a bundle's networks; a run knows its own.
    #[arg(long, required_unless_present = "run")]
    task: Option<Task>,
    #[command(flatten)]
    data: DataOptions,
    /// Which faces. Figures of faces that were trained on say nothing about others.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Network {
    /// Directory of a run: its best weights.
    #[arg(long, value_name = "DIR")]
    run: Option<PathBuf>,
    /// Directory of a bundle.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Faces that nothing was chosen by.
    Test,
    /// Faces that the epoch was chosen by.
    Validation,
    /// Faces that were trained on.
    Train,
    /// All faces of a file that was neither trained on nor chosen by.
    Other,
}

/// What is measured.
struct Subject {
    onnx: Vec<u8>,
    normalisation: Normalisation,
    temperature: f32,
    config: TrainConfig,
    /// SHA-256 of data and held out rows, in hexadecimal.
    fingerprints: [String; 2],
}

impl Evaluate {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let mut subject = match (&self.network.run, &self.network.bundle, self.task) {
            (Some(run), _, _) => of_run(&Shipped::of_run(run)?)?,
            (None, Some(bundle), Some(task)) => of_bundle(&Bundle::open(bundle)?, task)?,
            _ => bail!("evaluate: name a run, or a bundle and a task"),
        };
        if let Some(path) = &self.onnx {
            subject.onnx = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        }
        let prepared = self.data.prepare(&subject.config)?;
        let rows = self.rows(&prepared, &subject)?;
        let (json, table) = measure(&subject, &prepared, &rows)?;
        eprintln!("{} faces\n{table}", rows.len());
        println!("{json}");
        Ok(ExitCode::SUCCESS)
    }

    fn rows(&self, prepared: &Prepared, subject: &Subject) -> Result<Vec<u32>> {
        let known = [&prepared.data, &prepared.held_out] == [&subject.fingerprints[0], &subject.fingerprints[1]];
        if self.part == Part::Other {
            if known {
                bail!("evaluate: this is the data that was trained on; --part other is for another file");
            }
            return Ok((0..prepared.samples.data().faces().len() as u32).collect());
        }
        if !known {
            bail!("evaluate: this is not the data that was trained on, so its parts are not known; use --part other");
        }
        let faces = prepared.samples.data().faces().len();
        let part = match self.part {
            Part::Test => &prepared.split.test,
            Part::Validation => &prepared.split.validation,
            _ => &prepared.split.train,
        };
        if part.iter().any(|row| *row as usize >= faces) {
            bail!("evaluate: this run was divided into variants of faces; its figures are those of its history.csv");
        }
        Ok(part.clone())
    }
}

fn of_run(shipped: &Shipped) -> Result<Subject> {
    Ok(Subject {
        onnx: shipped.onnx()?,
        normalisation: shipped.state.config.normalisation,
        temperature: 1.0,
        config: shipped.state.config.clone(),
        fingerprints: [shipped.state.data.clone(), shipped.state.held_out.clone()],
    })
}

fn of_bundle(bundle: &Bundle, task: Task) -> Result<Subject> {
    let manifest = bundle.manifest();
    let network = match task {
        Task::Keypoints => &manifest.keypoints,
        Task::Emotion => &manifest.emotion,
    };
    let file = network
        .files
        .first()
        .context("evaluate: the bundle has no file for this network")?;
    let training = &network.training;
    let mut config = TrainConfig::original(task);
    config.classes = manifest.classes.clone();
    config.seed = training.seed;
    config.split =
        SplitConfig::from_manifest(&training.split).context("evaluate: the bundle was divided in an unknown way")?;
    Ok(Subject {
        onnx: bundle.read(file)?,
        normalisation: network.normalisation,
        temperature: manifest.decision.temperature,
        config,
        fingerprints: [&training.data, &training.held_out].map(|hash| hash.as_str().to_owned()),
    })
}

fn measure(subject: &Subject, prepared: &Prepared, rows: &[u32]) -> Result<(String, String)> {
    match prepared.samples.data() {
        Data::Keypoints(data) => {
            let metrics = keypoints(&subject.onnx, subject.normalisation, data, rows)?;
            Ok((serde_json::to_string(&metrics)?, metrics.table()))
        }
        Data::Emotion(data) => {
            let metrics =
                Judged::new(&subject.onnx, subject.normalisation, data, rows)?.metrics(data, subject.temperature)?;
            Ok((serde_json::to_string(&metrics)?, metrics.table()))
        }
    }
}
