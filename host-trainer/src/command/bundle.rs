//! `host-trainer bundle`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;
use host_trainer::bundle::{Figures, Finder, Gallery, Identity, Name, Source, Trained, add, mirrored_views, write};
use host_trainer::model::Task;
use host_trainer::onnx::quantise::task_of;
use host_trainer::portraits::people;
use host_trainer::train::prepare::Prepared;
use host_trainer::train::trained::is_bundle;
use inference::Views;
use inference::bundle::Bundle as BundleDir;
use shared_model::manifest::{Manifest, Network};

use super::commit::commit;
use super::data::DataOptions;
use super::finder::DetectorOptions;

/// Why a keypoint network of a bundle needs its data.
const ANEW: &str = "the keypoint network would be another one than in its bundle, with --mirrored or --int8, and is measured \
                    again: give the data that it was trained on with --keypoints-data";

/// Put trained networks into the directory that the runtime loads.
///
/// Measures both on the faces held out, in each precision, calibrates the scores, finds how the face detector's box
/// relates to each data set's framing, and writes networks, golden vectors, manifest and model card. A detector can be
/// added; where the other two come from one bundle and nothing is given to measure them with, they are taken over as they
/// are.
#[derive(Debug, Args)]
pub(crate) struct Bundle {
    /// Directory of the keypoint run, or of a bundle whose keypoint network is taken over as it is.
    #[arg(long, value_name = "RUN|BUNDLE")]
    keypoints: PathBuf,
    /// The CSV that the keypoint network was trained on. Not needed for a network that is taken over from a bundle as it is:
    /// it keeps the figures that it has there.
    #[arg(long, value_name = "CSV", requires = "emotion_data")]
    keypoints_data: Option<PathBuf>,
    /// Directory of the emotion run, or of a bundle whose emotion network is taken over as it is.
    #[arg(long, value_name = "RUN|BUNDLE")]
    emotion: PathBuf,
    /// The data that the emotion network was trained on; several sets in the order of the training.
    #[arg(long, value_name = "CSV|DIR")]
    emotion_data: Vec<PathBuf>,
    /// The votes that the emotion run was trained with.
    #[arg(long, value_name = "CSV")]
    emotion_votes: Option<PathBuf>,
    /// Networks that `quantise` made of these runs, at most one of each; the runtime prefers them.
    #[arg(long, value_name = "ONNX", num_args = 1..)]
    int8: Vec<PathBuf>,
    /// The network also sees each face mirrored, and the mean counts: twice the work, a smaller error. A network that is
    /// taken over from a bundle keeps what it had.
    #[arg(long, value_name = "TASK", num_args = 1..)]
    mirrored: Vec<Task>,
    #[command(flatten)]
    finder: DetectorOptions,
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
    /// Portraits as a camera takes them, in a folder for each class (`DIR/neutral/042.jpg`): the card says what the
    /// emotion network tells about them, the face found by the runtime.
    #[arg(long, value_name = "DIR")]
    portraits: Option<PathBuf>,
    /// What is known of the people on them, for figures by group: a CSV with a column `id`, the file's name.
    #[arg(long, value_name = "CSV", requires = "portraits")]
    people: Option<PathBuf>,
}

impl Bundle {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let measured = !self.emotion_data.is_empty();
        let manifest = match (measured, self.finder.finder()?) {
            (true, None) => self.write(&self.out)?,
            (true, Some(finder)) => {
                // Where both networks grow before the detector joins them.
                let both = beside(&self.out)?;
                self.write(&both)?;
                let added = self.add(&both, &finder);
                std::fs::remove_dir_all(&both).with_context(|| format!("remove {}", both.display()))?;
                added?
            }
            (false, Some(finder))
                if self.keypoints == self.emotion && self.int8.is_empty() && self.mirrored.is_empty() =>
            {
                self.add(&self.keypoints, &finder)?
            }
            (false, _) => bail!(
                "bundle: give --emotion-data, and --keypoints-data for the keypoint network of a run; they are needed unless a \
                 --detector joins two networks that come from one bundle and stay as they are"
            ),
        };
        super::write_json(&serde_json::to_string(&manifest)?)?;
        tracing::info!("{} is ready; its README.md has the figures", self.out.display());
        Ok(ExitCode::SUCCESS)
    }

    /// The bundle in `from` with this detector.
    fn add(&self, from: &Path, finder: &Finder) -> Result<Manifest> {
        let name = Name {
            name: &self.name,
            version: self.number,
            commit: &commit(),
        };
        add(&BundleDir::open(from)?, finder, &name, &self.out)
    }

    /// Measures the networks, but for a keypoint network that stays as it is, and writes them to `out`.
    fn write(&self, out: &Path) -> Result<Manifest> {
        let mut keypoints = Trained::open(&self.keypoints, Some(Task::Keypoints))?;
        let mut emotion = Trained::open(&self.emotion, Some(Task::Emotion))?;
        let kept = self.kept(&keypoints)?;
        for (task, onnx) in self.read_int8()? {
            match task {
                Task::Keypoints if kept.is_some() => bail!("bundle: {ANEW}"),
                Task::Keypoints => keypoints.int8 = Some(onnx),
                Task::Emotion => emotion.int8 = Some(onnx),
            }
        }
        let faces = self.keypoints_data.iter();
        let faces = faces.map(|faces| self.prepare(&keypoints, &[faces.to_owned()], None));
        let faces = faces.collect::<Result<Vec<_>>>()?;
        let labelled = self.prepare(&emotion, &self.emotion_data, self.emotion_votes.clone())?;
        let identity = Identity {
            name: self.name.clone(),
            version: self.number,
            commit: commit(),
            combined: self.combined,
            accepted_accuracy: self.accepted_accuracy,
            portraits: self.gallery()?,
        };
        tracing::info!("measuring networks and crops");
        let measure = faces.first().map(Figures::Measure);
        let source = |trained, figures| {
            let views = self.views(trained)?;
            Ok::<_, anyhow::Error>(Source {
                trained,
                views,
                figures,
            })
        };
        let keep = kept.as_ref().map(Figures::Keep);
        let figures = measure
            .or(keep)
            .context("bundle: the keypoint network needs its data")?;
        let (keypoints, emotion) = (
            source(&keypoints, figures)?,
            source(&emotion, Figures::Measure(&labelled))?,
        );
        let (manifest, warnings) = write(out, &keypoints, &emotion, &identity)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(manifest)
    }

    /// What the bundle says of a keypoint network that stays as it is; `None` where there is data to measure it with.
    fn kept(&self, keypoints: &Trained) -> Result<Option<Network>> {
        if self.keypoints_data.is_some() {
            return Ok(None);
        }
        let place = &self.keypoints;
        if !is_bundle(place) {
            bail!(
                "bundle: {} is a run, whose network is measured on the data that it was trained on: give that with \
                 --keypoints-data",
                place.display()
            );
        }
        if self.views(keypoints)? != keypoints.views {
            bail!("bundle: {ANEW}");
        }
        Ok(Some(BundleDir::open(place)?.manifest().keypoints.clone()))
    }

    /// The data of a network, divided as in its training.
    fn prepare(&self, trained: &Trained, data: &[PathBuf], votes: Option<PathBuf>) -> Result<Prepared> {
        let options = DataOptions {
            data: data.to_vec(),
            votes,
            skip_bad_rows: self.skip_bad_rows,
            labels: Vec::new(),
        };
        options.prepare_trained(&trained.config)
    }

    fn gallery(&self) -> Result<Option<Gallery>> {
        let people = self.people.as_deref().map(people).transpose()?.unwrap_or_default();
        let gallery = |dir: &PathBuf| Gallery {
            dir: dir.clone(),
            people,
        };
        Ok(self.portraits.as_ref().map(gallery))
    }

    fn views(&self, trained: &Trained) -> Result<Views> {
        if self.mirrored.contains(&trained.config.task) {
            mirrored_views(&trained.config)
        } else {
            Ok(trained.views)
        }
    }

    /// The quantised networks, with what each tells.
    fn read_int8(&self) -> Result<Vec<(Task, Vec<u8>)>> {
        let mut files: Vec<(Task, Vec<u8>)> = Vec::new();
        for path in &self.int8 {
            let onnx = host_trainer::files::read(path).with_context(|| format!("read {}", path.display()))?;
            let task = task_of(&onnx).with_context(|| format!("bundle {}", path.display()))?;
            if files.iter().any(|(other, _)| *other == task) {
                bail!("bundle {}: another file was given for the same network", path.display());
            }
            files.push((task, onnx));
        }
        Ok(files)
    }
}

/// A directory beside `out` that does not exist.
fn beside(out: &Path) -> Result<PathBuf> {
    let name = out
        .file_name()
        .with_context(|| format!("{} is no name for a directory", out.display()))?;
    let path = out.with_file_name(format!(".networks-{}", name.to_string_lossy()));
    if path.exists() {
        bail!("bundle: {} is left over from another try: remove it", path.display());
    }
    Ok(path)
}
