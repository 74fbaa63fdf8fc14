//! Checkpoints: sets of files that are complete or not there.
//!
//! A set is written into a hidden directory, every file is flushed, a manifest with the hash of each
//! goes in last, and only then does the directory get its name. The newest two sets and the best one
//! are kept; [`newest`] takes the newest that is whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::optim::OptimizerRecord;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::history::EpochRecord;
use crate::config::TrainConfig;
use crate::early_stop::EarlyStop;
use crate::files;
use crate::fingerprint::hex;
use crate::model::Network;
use crate::plateau::Plateau;
use crate::target::Target;

const WEIGHTS: &str = "weights.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIMISER: &str = "optimiser.bpk";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";
/// How the name of what is still being written begins.
const HIDDEN: &str = ".writing-";

/// Everything but tensors that a training needs to go on as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// What is trained, and how.
    pub config: TrainConfig,
    /// SHA-256 of data and labels, in hexadecimal.
    pub data: String,
    /// SHA-256 of the rows of the test part, in hexadecimal.
    pub held_out: String,
    /// Faces in the training part.
    pub train_rows: u32,
    /// How outputs become pixels of the crop.
    pub target: Target,
    /// Epoch that is under way, from 0.
    pub epoch: u32,
    /// Steps of this epoch that are done.
    pub step_of_epoch: u64,
    /// Learning rate of the next step, where the schedule looks at the loss.
    pub learning_rate: f64,
    /// Steps of the whole training that are done.
    pub step: u64,
    /// Loss and weight summed over the steps of this epoch.
    pub running_loss: [f64; 2],
    /// What the outputs of this epoch's steps are worth, as a sum and what it is divided by.
    #[serde(default)]
    pub running_metric: [f64; 2],
    /// Reduces the learning rate when the loss stands still.
    pub plateau: Plateau,
    /// Stops when nothing gets better.
    pub early_stop: EarlyStop,
    /// Name of the checkpoint with the best weights so far, and its epoch.
    pub best: Option<(String, u32)>,
    /// What each finished epoch came to.
    pub history: Vec<EpochRecord>,
}

#[derive(Serialize, Deserialize)]
struct Manifest {
    files: Vec<(String, String)>,
}

/// A checkpoint in memory: everything that a training needs to go on.
pub struct Checkpoint {
    /// Settings, counts and history: everything but tensors.
    pub state: State,
    /// The weights as the last step left them.
    pub weights: ModuleRecord,
    /// Their average over the steps, where one is kept.
    pub average: Option<ModuleRecord>,
    /// The moments of the optimiser, one entry a parameter.
    pub optimiser: OptimizerRecord,
}

/// Whether a directory is a checkpoint.
pub fn is_checkpoint(place: &Path) -> bool {
    place.join(STATE).is_file()
}

/// Writes a checkpoint under `folder` and gives its name.
pub(crate) fn save(
    folder: &Path,
    state: &State,
    network: &Network,
    average: Option<Network>,
    optimiser: &ModuleOptimizer,
) -> Result<String> {
    let name = format!("step-{:08}", state.step);
    let (hidden, place) = (folder.join(format!("{HIDDEN}{name}")), folder.join(&name));
    // It may be the best one: never take it away to write it again.
    if place.exists() && load(&place).is_ok_and(|found| found.state == *state) {
        return Ok(name);
    }
    let context = || format!("write checkpoint {}", place.display());
    remove(&hidden).with_context(context)?;
    let written = write_set(&hidden, state, network, average, optimiser);
    if written.is_err() {
        // Gives the room back; the error at hand matters more than one from here.
        let _ = remove(&hidden);
    }
    written.with_context(context)?;
    remove(&place).with_context(context)?;
    fs::rename(&hidden, &place).with_context(context)?;
    File::open(folder)?.sync_all().with_context(context)?;
    Ok(name)
}

/// Writes a whole set into a new directory, the manifest last.
fn write_set(
    hidden: &Path,
    state: &State,
    network: &Network,
    average: Option<Network>,
    optimiser: &ModuleOptimizer,
) -> Result<()> {
    fs::create_dir_all(hidden)?;
    let mut manifest = Manifest { files: Vec::new() };
    add(hidden, &mut manifest, WEIGHTS, &bytes(network.clone())?)?;
    if let Some(average) = average {
        add(hidden, &mut manifest, AVERAGE, &bytes(average)?)?;
    }
    let moments = optimiser.into_bytes().map_err(|e| anyhow::anyhow!("{e}"))?;
    add(hidden, &mut manifest, OPTIMISER, &moments)?;
    add(hidden, &mut manifest, STATE, &serde_json::to_vec_pretty(state)?)?;
    write(&hidden.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
    Ok(File::open(hidden)?.sync_all()?)
}

fn bytes(network: Network) -> Result<Bytes> {
    network.into_record().into_bytes().map_err(|e| anyhow::anyhow!("{e}"))
}

/// Reads one checkpoint, after comparing every file with its hash.
pub fn load(place: &Path) -> Result<Checkpoint> {
    let file =
        |name: &str| files::read(&place.join(name)).with_context(|| format!("read {}", place.join(name).display()));
    let manifest: Manifest =
        serde_json::from_slice(&file(MANIFEST)?).with_context(|| format!("read manifest of {}", place.display()))?;
    let mut found = std::collections::BTreeMap::new();
    for (name, hash) in manifest.files {
        let bytes = file(&name)?;
        if hex(&Sha256::digest(&bytes)) != hash {
            bail!("checkpoint file {} is damaged", place.join(&name).display());
        }
        found.insert(name, bytes);
    }
    let mut take = |name: &str| {
        found
            .remove(name)
            .with_context(|| format!("{} lacks {name}", place.display()))
    };
    let record =
        |bytes: Vec<u8>| ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|e| anyhow::anyhow!("{e}"));
    Ok(Checkpoint {
        state: serde_json::from_slice(&take(STATE)?).with_context(|| format!("read {STATE} of {}", place.display()))?,
        weights: record(take(WEIGHTS)?)?,
        average: take(AVERAGE).ok().map(record).transpose()?,
        optimiser: OptimizerRecord::from_bytes(Bytes::from_bytes_vec(take(OPTIMISER)?))
            .map_err(|e| anyhow::anyhow!("{e}"))?,
    })
}

/// The newest checkpoint under `folder` that is whole, with its path; `None` if there is none.
///
/// Damaged ones are passed over and named in `damaged`.
pub fn newest(folder: &Path, damaged: &mut Vec<String>) -> Result<Option<(PathBuf, Checkpoint)>> {
    for name in names(folder)?.into_iter().rev() {
        let place = folder.join(&name);
        match load(&place) {
            Ok(checkpoint) => return Ok(Some((place, checkpoint))),
            Err(error) => damaged.push(format!("{error:#}")),
        }
    }
    Ok(None)
}

/// Removes all but the newest so many and the best checkpoint, and what was left half written.
///
/// An old checkpoint is hidden before it is removed: what a power cut leaves of it is never taken for a checkpoint.
pub(crate) fn prune(folder: &Path, best: Option<&str>, newest: usize) -> Result<()> {
    let names = names(folder)?;
    let old = names[..names.len().saturating_sub(newest)].iter();
    let mut old = old.filter(|name| Some(name.as_str()) != best).peekable();
    if old.peek().is_some() {
        for name in old {
            let hidden = folder.join(format!("{HIDDEN}{name}"));
            remove(&hidden)?;
            fs::rename(folder.join(name), hidden)?;
        }
        File::open(folder)?.sync_all()?;
    }
    for left in entries(folder)?.iter().filter(|name| name.starts_with(HIDDEN)) {
        remove(&folder.join(left))?;
    }
    Ok(File::open(folder)?.sync_all()?)
}

/// Room that the checkpoints under `folder` take, in bytes.
pub fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for name in names(folder)? {
        let place = folder.join(name);
        for file in entries(&place)? {
            let file = place.join(file);
            let found = fs::metadata(&file).with_context(|| format!("look at {}", file.display()))?;
            bytes += found.len();
        }
    }
    Ok(bytes)
}

/// Names of checkpoints, oldest first.
fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = entries(folder)?;
    names.retain(|name| name.starts_with("step-"));
    names.sort();
    Ok(names)
}

/// Names of whatever is there; nothing where the folder is not.
fn entries(folder: &Path) -> Result<Vec<String>> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

fn add(folder: &Path, manifest: &mut Manifest, name: &str, bytes: &[u8]) -> Result<()> {
    write(&folder.join(name), bytes)?;
    manifest.files.push((name.to_owned(), hex(&Sha256::digest(bytes))));
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checkpoints with these names, each with a file of ten bytes.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(WEIGHTS), [7; 10]).unwrap();
        }
        folder
    }

    #[test]
    fn the_newest_and_the_best_stay_and_their_size_is_told() {
        let folder = folder(&["step-1", "step-2", "step-3", "step-4", ".writing-step-5"]);
        prune(folder.path(), Some("step-2"), 2).unwrap();
        assert_eq!(entries(folder.path()).unwrap().len(), 3);
        assert_eq!(names(folder.path()).unwrap(), ["step-2", "step-3", "step-4"]);
        assert_eq!(size(folder.path()).unwrap(), 30);
        assert_eq!(size(&folder.path().join("nowhere")).unwrap(), 0);
        // Nothing is left to remove, or was half removed before.
        prune(folder.path(), None, 2).unwrap();
        assert_eq!(names(folder.path()).unwrap(), ["step-3", "step-4"]);
        prune(folder.path(), Some("step-4"), 1).unwrap();
        assert_eq!(names(folder.path()).unwrap(), ["step-4"]);
    }
}
