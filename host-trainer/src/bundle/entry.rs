//! What the manifest says of networks and files.

use anyhow::{Result, anyhow};
use inference::bundle::seal;
use inference::{Golden, Meaning, Views};
use sha2::{Digest, Sha256 as Hasher};
use shared_model::Text;
use shared_model::manifest::{GoldenFile, Manifest, Metric, ModelFile, Network, Precision, Sha256, Training};

use super::Source;
use super::measured::{MEAN_SHAPE, Measured};
use crate::evaluate::{EmotionMetrics, KeypointMetrics};

/// Name of the file with the golden vectors.
pub(super) const GOLDEN: &str = "golden.json";

/// Name of a network's file.
pub(super) fn path(network: &str, precision: Precision) -> String {
    match precision {
        Precision::F32 => format!("{network}.onnx"),
        Precision::Int8 => format!("{network}-int8.onnx"),
    }
}

/// The manifest's entry of a network called `name`; `list` names the metrics.
pub(super) fn network<M>(
    name: &str,
    source: &Source<'_>,
    measured: &Measured<M>,
    list: fn(&M) -> Vec<(&'static str, f64)>,
) -> Result<Network> {
    let trained = source.trained;
    let mut files = heapless::Vec::new();
    for file in measured.files() {
        let entry = model_file(
            &path(name, file.precision),
            file.precision,
            &file.onnx,
            list(&file.metrics),
        )?;
        files.push(entry).map_err(|_| anyhow!("bundle: too many files"))?;
    }
    Ok(Network {
        architecture: text(&trained.config.architecture.name(), "architecture")?,
        parameters: trained.parameters as u32,
        normalisation: trained.config.normalisation,
        crop: measured.crop,
        mirrored: source.views == Views::Mirrored,
        files,
        training: Training {
            seed: trained.config.seed,
            epochs: trained.epoch,
            rows: trained.rows,
            data: sha(&trained.data)?,
            held_out: sha(&trained.held_out)?,
            split: trained.config.split.to_manifest(),
        },
    })
}

/// The entry of a network that is taken over, with its files as they are written now.
pub(super) fn kept<M>(entry: &Network, measured: &Measured<M>) -> Network {
    let mut entry = entry.clone();
    for own in &mut entry.files {
        if let Some(file) = measured.files().find(|file| file.precision == own.precision) {
            set_bytes(own, &file.onnx);
        }
    }
    entry
}

/// The manifest's entry of a network file.
pub(super) fn model_file(
    path: &str,
    precision: Precision,
    bytes: &[u8],
    metrics: Vec<(&str, f64)>,
) -> Result<ModelFile> {
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
        precision,
        bytes: bytes.len() as u64,
        sha256: hash(bytes),
        metrics: list,
    })
}

/// Gives the entry of a network file other bytes.
pub(super) fn set_bytes(file: &mut ModelFile, bytes: &[u8]) {
    (file.bytes, file.sha256) = (bytes.len() as u64, hash(bytes));
}

/// Golden vectors that hold the seal of a manifest, as they lie in the bundle; the manifest gets their entry.
pub(super) fn sealed(manifest: &mut Manifest, golden: &mut Golden) -> Result<Vec<u8>> {
    golden.meaning = Some(Meaning {
        classes: manifest.classes.clone(),
        decision: manifest.decision,
    });
    golden.seal = Some(seal(&serde_json::to_vec(manifest)?)?);
    let bytes = serde_json::to_vec(golden)?;
    manifest.golden = GoldenFile {
        path: manifest.golden.path.clone(),
        ..golden_file(&bytes)?
    };
    Ok(bytes)
}

/// The manifest's entry of the golden vectors.
pub(super) fn golden_file(bytes: &[u8]) -> Result<GoldenFile> {
    Ok(GoldenFile {
        path: text(GOLDEN, "path")?,
        bytes: bytes.len() as u64,
        sha256: hash(bytes),
    })
}

/// Metrics of a keypoint network, as `evaluate` names them.
pub(super) fn keypoint_list(metrics: &KeypointMetrics) -> Vec<(&'static str, f64)> {
    let mut list = vec![
        ("faces", metrics.faces as f64),
        ("mse_px2", metrics.mse_px2),
        ("rmse_px", metrics.rmse_px),
        ("mean_error_px", metrics.mean_error_px),
    ];
    list.extend(metrics.normalised_error.map(|error| ("normalised_error", error)));
    list.extend(metrics.mean_shape.map(|shape| (MEAN_SHAPE, shape.mse_px2)));
    list
}

/// Metrics of an emotion network, as `evaluate` names them.
pub(super) fn emotion_list(metrics: &EmotionMetrics) -> Vec<(&'static str, f64)> {
    let mut list = vec![
        ("faces", metrics.faces as f64),
        ("accuracy", metrics.accuracy),
        ("macro_f1", metrics.macro_average.f1),
        ("weighted_f1", metrics.weighted_average.f1),
        ("log_loss", metrics.log_loss),
        ("calibration_error", metrics.calibration_error),
    ];
    list.extend(metrics.majority().map(|guess| ("majority.accuracy", guess.accuracy)));
    list
}

/// A text that fits its place in the manifest.
pub(super) fn text<const N: usize>(value: &str, what: &str) -> Result<Text<N>> {
    Text::try_from(value).map_err(|_| anyhow!("bundle: {what} `{value}` is longer than {N} bytes"))
}

pub(super) fn sha(hex: &str) -> Result<Sha256> {
    Sha256::try_from(text::<64>(hex, "fingerprint")?).map_err(|error| anyhow!("bundle: {error}"))
}

fn hash(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(&Hasher::digest(bytes).into())
}
