//! Puts two trained networks, their figures and their manifest into one directory.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use sha2::{Digest, Sha256 as Hasher};
use shared_model::Text;
use shared_model::manifest::{
    CONTRACT, Decision, FILE_NAME, Manifest, Metric, ModelFile, Network as Entry, Precision, SCHEMA, Sha256, Training,
};

use crate::calibrate::{temperature, threshold};
use crate::card;
use crate::crop::{Measured, measure};
use crate::evaluate::{EmotionMetrics, KeypointMetrics};
use crate::measure::{Judged, keypoints};
use crate::model::Task;
use crate::onnx::merge;
use crate::train::checkpoint::replace;
use crate::train::prepare::Prepared;
use crate::train::samples::Data;
use crate::train::shipped::Shipped;

/// Used where no threshold is accurate enough: as good as always uncertain, which the card shows.
const NEVER_SURE: f32 = 0.99;

/// A trained network with the data that it is measured on.
pub struct Source<'a> {
    /// Its best weights.
    pub shipped: &'a Shipped,
    /// Its data, divided as in training.
    pub prepared: &'a Prepared,
}

/// What a bundle is called.
pub struct Identity {
    /// For people.
    pub name: String,
    /// Grows with every release.
    pub version: u32,
    /// Commit of the trainer, or `unknown`.
    pub commit: String,
    /// Whether the bundle also holds both networks in one file, for callers whose pictures already are
    /// the crop of both; they must normalise alike.
    pub combined: bool,
    /// Accuracy that an accepted verdict must have on the validation part; sets the abstain threshold.
    pub accepted_accuracy: f64,
}

/// Figures of one network on the rows held out.
pub(crate) struct Figures {
    pub(crate) crop: Measured,
    pub(crate) parameters: usize,
    pub(crate) epochs: u32,
    pub(crate) bytes: usize,
}

/// All that was measured for a bundle.
pub(crate) struct Measurements {
    pub(crate) keypoints: (KeypointMetrics, Figures),
    pub(crate) emotion: (EmotionMetrics, Figures),
    /// Calibration error on the test part before and after the temperature.
    pub(crate) calibration: [f64; 2],
}

/// Writes a bundle to `out`, which must not exist or be empty; gives the manifest.
pub fn write(out: &Path, keypoint: &Source<'_>, emotion: &Source<'_>, identity: &Identity) -> Result<Manifest> {
    refuse_full(out)?;
    for (source, task) in [(keypoint, Task::Keypoints), (emotion, Task::Emotion)] {
        check(source, task)?;
    }
    let (Data::Keypoints(faces), Data::Emotion(labelled)) =
        (keypoint.prepared.samples.data(), emotion.prepared.samples.data())
    else {
        bail!("bundle: the data sets do not belong to the networks")
    };
    let hidden = hidden(out)?;
    fs::create_dir_all(&hidden).with_context(|| format!("create {}", hidden.display()))?;

    let keypoint_file = keypoint.shipped.onnx()?;
    let normalisation = keypoint.shipped.state.config.normalisation;
    let keypoint_metrics = keypoints(&keypoint_file, normalisation, faces, &keypoint.prepared.split.test)?;

    let emotion_file = emotion.shipped.onnx()?;
    let normalisation = emotion.shipped.state.config.normalisation;
    let judge = |rows: &[u32]| Judged::new(&emotion_file, normalisation, labelled, rows);
    let validation = judge(&emotion.prepared.split.validation)?;
    let loss = |t: f32| {
        validation
            .metrics(labelled, t)
            .map_or(f64::INFINITY, |metrics| metrics.log_loss)
    };
    let warmth = temperature(loss);
    let abstain_below = threshold(&validation.scores(warmth)?, identity.accepted_accuracy).unwrap_or(NEVER_SURE);
    let test = judge(&emotion.prepared.split.test)?;
    let emotion_metrics = test.metrics(labelled, warmth)?;
    let calibration = [
        test.metrics(labelled, 1.0)?.calibration_error,
        emotion_metrics.calibration_error,
    ];

    let alike = keypoint.shipped.state.config.normalisation == emotion.shipped.state.config.normalisation;
    if identity.combined && !alike {
        bail!("bundle: the two networks normalise their input differently and cannot be combined");
    }
    let combined = identity
        .combined
        .then(|| merge(&keypoint_file, &emotion_file, &emotion.shipped.description()))
        .transpose()?;
    let measured = Measurements {
        keypoints: (keypoint_metrics, figures(keypoint, &keypoint_file)?),
        emotion: (emotion_metrics, figures(emotion, &emotion_file)?),
        calibration,
    };
    let manifest = Manifest {
        schema: SCHEMA,
        contract: CONTRACT,
        name: text(&identity.name, "name")?,
        version: identity.version,
        commit: text(&identity.commit, "commit")?,
        classes: emotion.shipped.state.config.classes.clone(),
        decision: Decision {
            temperature: warmth,
            abstain_below,
        },
        keypoints: entry(
            keypoint,
            &measured.keypoints.1,
            file("keypoints.onnx", &keypoint_file, keypoint_list(&measured.keypoints.0))?,
        )?,
        emotion: entry(
            emotion,
            &measured.emotion.1,
            file("emotion.onnx", &emotion_file, emotion_list(&measured.emotion.0))?,
        )?,
        combined: combined
            .as_ref()
            .map(|bytes| file("combined.onnx", bytes, Vec::new()))
            .transpose()?,
    };
    manifest.check()?;
    replace(&hidden.join("keypoints.onnx"), &keypoint_file)?;
    replace(&hidden.join("emotion.onnx"), &emotion_file)?;
    if let Some(combined) = &combined {
        replace(&hidden.join("combined.onnx"), combined)?;
    }
    replace(
        &hidden.join("README.md"),
        card::card(&manifest, &measured, [keypoint, emotion]).as_bytes(),
    )?;
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    replace(&hidden.join(FILE_NAME), &json)?;
    if out.exists() {
        fs::remove_dir(out).with_context(|| format!("replace {}", out.display()))?;
    }
    fs::rename(&hidden, out).with_context(|| format!("move the bundle to {}", out.display()))?;
    Ok(manifest)
}

fn refuse_full(out: &Path) -> Result<()> {
    let full = out.exists()
        && fs::read_dir(out)
            .with_context(|| format!("list {}", out.display()))?
            .next()
            .is_some();
    if full {
        bail!(
            "{} is not empty: name another directory, or move it away",
            out.display()
        );
    }
    Ok(())
}

/// Where a bundle grows before it gets its name.
fn hidden(out: &Path) -> Result<PathBuf> {
    let name = out
        .file_name()
        .with_context(|| format!("{} is no name for a directory", out.display()))?;
    let mut hidden = std::ffi::OsString::from(".writing-");
    hidden.push(name);
    Ok(out.with_file_name(hidden))
}

/// The run must have been trained for the task, and on this data.
fn check(source: &Source<'_>, task: Task) -> Result<()> {
    let state = &source.shipped.state;
    if state.config.task != task {
        bail!(
            "bundle: the run given for {task:?} was trained for {:?}",
            state.config.task
        );
    }
    if state.data != source.prepared.data || state.held_out != source.prepared.held_out {
        bail!("bundle: the data given for {task:?} differs from what its run was trained on");
    }
    Ok(())
}

fn figures(source: &Source<'_>, onnx: &[u8]) -> Result<Figures> {
    let faces = source.prepared.samples.data().faces();
    let rows: Vec<u32> = source
        .prepared
        .split
        .train
        .iter()
        .copied()
        .filter(|row| (*row as usize) < faces.len())
        .collect();
    Ok(Figures {
        crop: measure(faces, &rows)?,
        parameters: source.shipped.network.parameters(),
        epochs: source.shipped.epoch,
        bytes: onnx.len(),
    })
}

fn entry(source: &Source<'_>, figures: &Figures, file: ModelFile) -> Result<Entry> {
    let state = &source.shipped.state;
    let mut files = heapless::Vec::new();
    files.push(file).map_err(|_| anyhow!("bundle: too many files"))?;
    Ok(Entry {
        architecture: text(&state.config.architecture.name(), "architecture")?,
        parameters: figures.parameters as u32,
        normalisation: state.config.normalisation,
        crop: figures.crop.rule,
        files,
        training: Training {
            seed: state.config.seed,
            epochs: source.shipped.epoch,
            rows: state.train_rows,
            data: sha(&state.data)?,
            held_out: sha(&state.held_out)?,
            split: state.config.split.to_manifest(),
        },
    })
}

fn file(path: &str, bytes: &[u8], metrics: Vec<(&str, f64)>) -> Result<ModelFile> {
    let mut list = heapless::Vec::new();
    for (name, value) in metrics {
        let metric = Metric {
            name: text(name, "metric")?,
            value,
        };
        list.push(metric).map_err(|_| anyhow!("bundle: too many metrics"))?;
    }
    Ok(ModelFile {
        path: text(path, "path")?,
        precision: Precision::F32,
        bytes: bytes.len() as u64,
        sha256: Sha256::from_bytes(&Hasher::digest(bytes).into()),
        metrics: list,
    })
}

fn keypoint_list(metrics: &KeypointMetrics) -> Vec<(&'static str, f64)> {
    let mut list = vec![
        ("faces", metrics.faces as f64),
        ("mse_px2", metrics.mse_px2),
        ("rmse_px", metrics.rmse_px),
        ("mean_error_px", metrics.mean_error_px),
    ];
    list.extend(metrics.normalised_error.map(|error| ("normalised_error", error)));
    list
}

fn emotion_list(metrics: &EmotionMetrics) -> Vec<(&'static str, f64)> {
    vec![
        ("faces", metrics.faces as f64),
        ("accuracy", metrics.accuracy),
        ("macro_f1", metrics.macro_average.f1),
        ("weighted_f1", metrics.weighted_average.f1),
        ("log_loss", metrics.log_loss),
        ("calibration_error", metrics.calibration_error),
    ]
}

fn text<const N: usize>(value: &str, what: &str) -> Result<Text<N>> {
    Text::try_from(value).map_err(|_| anyhow!("bundle: {what} `{value}` is longer than {N} bytes"))
}

fn sha(hex: &str) -> Result<Sha256> {
    Sha256::try_from(text::<64>(hex, "fingerprint")?).map_err(|error| anyhow!("bundle: {error}"))
}
