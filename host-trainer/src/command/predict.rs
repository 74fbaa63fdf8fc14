//! `host-trainer predict`.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use host_trainer::bundle::{Trained, mirrored_views};
use host_trainer::calibrate::UNCALIBRATED;
use host_trainer::config::TrainConfig;
use host_trainer::data::unlabelled::{Face, read};
use host_trainer::measure::Exported;
use host_trainer::model::Task;
use host_trainer::predict::{Classifier, Networks, Predictions, faces_of, kaggle, write};
use host_trainer::train::trained::is_bundle;
use inference::bundle::Bundle;
use shared_model::manifest::{Decision, Precision};

use super::data::DataOptions;
use super::words::precision;

/// Write what trained networks say about faces: a table with a line for each.
///
/// Faces come from tables with pixels (with or without labels), pictures, and folders of pictures; each must already be
/// cut out, square. `edge-runtime classify` finds faces in photographs. Coordinates are pixels of the face's own picture.
#[derive(Debug, Args)]
pub(crate) struct Predict {
    /// Tables, pictures, or folders of pictures.
    #[arg(value_name = "CSV|PICTURE|DIR", required = true)]
    files: Vec<PathBuf>,
    /// Directory of a run: its best weights.
    #[arg(
        long,
        value_name = "DIR",
        required_unless_present = "bundle",
        conflicts_with = "bundle"
    )]
    run: Option<PathBuf>,
    /// Directory of a bundle.
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// Only this one of a bundle's networks.
    #[arg(long, requires = "bundle")]
    task: Option<Task>,
    /// This one of a bundle's precisions, where the network has it; by default what a kiosk takes.
    #[arg(long, value_name = "f32|int8", value_parser = precision, requires = "bundle")]
    precision: Option<Precision>,
    /// Show the network of a run each face mirrored as well, and let the mean count; a bundle knows its own.
    #[arg(long, conflicts_with = "bundle")]
    mirrored: bool,
    /// Only the rows of this part of the data that the network was trained on, which FILES then are, in their order.
    #[arg(long, value_enum, conflicts_with = "kaggle")]
    part: Option<Part>,
    /// With --part: the votes that the network was trained with, where they decided which faces it saw.
    #[arg(long, value_name = "CSV", requires = "part")]
    votes: Option<PathBuf>,
    /// Leave out faces that cannot be read, and list them.
    #[arg(long)]
    skip_bad_rows: bool,
    /// Write the submission of Kaggle's keypoint competition for its `test.csv` instead.
    #[arg(long, value_name = "IdLookupTable.csv")]
    kaggle: Option<PathBuf>,
    /// The table to write; standard output without it.
    #[arg(long, value_name = "CSV")]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    /// Faces that nothing was chosen by.
    Test,
    /// Faces that the epoch was chosen by.
    Validation,
    /// Faces that were trained on.
    Train,
}

/// A network with what is needed to use it.
struct Loaded {
    trained: Trained,
    onnx: Vec<u8>,
    decision: Decision,
}

impl Loaded {
    fn exported(&self) -> Exported<'_> {
        Exported {
            onnx: &self.onnx,
            normalisation: self.trained.config.normalisation,
            views: self.trained.views,
        }
    }
}

impl Predict {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let loaded = self.load()?;
        let of = |task: Task| loaded.iter().find(|own| own.trained.config.task == task);
        let networks = Networks {
            keypoints: of(Task::Keypoints).map(Loaded::exported),
            emotion: of(Task::Emotion).map(|own| Classifier {
                network: own.exported(),
                classes: &own.trained.config.classes,
                decision: own.decision,
            }),
        };
        if self.kaggle.is_some() && networks.keypoints.is_none() {
            bail!("predict: --kaggle needs a keypoint network");
        }
        let faces = self.faces(&loaded)?;
        let found = Predictions::of(&networks, &faces)?;
        let mut out: Box<dyn Write> = match &self.out {
            Some(path) => Box::new(File::create(path).with_context(|| format!("write {}", path.display()))?),
            None => Box::new(io::stdout().lock()),
        };
        match &self.kaggle {
            Some(lookup) => kaggle(&mut out, lookup, &faces, &found.points)?,
            None => write(&mut out, &networks, &faces, &found)?,
        }
        tracing::info!("{} faces", faces.len());
        Ok(ExitCode::SUCCESS)
    }

    fn load(&self) -> Result<Vec<Loaded>> {
        if let Some(run) = &self.run {
            let mut trained = Trained::of_run(run)?;
            if self.mirrored {
                trained.views = mirrored_views(&trained.config)?;
            }
            let decision = UNCALIBRATED;
            let onnx = trained.onnx.clone();
            return Ok(vec![Loaded {
                trained,
                onnx,
                decision,
            }]);
        }
        let place = self.bundle.as_deref().context("predict: name a run or a bundle")?;
        if !is_bundle(place) {
            bail!("predict: {} is no bundle; a run is named with --run", place.display());
        }
        let decision = Bundle::open(place)?.manifest().decision;
        let tasks = self
            .task
            .map_or(vec![Task::Keypoints, Task::Emotion], |task| vec![task]);
        let load = |task| {
            let trained = Trained::open(place, Some(task))?;
            let onnx = match (self.precision, &trained.int8) {
                (Some(Precision::F32), _) | (_, None) => trained.onnx.clone(),
                (_, Some(int8)) => int8.clone(),
            };
            Ok::<_, anyhow::Error>(Loaded {
                trained,
                onnx,
                decision,
            })
        };
        tasks.into_iter().map(load).collect()
    }

    fn faces(&self, loaded: &[Loaded]) -> Result<Vec<Face>> {
        if let Some(part) = self.part {
            let [one] = loaded else {
                bail!("predict: say with --task which network's part is meant");
            };
            return self.of_part(part, &one.trained);
        }
        let options = self.options();
        let mut faces = Vec::new();
        for path in &self.files {
            let (own, skipped) = read(path, options.bad_rows())?;
            for doubt in &skipped.doubts {
                tracing::warn!(about = doubt.as_str(), "{}: {doubt}", path.display());
            }
            for row in &skipped.rows {
                tracing::info!("{}: left out: {row}", path.display());
            }
            faces.extend(own);
        }
        Ok(faces)
    }

    fn options(&self) -> DataOptions {
        DataOptions {
            data: self.files.clone(),
            votes: self.votes.clone(),
            skip_bad_rows: self.skip_bad_rows,
            labels: Vec::new(),
        }
    }

    fn of_part(&self, part: Part, trained: &Trained) -> Result<Vec<Face>> {
        let config: &TrainConfig = &trained.config;
        let prepared = self.options().prepare_trained(config)?;
        if [&prepared.data, &prepared.held_out] != [&trained.data, &trained.held_out] {
            bail!("predict: this is not the data that the network was trained on, so its parts are not known");
        }
        let split = &prepared.split;
        let rows = match part {
            Part::Test => &split.test,
            Part::Validation => &split.validation,
            Part::Train => &split.train,
        };
        Ok(faces_of(&prepared, rows, &self.files))
    }
}
