//! The network that a run has to show: its best weights, or those of a checkpoint, with what belongs to them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;

use super::checkpoint::{Checkpoint, State, is_checkpoint, load, newest};
use super::checkpoints;
use super::history::EpochRecord;
use crate::device::Backend;
use crate::model::{Network, drawing};
use crate::onnx::{Description, export};

/// A trained network, without gradients.
pub struct Shipped {
    /// The averaged weights where an average was kept, else the weights.
    pub network: Network,
    /// What was known of the training when it had these weights.
    pub state: State,
    /// What every epoch came to, those after these weights included.
    pub history: Vec<EpochRecord>,
    /// Epoch of these weights, from 1.
    pub epoch: u32,
}

impl Shipped {
    /// Loads the best weights of a run; those of the newest checkpoint where no epoch was finished. Where `run` is a checkpoint
    /// of a run, its weights.
    pub fn of_run(run: &Path) -> Result<Self> {
        let (checkpoint, history, epoch) = if is_checkpoint(run) {
            let own = load(run)?;
            let (history, epoch) = (own.state.history.clone(), own.state.epoch);
            (own, history, epoch)
        } else {
            best(&checkpoints(run))?
        };
        let Checkpoint {
            state,
            weights,
            average,
            ..
        } = checkpoint;
        let drawing = drawing();
        let network = state.config.architecture.init(&Backend::Flex.device());
        let network = network
            .try_load_record(average.unwrap_or(weights))
            .map_err(|error| anyhow!("load the weights of {}: {error}", run.display()))?;
        drop(drawing);
        Ok(Self {
            network,
            state,
            history,
            epoch,
        })
    }

    /// The network as an ONNX file.
    pub fn onnx(&self) -> Result<Vec<u8>> {
        Ok(export(&self.network, &self.state.target, &self.description())?)
    }

    /// What is written into the file beside the network.
    pub fn description(&self) -> Description {
        Description::of(&self.state.config)
    }
}

/// The best checkpoint of those in a folder, what every epoch came to, and the epoch of its weights.
fn best(folder: &Path) -> Result<(Checkpoint, Vec<EpochRecord>, u32)> {
    let found = newest(folder, &mut Vec::new())?;
    let (_, last) = found.with_context(|| format!("{} holds no whole checkpoint: train first", folder.display()))?;
    let history = last.state.history.clone();
    if let Some((name, epoch)) = &last.state.best {
        return Ok((load(&folder.join(name))?, history, *epoch));
    }
    let epoch = last.state.epoch;
    Ok((last, history, epoch))
}
