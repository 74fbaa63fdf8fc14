//! `host-trainer evaluate`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use host_trainer::bundle::{Trained, mirrored_views};
use host_trainer::calibrate::UNCALIBRATED;
use host_trainer::config::{SplitConfig, TrainConfig};
use host_trainer::data::DataError;
use host_trainer::measure::{Exported, Judged, Truth, keypoints};
use host_trainer::model::Task;
use host_trainer::panel::panels;
use host_trainer::portraits::{PortraitFigures, Portraits, people};
use host_trainer::suspects::{Suspect, suspects};
use host_trainer::tables;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::samples::Data;
use host_trainer::train::seen::SeenFaces;
use host_trainer::train::shipped::Shipped;
use inference::bundle::Bundle;
use inference::{Output, Setup, Views};
use serde_json::Value;
use shared_model::image::{CropRule, Normalisation};
use shared_model::manifest::{Decision, Network as Entry, Precision};

use super::data::DataOptions;
use super::suspects::SuspectOptions;

mod variants;

/// Measure a trained network on the faces held out.
///
/// The network runs as it does on the device: exported, by the runtime's code. Figures go to stderr as a table, and to
/// stdout as JSON where that is no terminal, a line for each precision that a bundle holds.
#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    #[command(flatten)]
    network: Network,
    /// Measure this ONNX file, exported or quantised from the run or bundle, instead of theirs.
    #[arg(long, value_name = "ONNX")]
    onnx: Option<PathBuf>,
    /// Show the network each face mirrored as well, and let the mean count; a bundle knows its own.
    #[arg(long, conflicts_with = "bundle")]
    mirrored: bool,
    /// Only this one of a bundle's precisions.
    #[arg(long, value_name = "f32|int8", value_parser = super::words::precision, conflicts_with_all = ["run", "onnx"])]
    precision: Option<Precision>,
    /// Which of a bundle's networks; a run knows its own.
    #[arg(long, required_unless_present = "run")]
    task: Option<Task>,
    #[command(flatten)]
    data: DataOptions,
    /// Portraits as a camera takes them, in a folder for each class (`DIR/neutral/042.jpg`): what is told about them,
    /// the face found by the runtime; needs a bundle, which knows the crop.
    #[arg(long, value_name = "DIR", requires = "bundle")]
    portraits: Option<PathBuf>,
    /// What is known of the people on them, for figures by group: a CSV with a column `id`, the file's name.
    #[arg(long, value_name = "CSV", requires = "portraits")]
    people: Option<PathBuf>,
    /// Which faces. Figures of faces that were trained on say nothing about others.
    #[arg(long, value_enum, default_value_t = Part::Test)]
    part: Part,
    #[command(flatten)]
    suspects: SuspectOptions,
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
    /// All faces of a file of your own; refused where one was trained on or chosen by.
    Other,
    /// The faces of any file that were neither trained on nor chosen by.
    Unseen,
    /// All faces of a file, those that were trained on included.
    All,
}

/// What is measured.
struct Subject {
    /// Files with their precision, where it is known.
    files: Vec<(Option<Precision>, Vec<u8>)>,
    normalisation: Normalisation,
    views: Views,
    decision: Decision,
    /// Where the crop lies; of a bundle.
    crop: Option<CropRule>,
    config: TrainConfig,
    /// SHA-256 of data and held out rows, in hexadecimal.
    fingerprints: [String; 2],
}

/// What there is to tell about one file.
#[derive(Default)]
struct Told {
    json: Value,
    table: String,
    /// Of an emotion network: rows whose label it contradicts, the surest first.
    suspects: Vec<Suspect>,
}

impl Evaluate {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let subject = match (&self.network.run, &self.network.bundle, self.task) {
            (Some(run), _, task) => {
                let shipped = Shipped::of_run(run)?;
                let own = shipped.state.config.task;
                if task.is_some_and(|task| task != own) {
                    bail!("evaluate: {} was trained for {own:?}; leave --task out", run.display());
                }
                self.of_run(&shipped)?
            }
            (None, Some(bundle), Some(task)) => self.of_bundle(&Bundle::open(bundle)?, task)?,
            _ => bail!("evaluate: name a run, or a bundle and a task"),
        };
        let (prepared, rows) = match self.part {
            Part::Other | Part::Unseen | Part::All => self.of_any_file(&subject)?,
            Part::Test | Part::Validation | Part::Train => self.of_a_part(&subject)?,
        };
        if self.network.run.is_some() && subject.config.task == Task::Emotion {
            tracing::info!("scores are those of the training (temperature 1); `bundle` calibrates them");
        }
        if self.suspects.asked() && subject.config.task == Task::Keypoints {
            bail!("evaluate: --suspects is for labels of emotions");
        }
        let names = self.names(&subject, prepared.data == subject.fingerprints[0]);
        for (at, (precision, onnx)) in subject.files.iter().enumerate() {
            let Told {
                mut json,
                mut table,
                suspects,
            } = subject.measure(onnx, &prepared, &rows, &names)?;
            if let Some(dir) = &self.portraits {
                let figures = subject.portraits(onnx, dir, self.people.as_deref())?;
                table += &tables::portraits(&figures);
                json["portraits"] = serde_json::to_value(&figures)?;
            }
            if let Some(precision) = precision {
                json["precision"] = precision.name().into();
                tracing::info!("{} faces, {precision}\n{table}", rows.len());
            } else {
                tracing::info!("{} faces\n{table}", rows.len());
            }
            super::write_json(&json.to_string())?;
            // The precisions of one network hardly differ in this.
            if self.suspects.asked() && at == 0 {
                self.suspects.tell(&suspects)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Names of the data sets: those of the settings for the training's own data, of their files for other data.
    fn names(&self, subject: &Subject, own: bool) -> Vec<String> {
        if own {
            return subject.config.sets.iter().map(|set| set.name.clone()).collect();
        }
        let files = self.data.data.iter().filter_map(|path| path.file_stem());
        files.map(|name| name.to_string_lossy().into_owned()).collect()
    }

    /// Rows of a file that need not be divided.
    fn of_any_file(&self, subject: &Subject) -> Result<(Prepared, Vec<u32>)> {
        let prepared = self.data.undivided(&subject.config)?;
        let trained_on = prepared.data == subject.fingerprints[0];
        let all: Vec<u32> = (0..prepared.samples.data().faces().len() as u32).collect();
        let seen = match (self.part, self.network.run.as_deref()) {
            (Part::All, _) => return Ok((prepared, all)),
            (Part::Other, _) if trained_on => {
                bail!(
                    "evaluate: this is the data that was trained on; --part other is for another file, --part test for \
                     the faces held out"
                );
            }
            (_, Some(run)) => SeenFaces::of_run(run)?,
            (_, None) => None,
        };
        match seen {
            Some(seen) => {
                let seen = seen.among(prepared.samples.data().faces());
                self.refuse_seen(&prepared, &seen)?;
                if !seen.is_empty() {
                    tracing::info!("{} faces were trained on or chosen by, and are left out", seen.len());
                }
                let unseen: Vec<u32> = all.into_iter().filter(|row| seen.binary_search(row).is_err()).collect();
                if unseen.is_empty() {
                    bail!("evaluate: all faces were trained on or chosen by, so none is left to measure on");
                }
                Ok((prepared, unseen))
            }
            None if trained_on => self.of_a_part(subject),
            None => {
                tracing::info!(
                    "what was trained on is known by its fingerprint alone: single faces of it are not looked for"
                );
                Ok((prepared, all))
            }
        }
    }

    /// Rows of one part of the data that was trained on.
    fn of_a_part(&self, subject: &Subject) -> Result<(Prepared, Vec<u32>)> {
        const OTHER_DATA: &str = "evaluate: this is not the data that was trained on, so its parts are not known; use \
             --part other for a file of your own, or --part unseen for whatever of it was not seen";
        let prepared = match self.data.prepare_trained(&subject.config) {
            // Read it was, but it cannot be divided as the training's data was.
            Err(error) if !error.chain().any(<dyn std::error::Error + 'static>::is::<DataError>) => {
                return Err(error.context(OTHER_DATA));
            }
            prepared => prepared?,
        };
        if [&prepared.data, &prepared.held_out] != [&subject.fingerprints[0], &subject.fingerprints[1]] {
            bail!("{OTHER_DATA}");
        }
        let split = &prepared.split;
        let rows = match self.part {
            Part::Validation => split.validation.clone(),
            Part::Train => split.train.clone(),
            _ => split.test.clone(),
        };
        Ok((prepared, rows))
    }

    /// Refuses a file with faces that the run has seen, if none may be.
    fn refuse_seen(&self, prepared: &Prepared, seen: &[u32]) -> Result<()> {
        let data = prepared.samples.data();
        match data.file_rows(seen).first() {
            Some(first) if self.part == Part::Other => bail!(
                "evaluate: {} of {} faces were trained on or chosen by, the first in row {first}; leave them out with \
                 --part unseen, or measure on all with --part all",
                seen.len(),
                data.faces().len()
            ),
            _ => Ok(()),
        }
    }

    fn of_run(&self, shipped: &Shipped) -> Result<Subject> {
        let file = match self.given()? {
            Some(onnx) => (None, onnx),
            None => (Some(Precision::F32), shipped.onnx()?),
        };
        Ok(Subject {
            files: vec![file],
            normalisation: shipped.state.config.normalisation,
            views: if self.mirrored {
                mirrored_views(&shipped.state.config)?
            } else {
                Views::Plain
            },
            decision: UNCALIBRATED,
            crop: None,
            config: shipped.state.config.clone(),
            fingerprints: [shipped.state.data.clone(), shipped.state.held_out.clone()],
        })
    }

    fn of_bundle(&self, bundle: &Bundle, task: Task) -> Result<Subject> {
        let manifest = bundle.manifest();
        let (network, output) = match task {
            Task::Keypoints => (&manifest.keypoints, Output::Keypoints),
            Task::Emotion => {
                let classes = manifest.classes.len();
                (&manifest.emotion, Output::Emotion { classes })
            }
        };
        let training = &network.training;
        let config = settings(bundle, task)?;
        let setup = Setup::of(network, output);
        Ok(Subject {
            files: self.files(bundle, network)?,
            normalisation: setup.normalisation,
            views: setup.views,
            decision: manifest.decision,
            crop: Some(network.crop),
            config,
            fingerprints: [&training.data, &training.held_out].map(|hash| hash.as_str().to_owned()),
        })
    }

    /// The file that is measured instead.
    fn given(&self) -> Result<Option<Vec<u8>>> {
        let read = |path: &PathBuf| host_trainer::files::read(path).with_context(|| format!("read {}", path.display()));
        self.onnx.as_ref().map(read).transpose()
    }

    /// The files of a bundle's network that are asked for.
    fn files(&self, bundle: &Bundle, network: &Entry) -> Result<Vec<(Option<Precision>, Vec<u8>)>> {
        if let Some(onnx) = self.given()? {
            return Ok(vec![(None, onnx)]);
        }
        let wanted = |precision| self.precision.is_none_or(|wanted| wanted == precision);
        let mut files = Vec::new();
        for file in network.files.iter().filter(|file| wanted(file.precision)) {
            files.push((Some(file.precision), bundle.read(file.into())?));
        }
        if files.is_empty() {
            bail!("evaluate: the bundle has no file of this precision for this network");
        }
        Ok(files)
    }
}

impl Subject {
    /// Figures of one file.
    fn measure(&self, onnx: &[u8], prepared: &Prepared, rows: &[u32], names: &[String]) -> Result<Told> {
        let network = Exported {
            onnx,
            normalisation: self.normalisation,
            views: self.views,
        };
        match prepared.samples.data() {
            Data::Keypoints(data) if rows.iter().any(|row| *row as usize >= data.faces.len()) => {
                let (json, table) = variants::measure(onnx, prepared, rows)?;
                Ok(Told {
                    json,
                    table,
                    ..Told::default()
                })
            }
            Data::Keypoints(data) => {
                let metrics = keypoints(network, data, rows, &prepared.split.train)?;
                Ok(Told {
                    json: serde_json::to_value(&metrics)?,
                    table: metrics.table(),
                    ..Told::default()
                })
            }
            Data::Emotion(data) => {
                let judged = Judged::by(Truth::of(self.config.loss), network, data, rows)?;
                let metrics = judged.metrics(data, self.decision.temperature)?;
                let panels = panels(judged.logits(), data, rows, names, self.decision)?;
                let mut json = serde_json::to_value(&metrics)?;
                json["majority"] = serde_json::to_value(metrics.majority())?;
                json["panels"] = serde_json::to_value(&panels)?;
                Ok(Told {
                    json,
                    table: metrics.table() + &tables::panels(&panels),
                    suspects: suspects(judged.logits(), data, rows, self.decision.temperature)?,
                })
            }
        }
    }

    /// What is told about portraits.
    fn portraits(&self, onnx: &[u8], dir: &Path, known: Option<&Path>) -> Result<PortraitFigures> {
        let crop = self
            .crop
            .context("evaluate: portraits need a bundle, which knows the crop")?;
        let network = Exported {
            onnx,
            normalisation: self.normalisation,
            views: self.views,
        };
        if self.config.task == Task::Keypoints {
            bail!("evaluate: portraits are for the emotion network");
        }
        let people = known.map(people).transpose()?.unwrap_or_default();
        Portraits::classify(network, &self.config.classes, &crop, dir)?.figures(self.decision, &people)
    }
}

/// How a bundle's network was trained: as its settings say, or, in older bundles without them, as far as the manifest
/// does.
fn settings(bundle: &Bundle, task: Task) -> Result<TrainConfig> {
    if let Ok(trained) = Trained::open(bundle.dir(), Some(task)) {
        return Ok(trained.config);
    }
    let manifest = bundle.manifest();
    let training = match task {
        Task::Keypoints => &manifest.keypoints.training,
        Task::Emotion => &manifest.emotion.training,
    };
    let mut config = TrainConfig::original(task);
    config.classes = manifest.classes.clone();
    config.seed = training.seed;
    config.split =
        SplitConfig::from_manifest(&training.split).context("evaluate: the bundle was divided in an unknown way")?;
    Ok(config)
}
