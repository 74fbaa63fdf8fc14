//! A trunk that begins with what another training has learnt, instead of random weights.
//!
//! What the other network has seen counts as seen by the new one: its faces are noted in the new run, and a
//! test part that holds any of them is refused.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::Module;
use sha2::{Digest, Sha256};

use super::checkpoint::hex;
use super::params;
use super::prepare::Prepared;
use super::seen::Seen;
use super::shipped::Shipped;
use crate::model::Network;

/// The best network of a run, and the faces that it has seen.
pub struct Pretrained {
    network: Network,
    stages: usize,
    seen: Seen,
    digest: String,
}

impl Pretrained {
    /// Loads the best weights of a run.
    pub fn of_run(run: &Path) -> Result<Self> {
        let shipped = Shipped::of_run(run)?;
        let seen = Seen::of_run(run)?
            .with_context(|| format!("{} does not say which faces it has seen: train it again", run.display()))?;
        Ok(Self {
            digest: digest(&shipped.network),
            stages: shipped.state.config.architecture.stages,
            network: shipped.network,
            seen,
        })
    }

    /// SHA-256 of all its numbers as little-endian `f32`, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Residual stages of its trunk; only a network with as many can begin with it.
    pub fn stages(&self) -> usize {
        self.stages
    }

    /// The faces that it has seen.
    pub(super) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Refuses a test part with faces that it has seen.
    pub(super) fn check_test_part(&self, prepared: &Prepared) -> Result<()> {
        let faces = prepared.samples.data().faces();
        let seen = self.seen.among(faces);
        // Rows are variants of faces in the original's protocol.
        let known = |row: &&u32| seen.binary_search(&(**row % faces.len() as u32)).is_ok();
        let count = prepared.split.test.iter().filter(known).count();
        if count > 0 {
            bail!(
                "{count} faces of the test part were seen by the network whose trunk this training would begin with; \
                 give it another one, trained with the same split"
            );
        }
        Ok(())
    }

    /// `fresh` with this trunk's weights and running statistics, and its own head.
    pub(super) fn graft(&self, fresh: Network) -> Result<Network> {
        let Network { trunk, head } = fresh;
        let trunk = trunk
            .try_load_record(self.network.trunk.clone().into_record())
            .map_err(|error| anyhow!("begin with the trunk of another network: {error}"))?;
        Ok(Network { trunk, head })
    }
}

fn digest(network: &Network) -> String {
    let mut hash = Sha256::new();
    for value in params::read(network) {
        for number in value.numbers {
            hash.update(number.to_le_bytes());
        }
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Backend;
    use crate::model::{Architecture, Task};

    fn network(task: Task, seed: u64) -> Network {
        let device = Backend::Flex.device();
        device.seed(seed);
        Architecture::original(task, 5).init(&device)
    }

    #[test]
    fn the_trunk_is_taken_over_and_the_head_is_not() {
        let other = network(Task::Emotion, 1);
        let pretrained = Pretrained {
            stages: 2,
            seen: Seen::default(),
            digest: digest(&other),
            network: other.clone(),
        };
        let fresh = network(Task::Keypoints, 2);
        let numbers = |network: &Network| -> Vec<Vec<f32>> {
            let values = params::read(network).into_iter();
            values.map(|value| value.numbers).collect()
        };
        let (trunk, new) = (numbers(&other), numbers(&fresh));
        let grafted = numbers(&pretrained.graft(fresh).unwrap());
        // A head of one dense layer ends the other network.
        let shared = trunk.len() - 2;
        assert!(trunk[..shared] != new[..shared]);
        assert!(grafted[..shared] == trunk[..shared], "trunk");
        assert!(grafted[shared..] == new[shared..], "head");
    }
}
