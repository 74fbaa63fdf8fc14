//! `host-trainer train detector`, `evaluate detector`, `evaluate alarms`, `export detector`, `quantise detector`,
//! `report detector`.

mod alarms;
mod quantise;
mod report;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use host_trainer::data::{BadRows, keypoints};
use host_trainer::detector::checkpoint::Checkpoint;
use host_trainer::detector::config::DetectorConfig;
use host_trainer::detector::data::{Part, Photo, Predictions, Set};
use host_trainer::detector::evaluate::{Detector, Figures, Task, Variation, by_source, measure};
use host_trainer::detector::export::onnx;
use host_trainer::detector::pretrained::Pretrained;
use host_trainer::detector::train::{Ended, Event, Job, train};
use host_trainer::train::CHECKPOINT_EVERY;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::exit;
pub(crate) use alarms::EvaluateAlarms;
pub(crate) use quantise::QuantiseDetector;
pub(crate) use report::ReportDetector;

/// Between two plain lines of progress.
const QUIET: Duration = Duration::from_mins(1);

/// Pictures and the faces in them.
#[derive(Debug, Args)]
struct Pictures {
    /// Archive or directory with the pictures that the annotations name.
    #[arg(long, value_name = "ZIP|DIR")]
    data: PathBuf,
    /// Annotations: `faces.csv` or `faces.csv.zst`, WIDER's `..._bbx_gt.txt`, or a directory of Pascal VOC files.
    #[arg(long, value_name = "CSV|TXT|DIR")]
    faces: PathBuf,
}

/// Train the network that finds faces, or go on with its training.
///
/// One step learns from a batch of samples composed of the pictures. A checkpoint and `history.csv` go into the run's
/// directory; Ctrl-C stops with a checkpoint, and `--resume` with the same options goes on as if nothing had happened.
/// One thread is used.
#[derive(Debug, Args)]
pub(crate) struct TrainDetector {
    #[command(flatten)]
    pictures: Pictures,
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Fine-tune: begin with the averaged weights of this run, or with the bundle's detector in 32-bit floats, instead of
    /// random weights. A tenth to a third of the usual learning rate suits. `--mine` looks for false alarms before the
    /// first step. Given several times, begin with the mean of the networks' weights: of use where they were trained from
    /// one another.
    #[arg(long, value_name = "RUN|BUNDLE")]
    from: Vec<PathBuf>,
    /// Go on from the checkpoint in the run's directory.
    #[arg(long)]
    resume: bool,
    /// Longest time between two checkpoints, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = CHECKPOINT_EVERY.as_secs())]
    checkpoint_every: u64,
    /// Steps in all.
    #[arg(long, default_value_t = DetectorConfig::default().steps)]
    steps: u64,
    /// Samples in one step.
    #[arg(long, default_value_t = DetectorConfig::default().batch)]
    batch: usize,
    /// Width and height of a sample in pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "160x120", value_parser = size)]
    input: Size,
    /// Highest learning rate.
    #[arg(long, value_name = "RATE", default_value_t = DetectorConfig::default().learning_rate)]
    learning_rate: f64,
    /// Steps between two measurements on held-out pictures.
    #[arg(long, default_value_t = DetectorConfig::default().measure_every)]
    measure_every: u64,
    /// Look for false alarms every so many steps, on pictures without a face and beside the faces of others, and show them
    /// in later samples; 0 for never.
    #[arg(long, value_name = "STEPS", default_value_t = DetectorConfig::default().mine_every)]
    mine: u64,
    /// Share of the things pasted in that are shaded ovals, as balls and fruit, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = DetectorConfig::default().ovals)]
    ovals: f64,
    /// Paste the faces of a keypoint set in as well, in the form of Kaggle's training.csv. Every second person is left out, to
    /// be measured on.
    #[arg(long, value_name = "CSV")]
    keypoints: Option<PathBuf>,
    /// Share of the faces pasted in that are taken of those that look aside, 0 to 1; the others come by chance.
    #[arg(long, value_name = "SHARE", default_value_t = DetectorConfig::default().sideways)]
    sideways: f64,
    /// Seed of every random choice.
    #[arg(long, default_value_t = DetectorConfig::default().seed)]
    seed: u64,
}

/// Width and height in pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub(super) [usize; 2]);

/// Measure a trained detector on the pictures held out.
///
/// Figures go to stdout as JSON, a line for each source and variation, and to stderr as a table.
#[derive(Debug, Args)]
pub(crate) struct EvaluateDetector {
    #[command(flatten)]
    pictures: Pictures,
    /// Directory of the run.
    #[arg(long, value_name = "DIR", required_unless_present = "onnx")]
    run: Option<PathBuf>,
    /// A file of `export detector` or `quantise detector` in place of a run; the runtime's code runs it.
    #[arg(long, value_name = "ONNX", conflicts_with = "run")]
    onnx: Option<PathBuf>,
    /// Width and height that pictures are fitted into; may be given several times.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "160x120", value_parser = size)]
    input: Vec<Size>,
    /// What is done to the pictures before.
    #[arg(long, value_enum, default_value_t = Varied::Plain)]
    varied: Varied,
    /// Size from which on faces count, in pixels of the picture (480 long at most).
    #[arg(long, value_name = "PIXELS", default_value_t = 16.0)]
    min_face: f32,
    /// Only this source.
    #[arg(long)]
    source: Option<String>,
    /// Boxes of another detector on the same pictures, to be compared: a CSV file with the columns image, x, y, width,
    /// height and score, in pixels of the pictures. May be given several times; `--varied` does not change them.
    #[arg(long, value_name = "CSV")]
    predictions: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Varied {
    /// Nothing.
    Plain,
    /// Nothing; turned by 15 and 30 degrees to both sides; a quarter of the light; blurred; half the size.
    All,
}

/// Write a trained detector as an ONNX file.
#[derive(Debug, Args)]
pub(crate) struct ExportDetector {
    /// Directory of the run.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// The file; its input takes pictures of any size.
    #[arg(long, value_name = "ONNX")]
    out: PathBuf,
}

pub(super) fn size(text: &str) -> Result<Size, String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some([width.parse().ok()?, height.parse().ok()?]));
    let fits = sides.filter(|sides: &[usize; 2]| sides.iter().all(|side| (32..=1024).contains(side)));
    fits.map(Size)
        .ok_or_else(|| "expected WIDTHxHEIGHT, 32 to 1024 each, as 160x120".to_owned())
}

impl TrainDetector {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let config = DetectorConfig {
            input: self.input.0,
            batch: self.batch,
            steps: self.steps,
            seed: self.seed,
            learning_rate: self.learning_rate,
            measure_every: self.measure_every,
            mine_every: self.mine,
            ovals: self.ovals,
            sideways: self.sideways,
            ..DetectorConfig::default()
        };
        config.check()?;
        let from = self.from.iter().map(|place| Pretrained::open(place));
        let from = from.collect::<Result<Vec<Pretrained>>>()?;
        let from = (!from.is_empty()).then(|| Pretrained::mean(from)).transpose()?;
        let mut set = Set::read(&self.pictures.data, &self.pictures.faces, Part::Training)?;
        let held = set.photos.iter().filter(|photo| photo.held).count();
        tracing::info!(
            "{} pictures to train on, {held} of the same sources held out",
            set.photos.len() - held
        );
        if from.as_ref().is_some_and(|from| !from.was_trained_on(&set.fingerprint)) {
            tracing::warn!(
                "the network of --from was trained on other data: it may have seen pictures that are held out here"
            );
        }
        if let Some(path) = &self.keypoints {
            let (data, _) = keypoints::read(path, BadRows::Refuse)?;
            let added = set.add_close(&data);
            tracing::info!("{added} faces of {} to paste in as well", path.display());
        }
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.store(true, Ordering::Relaxed)).context("listen for Ctrl-C")?;
        let mut progress = Progress::new(config.steps);
        let job = Job {
            config,
            set: &set,
            run: &self.out,
            from: from.as_ref(),
            resume: self.resume,
            checkpoint_every: Duration::from_secs(self.checkpoint_every),
        };
        Ok(match train(&job, &stop, &mut |event| progress.tell(event))? {
            Ended::Finished => ExitCode::SUCCESS,
            Ended::Interrupted => {
                tracing::info!("stopped; go on with --resume");
                ExitCode::from(exit::INTERRUPTED)
            }
        })
    }
}

/// A bar on a terminal, plain lines elsewhere.
struct Progress {
    steps: u64,
    bar: ProgressBar,
    last_line: Option<Instant>,
}

impl Progress {
    fn new(steps: u64) -> Self {
        Self {
            steps,
            bar: ProgressBar::hidden(),
            last_line: None,
        }
    }

    fn tell(&mut self, event: Event) {
        match event {
            Event::Begins { step } => {
                if step > 0 {
                    tracing::info!("going on at step {}", step + 1);
                }
                if std::io::stderr().is_terminal() {
                    let form = "{wide_bar} {pos}/{len} steps, {msg}, {eta} left";
                    let style = ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar());
                    self.bar = ProgressBar::new(self.steps).with_style(style).with_position(step);
                }
            }
            Event::Step { step, loss, speed } => {
                self.bar.set_position(step);
                self.bar.set_message(format!("loss {loss:.4}, {speed:.0} images/s"));
                let due = self.last_line.is_none_or(|last| last.elapsed() > QUIET);
                if self.bar.is_hidden() && due {
                    tracing::info!(
                        about = step,
                        "step {step} of {}: loss {loss:.4}, {speed:.1} images/s",
                        self.steps
                    );
                    self.last_line = Some(Instant::now());
                }
            }
            Event::Mined(alarms) => tracing::info!("{alarms} false alarms where there is no face"),
            Event::Measured(measured) => {
                let line = format!(
                    "step {} of {}: loss {:.4}, held out: average precision {:.4}, recall at 5 false alarms in 100 \
                     {:.4}, learning rate {:.2e}",
                    measured.step,
                    self.steps,
                    measured.loss,
                    measured.average_precision,
                    measured.recall,
                    measured.learning_rate
                );
                if self.bar.is_hidden() {
                    tracing::info!(about = measured.step, "{line}");
                } else {
                    self.bar.println(line);
                }
            }
        }
    }
}

impl EvaluateDetector {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let detector = self.detector()?;
        let set = Set::read(&self.pictures.data, &self.pictures.faces, Part::HeldOut)?;
        let wanted = |photo: &&Photo| photo.held && self.source.as_ref().is_none_or(|source| *source == photo.source);
        let photos: Vec<&Photo> = set.photos.iter().filter(wanted).collect();
        let variations: &[(&str, Variation)] = match self.varied {
            Varied::Plain => &VARIATIONS[..1],
            Varied::All => &VARIATIONS,
        };
        for input in &self.input {
            for (name, variation) in variations {
                let task = Task {
                    variation: *variation,
                    least: self.min_face,
                    ..Task::plain(input.0)
                };
                tell(name, "all", input.0, &measure(&detector, &photos, &task)?)?;
                for (source, figures) in by_source(&detector, &photos, &task)? {
                    tell(name, &source, input.0, &figures)?;
                }
            }
        }
        for path in &self.predictions {
            self.compare(path, &photos)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The same figures of another detector's boxes.
    fn compare(&self, path: &Path, photos: &[&Photo]) -> Result<()> {
        let predictions = Predictions::read(path)?;
        if photos.iter().all(|photo| predictions.of(&photo.name).is_empty()) {
            bail!("evaluate: {} has no box for a picture that is measured", path.display());
        }
        let task = Task {
            least: self.min_face,
            ..Task::plain(self.input.first().map_or([160, 120], |input| input.0))
        };
        let name = path.display().to_string();
        tell_of(&name, "plain", "all", &measure(&predictions, photos, &task)?)?;
        for (source, figures) in by_source(&predictions, photos, &task)? {
            tell_of(&name, "plain", &source, &figures)?;
        }
        Ok(())
    }

    fn detector(&self) -> Result<Detector> {
        match (&self.onnx, &self.run) {
            (Some(path), _) => {
                let onnx = host_trainer::files::read(path).with_context(|| format!("read {}", path.display()))?;
                Detector::of_onnx(onnx).with_context(|| format!("load {}", path.display()))
            }
            (None, Some(run)) => Ok(Detector::of(&Checkpoint::load(run)?)),
            (None, None) => bail!("evaluate: name a --run or a file with --onnx"),
        }
    }
}

const VARIATIONS: [(&str, Variation); 8] = [
    ("plain", Variation::None),
    ("turned +15", Variation::Turned(15.0)),
    ("turned -15", Variation::Turned(-15.0)),
    ("turned +30", Variation::Turned(30.0)),
    ("turned -30", Variation::Turned(-30.0)),
    ("dark x0.25", Variation::Dark(0.25)),
    ("blurred", Variation::Blurred),
    ("half size", Variation::Half),
];

fn tell(variation: &str, source: &str, [width, height]: [usize; 2], figures: &Figures) -> Result<()> {
    tell_of(&format!("{width}x{height}"), variation, source, figures)
}

/// Tells the figures of an input's size, or of a file of predictions.
fn tell_of(input: &str, variation: &str, source: &str, figures: &Figures) -> Result<()> {
    let line = json!({ "variation": variation, "source": source, "input": input, "figures": figures });
    super::write_line(&line.to_string())?;
    let [found, alarms, on_nothing] = figures.at_half;
    tracing::info!(
        about = %format_args!("{input} {variation} {source}"),
        "{input} {variation:10} {source:12} {:4} pictures {:5} faces: AP {:.3}, recall {:.3} / {:.3} at 1 / 5 alarms in 100; at \
         0.5: {found} + {alarms} alarms ({on_nothing} in {} pictures without a face); by size {:?}, by yaw {:?}",
        figures.photos,
        figures.faces,
        figures.average_precision,
        figures.recall[0],
        figures.recall[1],
        figures.empty_photos,
        figures.by_size,
        figures.by_yaw
    );
    Ok(())
}

impl ExportDetector {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let checkpoint = Checkpoint::load(&self.run)?;
        let bytes = onnx(&Detector::of(&checkpoint));
        durable::replace_file(&self.out, &bytes).with_context(|| format!("write {}", self.out.display()))?;
        Ok(ExitCode::SUCCESS)
    }
}
