//! A training on disk: one file, replaced as a whole, with a hash over everything in it.
//!
//! The file: `MAGIC`, the length of the state as JSON (8 bytes, little endian), the state, the vectors of floats, and
//! SHA-256 of all before.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::alarm::Alarm;
use super::config::DetectorConfig;
use super::network::{initial, layers};
use super::optimiser::Weights;

const MAGIC: &[u8; 8] = b"faces-01";
const HASH: usize = 32;
/// Name in the run's directory.
pub const CHECKPOINT: &str = "checkpoint.bin";

/// What one stretch of steps came to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Steps that were done when it was measured.
    pub step: u64,
    /// Samples that the network had seen by then.
    pub samples: u64,
    /// Mean loss since the last measurement.
    pub loss: f64,
    /// Average precision on held-out photos, 0 to 1.
    pub average_precision: f64,
    /// Share of faces found with at most 5 false alarms in 100 photos.
    pub recall: f64,
    /// Learning rate at the step.
    pub learning_rate: f64,
}

/// Everything but floats that a training needs to go on as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Settings that the training was begun with.
    pub config: DetectorConfig,
    /// SHA-256 of the data, in hexadecimal.
    pub data: String,
    /// Steps that are done, from 0.
    pub step: u64,
    /// Loss summed since the last measurement, and over how many steps.
    pub running: (f64, u64),
    /// What each measurement came to, the oldest first.
    pub history: Vec<Measured>,
    /// False alarms that samples show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<Alarm>,
    /// SHA-256 in hexadecimal of the network that the training began with; none where it began at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// SHA-256 in hexadecimal of the keypoint set whose faces were pasted in; none where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<String>,
}

/// A training that can go on.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// How far the training is, and its settings.
    pub state: State,
    pub(crate) weights: Weights,
}

/// Why a checkpoint cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("checkpoint {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is none of a detector, or damaged.
    #[error("checkpoint {}: {reason}; take it from a backup, or train anew in another directory", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
}

impl Checkpoint {
    pub(crate) fn new(config: DetectorConfig, data: String) -> Self {
        let (params, statistics) = initial(&layers(), config.seed);
        let state = State {
            config,
            data,
            step: 0,
            running: (0.0, 0),
            history: Vec::new(),
            alarms: Vec::new(),
            from: None,
            close: None,
        };
        Self {
            state,
            weights: Weights::new(params, statistics),
        }
    }

    /// Number of parameters, running statistics included.
    pub fn parameters(&self) -> usize {
        self.weights.params.len() + self.weights.statistics.len()
    }

    /// Replaces the checkpoint of a run; a power cut leaves the old or the new one.
    pub(crate) fn save(&self, run: &Path) -> Result<(), CheckpointError> {
        let path = run.join(CHECKPOINT);
        let failed = |source| CheckpointError::File {
            path: path.clone(),
            source,
        };
        let state = serde_json::to_vec(&self.state).map_err(|error| failed(error.into()))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend((state.len() as u64).to_le_bytes());
        bytes.extend(state);
        for part in self.weights.parts() {
            bytes.extend(part.iter().flat_map(|value| value.to_le_bytes()));
        }
        let hash = Sha256::digest(&bytes);
        bytes.extend_from_slice(&hash);
        durable::replace_file(&path, &bytes).map_err(failed)
    }

    /// Reads the checkpoint of a run.
    pub fn load(run: &Path) -> Result<Self, CheckpointError> {
        let path = run.join(CHECKPOINT);
        match crate::files::read(&path) {
            Ok(bytes) => Self::parse(&bytes).map_err(|reason| CheckpointError::Damaged { path, reason }),
            Err(source) => Err(CheckpointError::File { path, source }),
        }
    }

    fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let body = bytes
            .strip_prefix(MAGIC)
            .ok_or("not written by the training of a detector")?;
        let (body, hash) = body
            .split_at_checked(body.len().saturating_sub(HASH))
            .ok_or("it breaks off")?;
        if *Sha256::digest(&bytes[..bytes.len() - hash.len()]) != *hash {
            return Err("its hash does not fit: it is damaged");
        }
        let (length, body) = body.split_first_chunk::<8>().ok_or("it breaks off")?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| "its state is too long")?;
        let (state, floats) = body.split_at_checked(length).ok_or("it breaks off")?;
        let state: State = serde_json::from_slice(state).map_err(|_| "its state is of another version")?;
        let mut checkpoint = Self::new(state.config, String::new());
        checkpoint.state = state;
        let mut values = floats.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        let parts = checkpoint.weights.parts_mut();
        if parts.iter().map(|part| 4 * part.len()).sum::<usize>() != floats.len() {
            return Err("its network has another form than this version's");
        }
        for value in parts.into_iter().flatten() {
            *value = values.next().ok_or("it breaks off")?;
        }
        Ok(checkpoint)
    }
}
