//! Puts two trained networks, their figures and their manifest into one directory, and a detector beside them.

mod add;
mod card;
mod card_training;
mod entry;
mod finder;
mod measured;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use durable::replace_file;
use inference::{Golden, Output, Views};
use shared_model::manifest::{CONTRACT, EMOTION_NAME, FILE_NAME, KEYPOINTS_NAME, Manifest, Network, Precision, SCHEMA};

use crate::golden::pictures;
use crate::onnx::{Description, merge};
use crate::portraits::People;
use crate::train::prepare::Prepared;
use crate::train::trained::settings_file;
pub use crate::train::trained::{Trained, mirrored_views};
pub use add::{Name, add};
use entry::{GOLDEN, emotion_list, golden_file, keypoint_list, model_file, path, sealed, text};
pub use finder::{Finder, HeldOut};
pub(crate) use measured::{Measured, Measurements, NetworkFile, Told};
use measured::{kept_keypoints, measure_emotion, measure_keypoints};

/// Name of the file with both networks.
const COMBINED: &str = "combined.onnx";

/// A trained network, and where its figures come from.
pub struct Source<'a> {
    /// The network, with what is known of its training.
    pub trained: &'a Trained,
    /// What of a face the network sees on the device.
    pub views: Views,
    /// Where its figures come from.
    pub figures: Figures<'a>,
}

/// Where the figures of a network come from.
#[derive(Clone, Copy)]
pub enum Figures<'a> {
    /// It is measured on its data, divided as in training.
    Measure(&'a Prepared),
    /// They are those of the bundle that it is taken over from as it is, of which this is its entry; of keypoint networks
    /// alone, since scores of an emotion network are calibrated with its data.
    Keep(&'a Network),
}

impl Source<'_> {
    /// Its data; of a network that is measured.
    fn data(&self) -> Result<&Prepared> {
        match self.figures {
            Figures::Measure(prepared) => Ok(prepared),
            Figures::Keep(_) => bail!("bundle: {:?} needs its data", self.trained.config.task),
        }
    }
}

/// What a bundle is called.
pub struct Identity {
    /// Name for people, at most as long as the manifest's field.
    pub name: String,
    /// Version of the bundle; grows with every release.
    pub version: u32,
    /// Commit of the trainer, or `unknown`.
    pub commit: String,
    /// Whether the bundle also holds both networks in one file, for callers whose pictures already are
    /// the crop of both; they must normalise alike.
    pub combined: bool,
    /// Accuracy that an accepted verdict must have on the validation part; sets the abstain threshold.
    pub accepted_accuracy: f64,
    /// Portraits that the emotion network is looked at with as well.
    pub portraits: Option<Gallery>,
}

/// Portraits of people in a folder for each class.
pub struct Gallery {
    /// The directory of the folders.
    pub dir: PathBuf,
    /// What is known of the people.
    pub people: People,
}

/// Writes a bundle to `out`, which must not exist or be empty; gives the manifest, and what there was too little
/// evidence for.
pub fn write(
    out: &Path,
    keypoint: &Source<'_>,
    emotion: &Source<'_>,
    identity: &Identity,
) -> Result<(Manifest, Vec<String>)> {
    refuse_full(out)?;
    check(keypoint)?;
    check(emotion)?;
    let hidden = hidden(out)?;
    fs::create_dir_all(&hidden).with_context(|| format!("create {}", hidden.display()))?;
    let measured = measure(keypoint, emotion, identity)?;
    let mut golden = golden(&measured, keypoint, emotion)?;
    let combined = combined(&measured, keypoint, emotion, identity)?;
    let mut manifest = Manifest {
        schema: SCHEMA,
        contract: CONTRACT,
        name: text(&identity.name, "name")?,
        version: identity.version,
        commit: text(&identity.commit, "commit")?,
        classes: emotion.trained.config.classes.clone(),
        decision: measured.told.calibrated.decision,
        keypoints: match keypoint.figures {
            Figures::Keep(entry) => entry::kept(entry, &measured.keypoints),
            Figures::Measure(_) => entry::network(KEYPOINTS_NAME, keypoint, &measured.keypoints, keypoint_list)?,
        },
        emotion: entry::network(EMOTION_NAME, emotion, &measured.emotion, emotion_list)?,
        golden: golden_file(&[])?,
        combined: combined
            .as_ref()
            .map(|bytes| model_file(COMBINED, Precision::F32, bytes, Vec::new()))
            .transpose()?,
        detector: None,
    };
    let golden = sealed(&mut manifest, &mut golden)?;
    manifest.check()?;
    write_networks(&hidden, KEYPOINTS_NAME, &measured.keypoints)?;
    write_networks(&hidden, EMOTION_NAME, &measured.emotion)?;
    for source in [keypoint, emotion] {
        write_settings(&hidden, source)?;
    }
    if let Some(combined) = &combined {
        replace_file(&hidden.join(COMBINED), combined)?;
    }
    replace_file(&hidden.join(GOLDEN), &golden)?;
    let card = card::card(&manifest, &measured, [keypoint, emotion]);
    replace_file(&hidden.join("README.md"), card.as_bytes())?;
    let mut json = serde_json::to_vec_pretty(&manifest)?;
    json.push(b'\n');
    replace_file(&hidden.join(FILE_NAME), &json)?;
    if out.exists() {
        fs::remove_dir(out).with_context(|| format!("replace {}", out.display()))?;
    }
    fs::rename(&hidden, out).with_context(|| format!("move the bundle to {}", out.display()))?;
    Ok((manifest, measured.told.calibrated.warnings))
}

fn measure(keypoint: &Source<'_>, emotion: &Source<'_>, identity: &Identity) -> Result<Measurements> {
    let keypoints = match keypoint.figures {
        Figures::Keep(entry) => kept_keypoints(keypoint, entry)?,
        Figures::Measure(prepared) => measure_keypoints(keypoint, prepared)?,
    };
    let (emotion, told) = measure_emotion(emotion, emotion.data()?, identity)?;
    Ok(Measurements {
        keypoints,
        emotion,
        told,
    })
}

fn golden(measured: &Measurements, keypoint: &Source<'_>, emotion: &Source<'_>) -> Result<Golden> {
    let mut golden = Golden {
        pictures: pictures(),
        outputs: Vec::new(),
        meaning: None,
        seal: None,
    };
    let classes = emotion.trained.config.classes.len();
    measured.keypoints.record(&mut golden, keypoint, Output::Keypoints)?;
    measured
        .emotion
        .record(&mut golden, emotion, Output::Emotion { classes })?;
    Ok(golden)
}

/// Both networks in one file, in 32-bit floats, if that is wanted.
fn combined(
    measured: &Measurements,
    keypoint: &Source<'_>,
    emotion: &Source<'_>,
    identity: &Identity,
) -> Result<Option<Vec<u8>>> {
    if !identity.combined {
        return Ok(None);
    }
    if keypoint.trained.config.normalisation != emotion.trained.config.normalisation {
        bail!("bundle: the two networks normalise their input differently and cannot be combined");
    }
    let both = [&measured.keypoints.float.onnx, &measured.emotion.float.onnx];
    Ok(Some(merge(
        both[0],
        both[1],
        &Description::of(&emotion.trained.config),
    )?))
}

fn write_networks<M>(folder: &Path, name: &str, measured: &Measured<M>) -> Result<()> {
    for file in measured.files() {
        replace_file(&folder.join(path(name, file.precision)), &file.onnx)?;
    }
    Ok(())
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

/// The network must have been trained on this data.
fn check(source: &Source<'_>) -> Result<()> {
    let (trained, Figures::Measure(prepared)) = (source.trained, source.figures) else {
        return Ok(());
    };
    if trained.data != prepared.data || trained.held_out != prepared.held_out {
        bail!(
            "bundle: the data given for {:?} differs from what its network was trained on",
            trained.config.task
        );
    }
    Ok(())
}

/// How each network was trained, for the next bundle that takes it over.
fn write_settings(folder: &Path, source: &Source<'_>) -> Result<()> {
    let config = &source.trained.config;
    let text = toml::to_string(config).context("write the settings")?;
    Ok(replace_file(&folder.join(settings_file(config.task)), text.as_bytes())?)
}
