//! The network that a run has to show: its best weights, with what belongs to them.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use burn::module::Module;

use super::checkpoint::{Checkpoint, State, load, newest};
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
    /// Loads the best weights of a run; those of the newest checkpoint where no epoch was finished.
    pub fn of_run(run: &Path) -> Result<Self> {
        let folder = checkpoints(run);
        let found = newest(&folder, &mut Vec::new())?;
        let (_, last) =
            found.with_context(|| format!("{} holds no whole checkpoint: train first", folder.display()))?;
        let history = last.state.history.clone();
        let (checkpoint, epoch) = if let Some((name, epoch)) = last.state.best.clone() {
            (load(&folder.join(&name))?, epoch)
        } else {
            let epoch = last.state.epoch;
            (
                Checkpoint {
                    state: last.state.clone(),
                    ..last
                },
                epoch,
            )
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
            .map_err(|error| anyhow!("load the weights of {}: {error}", folder.display()))?;
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
