//! A training that begins with what another one has learnt, trunk or all, instead of random weights.
//!
//! What the other network has seen counts as seen by the new one: its faces are noted in the new run, and a
//! test part that holds more than a few of them is refused. Of a bundle without its data nobody knows them.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
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
use crate::model::{Network, Task, drawing};
use crate::onnx::{Description, export};
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
    /// Those that are known.
    seen: SeenFaces,
    /// Whether nobody can tell which other faces it has seen.
    unknown: bool,
    /// SHA-256 of the network, or of each whose mean it is.
    digests: Vec<String>,
    /// Whether a training begins with its head, too.
    head: bool,
}

enum Weights {
    Trained(Box<Network>),
    /// Without batch normalisation, as a file has it.
    Folded {
        folded: FoldedNetwork,
        /// The same with batch normalisation; `None` where that is put back when the new data is there.
        unfolded: Option<Box<Network>>,
    },
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
    /// Loads the best weights of a run, or those of one of its checkpoints.
    pub fn of_run(run: &Path) -> Result<Self> {
        let shipped = Shipped::of_run(run)?;
        let seen = SeenFaces::of_run(run)?
            .with_context(|| format!("{} does not say which faces it has seen: train it again", run.display()))?;
        Ok(Self {
            digests: vec![digest(&shipped.network)],
            weights: Weights::Trained(Box::new(shipped.network)),
            target: shipped.state.target,
            config: shipped.state.config,
            seen,
            unknown: false,
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
        let folded = FoldedNetwork::read(&trained.onnx, &trained.config)?;
        let drawing = drawing();
        let unfolded = Some(Box::new(folded.unfolded(prepared)?));
        drop(drawing);
        Ok(Self {
            weights: Weights::Folded { folded, unfolded },
            seen: SeenFaces::of(prepared),
            unknown: false,
            ..Self::of_bundle_alone(trained)?
        })
    }

    /// The same without the data that it was trained on: nobody can tell which faces it has seen.
    ///
    /// Its batch normalisation is put back with the statistics of the new training's faces.
    pub fn of_bundle_alone(trained: &Trained) -> Result<Self> {
        Ok(Self {
            weights: Weights::Folded {
                folded: FoldedNetwork::read(&trained.onnx, &trained.config)?,
                unfolded: None,
            },
            config: trained.config.clone(),
            target: Target::pixels(),
            seen: SeenFaces::default(),
            unknown: true,
            digests: vec![hex(&Sha256::digest(&trained.onnx))],
            head: false,
        })
    }

    /// The mean of the weights of these networks, each with its name: a *model soup* (Wortsman et al., 2022).
    ///
    /// It is of use where the networks were fine-tuned from one another or from a third one; then it is often better
    /// than each of them. What any of them has seen counts as seen. Batch normalisation is folded away before, and put
    /// back with the statistics of the new training's faces.
    ///
    /// # Errors
    /// Networks that do not compute the same kind of function; the message names two of them and what differs.
    pub fn mean(networks: Vec<(String, Self)>) -> Result<Self> {
        let mut networks = networks.into_iter();
        let (first, mut mean) = networks.next().context("a mean of no networks")?;
        let mut folded = vec![mean.folded()?];
        for (name, other) in networks {
            mean.check_mean_with(&other).with_context(|| {
                format!(
                    "{first} and {name} have no mean: give networks that were trained from one another, or only one"
                )
            })?;
            folded.push(other.folded().with_context(|| format!("read {name}"))?);
            mean.seen = mean.seen.and(&other.seen);
            mean.unknown |= other.unknown;
            mean.digests.extend(other.digests);
        }
        let folded = FoldedNetwork::mean(folded).context("the mean of the networks")?;
        Ok(Self {
            weights: Weights::Folded { folded, unfolded: None },
            // As its file would have them.
            target: Target::pixels(),
            ..mean
        })
    }

    /// Refuses a network whose weights mean something else.
    fn check_mean_with(&self, other: &Self) -> Result<()> {
        let [own, theirs] = [&self.config, &other.config];
        let [names, classes] = [
            [own, theirs].map(|config| config.architecture.name()),
            [own, theirs].map(|config| config.classes.iter().collect::<Vec<_>>().join(", ")),
        ];
        ensure!(names[0] == names[1], "one is {}, the other {}", names[0], names[1]);
        ensure!(
            own.task != Task::Emotion || own.classes == theirs.classes,
            "one knows the classes {}, the other {}",
            classes[0],
            classes[1]
        );
        ensure!(
            own.normalisation == theirs.normalisation,
            "one was trained with the normalisation {:?}, the other with {:?}",
            own.normalisation,
            theirs.normalisation
        );
        Ok(())
    }

    /// Its weights as a file has them.
    fn folded(&self) -> Result<FoldedNetwork> {
        match &self.weights {
            Weights::Folded { folded, .. } => Ok(folded.clone()),
            Weights::Trained(network) => {
                let onnx = export(network, &self.target, &Description::of(&self.config))?;
                FoldedNetwork::read(&onnx, &self.config)
            }
        }
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
    /// little-endian `f32`, or of a bundle's file. Of a mean each network is noted.
    pub fn note(&self, config: &mut TrainConfig) {
        if self.head {
            config.from.clone_from(&self.digests);
        } else {
            config.trunk = self.digests.first().cloned();
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
        !self.unknown
    }

    /// Of how many networks it is the mean.
    pub fn networks(&self) -> usize {
        self.digests.len()
    }

    /// These faces and those that it is known to have seen.
    pub(super) fn seen_with(&self, own: SeenFaces) -> SeenFaces {
        own.and(&self.seen)
    }

    /// Faces of the test part that it has seen, as far as that is known; more than a few are refused.
    ///
    /// A data set may hold a face twice with two labels, one of which the other network's classes left out of its
    /// test part: such faces move no figure.
    pub(super) fn check_test_part(&self, prepared: &Prepared) -> Result<usize> {
        let faces = prepared.samples.data().faces();
        let seen = self.seen.among(faces);
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
            Weights::Trained(network)
            | Weights::Folded {
                unfolded: Some(network),
                ..
            } => (**network).clone(),
            Weights::Folded { folded, .. } => folded.unfolded(prepared)?,
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
