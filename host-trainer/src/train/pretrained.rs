//! A training that begins with what another one has learnt, trunk or all, instead of random weights.
//!
//! What the other network has seen counts as seen by the new one: its faces are noted in the new run, and a
//! test part that holds more than a few of them is refused. Of a bundle without its data nobody knows them.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::Module;
use sha2::{Digest, Sha256};

use super::folded::FoldedNetwork;
use super::params::{self, NORMED};
use super::prepare::Prepared;
use super::seen::SeenFaces;
use super::shipped::Shipped;
use super::take_over;
use super::trained::Trained;
use crate::config::TrainConfig;
use crate::fingerprint::hex;
use crate::model::head::{End, HeadConfig};
use crate::model::{Network, Task};
use crate::target::Target;

/// One in this many faces of a test part may have been seen: less than any figure shows.
const TOLERATED: usize = 1000;

/// A trained network, and the faces that it has seen.
pub struct Pretrained {
    weights: Weights,
    /// What its training was, or what its bundle says of that.
    config: TrainConfig,
    /// How its outputs become pixels.
    target: Target,
    /// `None` where nobody can tell.
    seen: Option<SeenFaces>,
    digest: String,
    /// Whether a training begins with its head, too.
    head: bool,
}

enum Weights {
    Trained(Box<Network>),
    /// Its batch normalisation is put back when the new data is there.
    Folded(FoldedNetwork),
}

/// The classes of a training that begins with another network's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassesBegun {
    /// Those that the other network knows.
    pub taken_over: Vec<String>,
    /// Those that begin with random weights.
    pub fresh: Vec<String>,
}

impl Pretrained {
    /// Loads the best weights of a run.
    pub fn of_run(run: &Path) -> Result<Self> {
        let shipped = Shipped::of_run(run)?;
        let seen = SeenFaces::of_run(run)?
            .with_context(|| format!("{} does not say which faces it has seen: train it again", run.display()))?;
        Ok(Self {
            digest: digest(&shipped.network),
            weights: Weights::Trained(Box::new(shipped.network)),
            target: shipped.state.target,
            config: shipped.state.config,
            seen: Some(seen),
            head: false,
        })
    }

    /// The emotion or keypoint network of a bundle, whichever `data` was read for, and the faces that it has seen.
    ///
    /// A bundle does not say which faces these are, but by whose hash it was made: `prepared` is that data, divided
    /// as `trained` was. Its network comes without batch normalisation, which is put back as far as training needs
    /// it: with the statistics of these very faces, so that the network gives what it gave.
    pub fn of_bundle(trained: &Trained, prepared: &Prepared) -> Result<Self> {
        if [&trained.data, &trained.held_out] != [&prepared.data, &prepared.held_out] {
            bail!("this is not the data that the bundle's network was trained on");
        }
        let folded = FoldedNetwork::read(trained)?;
        Ok(Self {
            weights: Weights::Trained(Box::new(folded.unfolded(prepared)?)),
            seen: Some(SeenFaces::of(prepared)),
            ..Self::of_bundle_alone(trained)?
        })
    }

    /// The same without the data that it was trained on: nobody can tell which faces it has seen.
    ///
    /// Its batch normalisation is put back with the statistics of the new training's faces.
    pub fn of_bundle_alone(trained: &Trained) -> Result<Self> {
        Ok(Self {
            weights: Weights::Folded(FoldedNetwork::read(trained)?),
            config: trained.config.clone(),
            target: Target::pixels(),
            seen: None,
            digest: hex(&Sha256::digest(&trained.onnx)),
            head: false,
        })
    }

    /// The same, but a training begins with its head as well as with its trunk.
    #[must_use]
    pub fn with_head(mut self) -> Self {
        self.head = true;
        self
    }

    /// Settings of a training that begins with it, before recipe and options: the original's, with what weights
    /// and head belong to where the head is taken over.
    pub fn settings(&self, task: Task) -> TrainConfig {
        let mut config = TrainConfig::original(task);
        if self.head && task == self.config.task {
            config.architecture = self.config.architecture;
            config.normalisation = self.config.normalisation;
            config.classes = self.config.classes.clone();
            // That of an emotion network may need votes, which only its own data has.
            if task == Task::Keypoints {
                config.loss = self.config.loss;
            }
        }
        config
    }

    /// Notes in the settings what the training begins with: SHA-256 in hexadecimal, of all its numbers as
    /// little-endian `f32`, or of a bundle's file.
    pub fn note(&self, config: &mut TrainConfig) {
        let digest = Some(self.digest.clone());
        if self.head {
            config.from = digest;
        } else {
            config.trunk = digest;
        }
    }

    /// Refuses settings of a network that cannot begin with this one.
    pub fn check(&self, config: &TrainConfig) -> Result<()> {
        let [own, new] = [&self.config, config].map(|config| config.architecture);
        if own.stages != new.stages {
            bail!(
                "that trunk has {} residual stages, this network {}",
                own.stages,
                new.stages
            );
        }
        if !self.head {
            return Ok(());
        }
        if own.name() != new.name() {
            bail!("that network is {}, this one {}", own.name(), new.name());
        }
        if self.config.normalisation != config.normalisation {
            bail!(
                "that network was trained with the normalisation {:?}, the recipe asks for {:?}: leave \
                 `normalisation` out of it",
                self.config.normalisation,
                config.normalisation
            );
        }
        Ok(())
    }

    /// Which classes of an emotion network begin with this one's weights; `None` where the head is not taken over.
    pub fn classes_begun(&self, config: &TrainConfig) -> Option<ClassesBegun> {
        if !self.head || config.task != Task::Emotion {
            return None;
        }
        let (taken_over, fresh) = config
            .classes
            .iter()
            .map(str::to_owned)
            .partition(|class| self.config.classes.index(class).is_some());
        Some(ClassesBegun { taken_over, fresh })
    }

    /// Whether anybody can tell which faces it has seen.
    pub fn knows_what_it_has_seen(&self) -> bool {
        self.seen.is_some()
    }

    /// These faces and those that it is known to have seen.
    pub(super) fn seen_with(&self, own: SeenFaces) -> SeenFaces {
        match &self.seen {
            Some(seen) => own.and(seen),
            None => own,
        }
    }

    /// Faces of the test part that it has seen, as far as that is known; more than a few are refused.
    ///
    /// A data set may hold a face twice with two labels, one of which the other network's classes left out of its
    /// test part: such faces move no figure.
    pub(super) fn check_test_part(&self, prepared: &Prepared) -> Result<usize> {
        let faces = prepared.samples.data().faces();
        let Some(seen) = &self.seen else { return Ok(0) };
        let seen = seen.among(faces);
        // Rows are variants of faces in the original's protocol.
        let known = |row: &&u32| seen.binary_search(&(**row % faces.len() as u32)).is_ok();
        let test = &prepared.split.test;
        let count = test.iter().filter(known).count();
        if count * TOLERATED > test.len() {
            bail!(
                "{count} faces of the test part were seen by the network that this training would begin with; \
                 give it another one, trained with the same split"
            );
        }
        Ok(count)
    }

    /// `fresh`, a network with these settings, with this one's weights and running statistics: of the trunk, and of the
    /// head as far as the head is taken over.
    pub(super) fn graft(&self, fresh: Network, config: &TrainConfig, prepared: &Prepared) -> Result<Network> {
        let source = match &self.weights {
            Weights::Trained(network) => (**network).clone(),
            Weights::Folded(folded) => folded.unfolded(prepared)?,
        };
        let Network { trunk, head } = fresh;
        let trunk = trunk
            .try_load_record(source.trunk.clone().into_record())
            .map_err(|error| anyhow!("begin with the trunk of another network: {error}"))?;
        let network = Network { trunk, head };
        if !self.head {
            return Ok(network);
        }
        let mut values = params::numbers(&network);
        let first = NORMED * network.trunk.layers().len();
        let (own, other) = (&mut values[first..], &params::numbers(&source)[first..]);
        match config.task {
            Task::Emotion => take_over::classes(own, other, [&self.config.classes, &config.classes]),
            Task::Keypoints => {
                let linear = config.architecture.head != HeadConfig::KeypointsOriginal { end: End::Relu };
                take_over::points(own, other, [&self.target, prepared.samples.target()], linear)
            }
        }
        .context("begin with the head of another network")?;
        Ok(params::write(network, &values))
    }
}

fn digest(network: &Network) -> String {
    let mut hash = Sha256::new();
    for number in params::numbers(network).into_iter().flatten() {
        hash.update(number.to_le_bytes());
    }
    hex(&hash.finalize())
}

#[cfg(test)]
mod tests;
