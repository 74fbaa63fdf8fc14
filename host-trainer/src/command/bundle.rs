//! `host-trainer bundle`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use edge_runtime::predict::Views;
use host_trainer::bundle::{Identity, Source, write};
use host_trainer::model::Task;
use host_trainer::onnx::quantise::task_of;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::shipped::Shipped;

use super::commit::commit;
use super::data::DataOptions;

/// Put two trained networks into the directory that the runtime loads.
///
/// Measures both on the faces held out, in each precision, calibrates the scores, finds how the face detector's box
/// relates to each data set's framing, and writes networks, golden vectors, manifest and model card.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// Directory of the keypoint run.
    #[arg(long, value_name = "RUN")]
    keypoints: PathBuf,
    /// The CSV that the keypoint run was trained on.
    #[arg(long, value_name = "CSV")]
    keypoints_data: PathBuf,
    /// Directory of the emotion run.
    #[arg(long, value_name = "RUN")]
    emotion: PathBuf,
    /// The CSV that the emotion run was trained on.
    #[arg(long, value_name = "CSV")]
    emotion_data: PathBuf,
    /// The votes that the emotion run was trained with; its figures do not need them.
    #[arg(long, value_name = "CSV")]
    emotion_votes: Option<PathBuf>,
    /// Networks that `quantise` made of these runs, at most one of each; the runtime prefers them.
    #[arg(long, value_name = "ONNX", num_args = 1..)]
    int8: Vec<PathBuf>,
    /// The network also sees each face mirrored, and the mean counts: twice the work, a smaller error.
    #[arg(long, value_name = "TASK", num_args = 1..)]
    mirrored: Vec<Task>,
    /// Leave out rows that cannot be read, as in the training.
    #[arg(long)]
    skip_bad_rows: bool,
    /// The directory to write; must not exist or be empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Name for people.
    #[arg(long, default_value = "emotion-kiosk")]
    name: String,
    /// Version; must grow with every release.
    #[arg(long = "bundle-version", value_name = "N", default_value_t = 1)]
    number: u32,
    /// Also put both networks into one file, `combined.onnx`, for callers whose pictures are the crop of
    /// both.
    #[arg(long)]
    combined: bool,
    /// Accuracy that a verdict must have on the validation part; weaker scores become `uncertain`.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    accepted_accuracy: f64,
}

impl Bundle {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let keypoints = self.load(&self.keypoints, &self.keypoints_data, None)?;
        let emotion = self.load(&self.emotion, &self.emotion_data, self.emotion_votes.clone())?;
        let identity = Identity {
            name: self.name.clone(),
            version: self.number,
            commit: commit(),
            combined: self.combined,
            accepted_accuracy: self.accepted_accuracy,
        };
        let int8 = self.read_int8()?;
        eprintln!("measuring networks and crops");
        let sources = [(Task::Keypoints, &keypoints), (Task::Emotion, &emotion)].map(|(task, (shipped, prepared))| {
            let quantised = int8.iter().find(|(other, _)| *other == task);
            Source {
                shipped,
                int8: quantised.map(|(_, onnx)| onnx.as_slice()),
                views: self.views(task),
                prepared,
            }
        });
        let manifest = write(&self.out, &sources[0], &sources[1], &identity)?;
        println!("{}", serde_json::to_string(&manifest)?);
        eprintln!("{} is ready; its README.md has the figures", self.out.display());
        Ok(ExitCode::SUCCESS)
    }

    fn load(&self, run: &Path, data: &Path, votes: Option<PathBuf>) -> Result<(Shipped, Prepared)> {
        let shipped = Shipped::of_run(run)?;
        let options = DataOptions {
            data: data.to_owned(),
            votes,
            skip_bad_rows: self.skip_bad_rows,
        };
        let prepared = options.prepare_trained(&shipped.state.config)?;
        Ok((shipped, prepared))
    }

    fn views(&self, task: Task) -> Views {
        if self.mirrored.contains(&task) {
            Views::Mirrored
        } else {
            Views::Plain
        }
    }

    /// The quantised networks, with what each tells.
    fn read_int8(&self) -> Result<Vec<(Task, Vec<u8>)>> {
        let mut files: Vec<(Task, Vec<u8>)> = Vec::new();
        for path in &self.int8 {
            let onnx = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
            let task = task_of(&onnx).with_context(|| format!("bundle {}", path.display()))?;
            if files.iter().any(|(other, _)| *other == task) {
                bail!("bundle {}: another file was given for the same network", path.display());
            }
            files.push((task, onnx));
        }
        Ok(files)
    }
}
