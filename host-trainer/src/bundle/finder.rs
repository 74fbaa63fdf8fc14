//! The network that finds faces, as a bundle takes it in: of a run, or of another bundle.

use std::fmt::Write as _;

use anyhow::{Context, Result, anyhow, bail};
use inference::bundle::Bundle;
use shared_model::manifest::{
    Detector as Entry, DetectorTraining, InputSize, OutputMap, PixelNormalisation, Precision,
};
use vision::detector::decode::Limits;

use super::entry::{model_file, path, set_bytes, sha, text};
use crate::detector::checkpoint::{Checkpoint, State};
use crate::detector::data::{Photo, fingerprint};
use crate::detector::evaluate::{Detector, Figures, Task, measure};
use crate::detector::export::onnx;
use crate::detector::levels::{HEADS, SPLITS, STRIDES};
use crate::detector::network::{ARCHITECTURE, MEAN, SPREAD, output_names};
use crate::onnx::quantise::check_origin;
use crate::onnx::renewed;

/// Name of the network's files.
const NAME: &str = "detector";
/// Name of the file that tells how it was trained.
pub(super) const SETTINGS: &str = "detector.toml";
/// Heading of its part of the model card.
const HEADING: &str = "## Face detector";
/// Least and largest score that is chosen: beyond them the figures rest on too few alarms.
const SCORES: [f64; 2] = [0.2, 0.9];

/// The network that finds faces, with its part of the manifest and of the model card.
pub struct Finder {
    pub(super) entry: Entry,
    /// Name and content of each network file.
    pub(super) files: Vec<(Precision, String, Vec<u8>)>,
    /// Content of [`SETTINGS`].
    pub(super) settings: String,
    /// Part of the model card.
    pub(super) card: String,
}

/// What a run's network is measured on.
pub struct HeldOut<'a> {
    /// Photos that it was not trained on.
    pub photos: &'a [&'a Photo],
    /// Width and height that they are fitted into; the manifest's figures are those of the first.
    pub sizes: &'a [[usize; 2]],
    /// Photos that samples were composed of.
    pub trained_on: usize,
    /// Least score of a face; by default the one with 5 false alarms in 100 photos.
    pub score: Option<f32>,
}

/// Figures of one file at each size.
struct Measured {
    precision: Precision,
    onnx: Vec<u8>,
    figures: Vec<Figures>,
}

impl Finder {
    /// The network of a run, measured in each precision; `int8` is what `quantise detector` made of it.
    pub fn of_run(checkpoint: &Checkpoint, int8: Option<Vec<u8>>, held: &HeldOut<'_>) -> Result<Self> {
        let float = onnx(&Detector::of(checkpoint));
        if let Some(int8) = &int8 {
            check_origin(int8, &float).context("bundle: use a quantised detector")?;
        }
        if held.photos.is_empty() || held.sizes.is_empty() {
            bail!("bundle: there is no picture, or no size, to measure the detector with");
        }
        let files = [(Precision::F32, Some(float)), (Precision::Int8, int8)];
        let files = files
            .into_iter()
            .filter_map(|(precision, onnx)| Some((precision, onnx?)));
        let measured: Vec<Measured> = files
            .map(|(precision, onnx)| Measured::of(precision, onnx, held))
            .collect::<Result<_>>()?;
        let entry = entry(checkpoint, held, &measured)?;
        Ok(Self {
            card: card(&checkpoint.state, &entry, held, &measured),
            entry,
            files: measured
                .into_iter()
                .map(|file| (file.precision, path(NAME, file.precision), file.onnx))
                .collect(),
            settings: settings(checkpoint)?,
        })
    }

    /// The network of another bundle, taken over as it is, and written as this version writes files.
    pub fn of_bundle(bundle: &Bundle) -> Result<Self> {
        let dir = bundle.dir();
        let entry = bundle.manifest().detector.clone();
        let mut entry = entry.with_context(|| format!("{} holds no detector", dir.display()))?;
        let mut files = Vec::new();
        for file in &mut entry.files {
            let onnx = bundle.read((&*file).into())?;
            let onnx = renewed(&onnx).with_context(|| format!("read {}", dir.join(file.path.as_str()).display()))?;
            set_bytes(file, &onnx);
            files.push((file.precision, file.path.as_str().to_owned(), onnx));
        }
        let read = |name: &str| {
            crate::files::read_text(&dir.join(name)).with_context(|| format!("read {}", dir.join(name).display()))
        };
        let card = read("README.md")?;
        Ok(Self {
            card: split_card(&card).1.to_owned(),
            settings: read(SETTINGS)?,
            entry,
            files,
        })
    }
}

impl Measured {
    fn of(precision: Precision, onnx: Vec<u8>, held: &HeldOut<'_>) -> Result<Self> {
        let detector = Detector::of_onnx(onnx.clone())?;
        let figures = held
            .sizes
            .iter()
            .map(|size| measure(&detector, held.photos, &Task::plain(*size)));
        Ok(Self {
            figures: figures.collect::<Result<_, _>>()?,
            precision,
            onnx,
        })
    }

    /// As the manifest names them.
    fn metrics(&self, sizes: &[[usize; 2]]) -> Vec<(String, f64)> {
        let mut list = Vec::new();
        if let Some(first) = self.figures.first() {
            let [found, alarms, on_nothing] = first.at_half.map(|count| count as f64);
            let named = [
                ("pictures", first.photos as f64),
                ("faces", first.faces as f64),
                ("average_precision", first.average_precision),
                ("recall_at_1_alarm", first.recall[0]),
                ("recall_at_5_alarms", first.recall[1]),
                ("found_at_half", found),
                ("alarms_at_half", alarms),
                ("empty_pictures", first.empty_photos as f64),
                ("alarms_on_empty_at_half", on_nothing),
            ];
            list.extend(named.map(|(name, value)| (name.to_owned(), value)));
        }
        for (figures, [width, height]) in self.figures.iter().zip(sizes).skip(1) {
            list.push((format!("average_precision_{width}x{height}"), figures.average_precision));
        }
        list
    }
}

fn entry(checkpoint: &Checkpoint, held: &HeldOut<'_>, measured: &[Measured]) -> Result<Entry> {
    let state = &checkpoint.state;
    let names = output_names();
    let outputs = (0..HEADS).map(|head| {
        Ok(OutputMap {
            name: text(&names[head], "output")?,
            stride: STRIDES[head] as u32,
            grids: SPLITS[head].iter().map(|split| *split as u32).collect(),
        })
    });
    let mut files = heapless::Vec::new();
    for file in measured {
        let metrics = file.metrics(held.sizes);
        let metrics = metrics.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let entry = model_file(&path(NAME, file.precision), file.precision, &file.onnx, metrics)?;
        files.push(entry).map_err(|_| anyhow!("bundle: too many files"))?;
    }
    let mut measured_at = heapless::Vec::new();
    for size in held.sizes {
        let pushed = measured_at.push(input_size(*size));
        pushed.map_err(|_| anyhow!("bundle: the detector is measured at too many sizes"))?;
    }
    Ok(Entry {
        architecture: text(ARCHITECTURE, "architecture")?,
        parameters: checkpoint.parameters() as u32,
        normalisation: PixelNormalisation {
            mean: MEAN,
            spread: SPREAD,
        },
        outputs: outputs.collect::<Result<_>>()?,
        score: held.score.unwrap_or_else(|| chosen_score(measured)),
        overlap: Limits::default().overlap,
        trained_at: input_size(state.config.input),
        measured_at,
        files,
        training: DetectorTraining {
            seed: state.config.seed,
            steps: state.step,
            samples: state.step * state.config.batch as u64,
            pictures: held.trained_on as u32,
            data: sha(&state.data)?,
            held_out: sha(&fingerprint(held.photos))?,
        },
    })
}

/// The score with 5 false alarms in 100 photos, of the file that the runtime prefers.
fn chosen_score(measured: &[Measured]) -> f32 {
    let figures = measured.last().and_then(|file| file.figures.first());
    let score = figures
        .map_or(0.5, |figures| figures.scores[1])
        .clamp(SCORES[0], SCORES[1]);
    ((score * 1000.0).round() / 1000.0) as f32
}

fn input_size([width, height]: [usize; 2]) -> InputSize {
    InputSize {
        width: width as u32,
        height: height as u32,
    }
}

/// A model card without the part on the detector, and that part.
pub(super) fn split_card(card: &str) -> (&str, &str) {
    card.find(HEADING).map_or((card, ""), |at| card.split_at(at))
}

/// Content of [`SETTINGS`].
fn settings(checkpoint: &Checkpoint) -> Result<String> {
    let state = &checkpoint.state;
    let mut settings = toml::to_string(&state.config).context("write the settings")?;
    if let Some(from) = &state.from {
        writeln!(settings, "from = \"{from}\"")?;
    }
    if let Some(close) = &state.close {
        writeln!(settings, "keypoints = \"{close}\"")?;
    }
    Ok(settings)
}

/// The part of the model card.
fn card(state: &State, entry: &Entry, held: &HeldOut<'_>, measured: &[Measured]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_card(&mut text, state, entry, held, measured);
    text
}

fn write_card(
    text: &mut String,
    state: &State,
    entry: &Entry,
    held: &HeldOut<'_>,
    measured: &[Measured],
) -> std::fmt::Result {
    let training = &entry.training;
    writeln!(
        text,
        "{HEADING}\n\nA network of plain convolutions, {} parameters, that finds faces in grey pictures of any size. It was \
         trained on samples of {}x{} pixels: {} of them, composed of {} pictures, in {} steps with seed {}. What scores at \
         least {} counts as a face.\n",
        entry.parameters,
        entry.trained_at.width,
        entry.trained_at.height,
        training.samples,
        training.pictures,
        training.steps,
        training.seed,
        entry.score
    )?;
    if let Some(close) = &state.close {
        writeln!(
            text,
            "Faces of a keypoint set were pasted in as well, SHA-256 `{close}`.\n"
        )?;
    }
    if let Some(from) = &state.from {
        let others = match from.split(", ").count() {
            1 => "the weights of another network".to_owned(),
            several => format!("the mean of the weights of {several} networks"),
        };
        writeln!(
            text,
            "This training began with {others}, SHA-256 `{from}`; its samples come on top.\n"
        )?;
    }
    writeln!(
        text,
        "Figures on {} pictures that were held out, fitted into the input. Faces of at least 16 pixels of a picture of 480 \
         count. A hit overlaps the face by half.\n",
        held.photos.len()
    )?;
    writeln!(
        text,
        "| file | input | faces | average precision | found at 1 and 5 alarms in 100 pictures | at score 0.5: found, false \
         alarms, of these on {} pictures without a face |\n|---|---|---|---|---|---|",
        measured
            .first()
            .and_then(|file| file.figures.first())
            .map_or(0, |figures| figures.empty_photos)
    )?;
    for file in measured {
        for (figures, [width, height]) in file.figures.iter().zip(held.sizes) {
            let [found, alarms, on_nothing] = figures.at_half;
            writeln!(
                text,
                "| {} | {width}x{height} | {} | {:.1} % | {:.1} %, {:.1} % | {found}, {alarms}, {on_nothing} |",
                file.precision,
                figures.faces,
                100.0 * figures.average_precision,
                100.0 * figures.recall[0],
                100.0 * figures.recall[1],
            )?;
        }
    }
    writeln!(
        text,
        "\nFound by the size of the face in the picture, at 5 alarms in 100 pictures:\n\n| file | input | 16 to 32 px | 32 to \
         64 px | 64 to 128 px | from 128 px |\n|---|---|---|---|---|---|"
    )?;
    for file in measured {
        for (figures, [width, height]) in file.figures.iter().zip(held.sizes) {
            let sizes = figures.by_size.map(|[found, all]| format!("{found} of {all}"));
            writeln!(
                text,
                "| {} | {width}x{height} | {} |",
                file.precision,
                sizes.join(" | ")
            )?;
        }
    }
    writeln!(
        text,
        "\nThe weights were trained on research data and inherit its gaps: faces of some ages, skin tones and head coverings \
         are rarer than others, and nobody counted them. Try it where it will hang. Data: `{}`; held out: `{}`.",
        training.data.as_str(),
        training.held_out.as_str()
    )
}
