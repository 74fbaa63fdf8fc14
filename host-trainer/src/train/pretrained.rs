//! A trunk that begins with what another training has learnt, instead of random weights.
//!
//! What the other network has seen counts as seen by the new one: its faces are noted in the new run, and a
//! test part that holds more than a few of them is refused.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use sha2::{Digest, Sha256};
use shared_model::image::SIDE;

use super::batch::Batch;
use super::params;
use super::prepare::Prepared;
use super::samples::View;
use super::seen::Seen;
use super::shipped::Shipped;
use super::trained::Trained;
use crate::device::Backend;
use crate::fingerprint::hex;
use crate::model::Network;
use crate::model::trunk::{self, BatchStatistics, NORM_EPSILON};
use crate::onnx::{Folded, unfold};

/// One in this many faces of a test part may have been seen: less than any figure shows.
const TOLERATED: usize = 1000;

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

    /// The emotion or keypoint network of a bundle, whichever `data` was read for, and the faces that it has seen.
    ///
    /// A bundle does not say which faces these are, but by whose hash it was made: `prepared` is that data, divided
    /// as `trained` was. Its network comes without batch normalisation, which is put back as far as training needs
    /// it: with the statistics of these very faces, so that the network gives what it gave.
    pub fn of_bundle(trained: &Trained, prepared: &Prepared) -> Result<Self> {
        if [&trained.data, &trained.held_out] != [&prepared.data, &prepared.held_out] {
            bail!("this is not the data that the bundle's network was trained on");
        }
        let device = Backend::Flex.device();
        let network = trained.config.architecture.init(&device);
        let layers: Vec<String> = network.trunk.layers().into_iter().map(|(name, _)| name).collect();
        let folded = unfold(&trained.onnx, &layers).context("read the bundle's network")?;
        Ok(Self {
            network: unfolded(network, &folded, prepared)?,
            stages: trained.config.architecture.stages,
            seen: Seen::of(prepared),
            digest: hex(&Sha256::digest(&trained.onnx)),
        })
    }

    /// SHA-256 in hexadecimal: of all its numbers as little-endian `f32`, or of a bundle's file.
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

    /// Faces of the test part that it has seen; more than a few are refused.
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
                "{count} faces of the test part were seen by the network whose trunk this training would begin with; \
                 give it another one, trained with the same split"
            );
        }
        Ok(count)
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

/// The trunk of `network` with these convolutions, each followed by a normalisation that the statistics of the
/// training part undo.
fn unfolded(network: Network, folded: &[Folded], prepared: &Prepared) -> Result<Network> {
    let mut values: Vec<Vec<f32>> = params::read(&network).into_iter().map(|value| value.numbers).collect();
    // A layer is read as weight, bias, gamma, beta, running mean, running variance.
    for (own, layer) in values.chunks_exact_mut(6).zip(folded) {
        let new = [&layer.weight, &layer.bias, &layer.scale, &layer.shift];
        if own.iter().zip(new).any(|(own, new)| own.len() != new.len()) {
            bail!("the bundle's network has other layers than its settings say");
        }
        own[0].clone_from(&layer.weight);
        own[1].clone_from(&layer.bias);
        own[2].clone_from(&layer.scale);
        own[3].clone_from(&layer.shift);
        own[4].fill(0.0);
        own[5].fill(1.0 - NORM_EPSILON as f32);
    }
    let network = params::write(network, &values);
    let statistics = statistics(&network, prepared);
    for ((own, layer), batch) in values.chunks_exact_mut(6).zip(folded).zip(&statistics) {
        #[allow(clippy::needless_range_loop, reason = "a channel is an index into six lists")]
        for channel in 0..layer.bias.len() {
            let (mean, variance) = (batch.mean[channel], batch.variance[channel]);
            own[2][channel] = layer.scale[channel] * (variance + NORM_EPSILON as f32).sqrt();
            own[3][channel] = layer.shift[channel] + layer.scale[channel] * mean;
            own[4][channel] = mean;
            own[5][channel] = variance;
        }
    }
    Ok(params::write(network, &values))
}

/// Mean and variance before each normalisation over varied faces of the training part.
fn statistics(network: &Network, prepared: &Prepared) -> Vec<BatchStatistics> {
    const FACES: usize = 512;
    const BATCH: usize = 64;
    let train = &prepared.split.train;
    let step = (train.len() / FACES).max(1);
    let rows: Vec<u32> = train.iter().step_by(step).take(FACES).copied().collect();
    let (mut batch, mut sums) = (Batch::default(), Vec::new());
    for rows in rows.chunks(BATCH) {
        prepared.samples.fill(rows, View::Varied { epoch: 0 }, &mut batch);
        let inputs = TensorData::new(batch.inputs.clone(), [batch.len, 1, SIDE, SIDE]);
        let moments = network
            .trunk
            .observe(Tensor::from_data(inputs, &Backend::Flex.device()));
        let share = rows.len() as f64;
        for (layer, moments) in moments.into_iter().enumerate() {
            let (mean, variance) = (trunk::values(moments.mean), trunk::values(moments.variance));
            if sums.len() == layer {
                sums.push(vec![[0.0; 2]; mean.len()]);
            }
            for (sum, (mean, variance)) in sums[layer].iter_mut().zip(mean.into_iter().zip(variance)) {
                let (mean, variance) = (f64::from(mean), f64::from(variance));
                *sum = [sum[0] + share * mean, sum[1] + share * (variance + mean * mean)];
            }
        }
    }
    let count = rows.len() as f64;
    let of_layer = |sums: Vec<[f64; 2]>| BatchStatistics {
        mean: sums.iter().map(|sum| (sum[0] / count) as f32).collect(),
        variance: sums
            .iter()
            .map(|[mean, square]| ((square / count - (mean / count).powi(2)).max(0.0)) as f32)
            .collect(),
    };
    sums.into_iter().map(of_layer).collect()
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
    use inference::Views;

    use super::*;
    use crate::config::TrainConfig;
    use crate::data::{EmotionData, Faces};
    use crate::measure::{Exported, Judged};
    use crate::model::{Architecture, Task};
    use crate::onnx::{Description, export};
    use crate::target::Target;
    use crate::train::samples::Data;

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

    /// Twenty faces without any pattern, divided.
    fn prepared(config: &TrainConfig) -> Prepared {
        let pixels = (0..20 * SIDE * SIDE).map(|at| (at * 7919 % 251) as u8).collect();
        let data = EmotionData {
            classes: config.classes.clone(),
            faces: Faces::new(SIDE, pixels).unwrap(),
            labels: (0..20).map(|row| row % 5).collect(),
            labelled: vec![true; 20],
            votes: None,
            sets: vec![0],
            usage: None,
            groups: (0..20).collect(),
            rows: (1..=20).collect(),
            csv_rows: 20,
        };
        Prepared::new(Data::Emotion(data), config).unwrap()
    }

    /// Values of a network whose running statistics are neither 0 nor 1, some of whose scales are negative.
    fn worn(config: &TrainConfig) -> Vec<Vec<f32>> {
        let network = config.architecture.init(&Backend::Flex.device());
        let mut values: Vec<Vec<f32>> = params::read(&network).into_iter().map(|value| value.numbers).collect();
        for layer in values.chunks_exact_mut(6) {
            for channel in 0..layer[1].len() {
                let part = (channel * 37 % 17) as f32 / 17.0;
                layer[2][channel] = if channel % 5 == 0 { -0.5 } else { 0.6 + part };
                layer[3][channel] = 0.3 - part;
                layer[4][channel] = part - 0.5;
                layer[5][channel] = 0.5 + part;
            }
        }
        values
    }

    /// A network of its own with these values: an exported one shares its running statistics with the export.
    fn made(config: &TrainConfig, values: &[Vec<f32>]) -> Network {
        params::write(config.architecture.init(&Backend::Flex.device()), values)
    }

    #[test]
    fn the_network_of_a_bundle_gives_in_training_what_it_gave_in_use() {
        let config = TrainConfig::original(Task::Emotion);
        let prepared = prepared(&config);
        let values = worn(&config);
        let description = Description::of(&config);
        let trained = Trained {
            onnx: export(&made(&config, &values), &Target::pixels(), &description).unwrap(),
            int8: None,
            views: Views::Plain,
            parameters: 0,
            epoch: 1,
            rows: 1,
            data: prepared.data.clone(),
            held_out: prepared.held_out.clone(),
            config: config.clone(),
        };
        let pretrained = Pretrained::of_bundle(&trained, &prepared).unwrap();
        let grafted = pretrained.graft(made(&config, &values)).unwrap();
        let trunk = params::read(&grafted);
        let Data::Emotion(data) = prepared.samples.data() else {
            panic!("emotions")
        };
        let logits = |network: &Network| {
            let onnx = export(network, &Target::pixels(), &description).unwrap();
            let exported = Exported {
                onnx: &onnx,
                normalisation: config.normalisation,
                views: Views::Plain,
            };
            let scores = Judged::new(exported, data, &[0, 7]).unwrap().scores(1.0).unwrap();
            scores
                .iter()
                .flat_map(|(scores, _)| scores.as_slice().to_vec())
                .collect::<Vec<f32>>()
        };
        let (before, after) = (logits(&made(&config, &values)), logits(&grafted));
        let near = before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(near, "{before:?} became {after:?}");
        // And its normalisation does what the statistics of the data ask for, as a batch's own will.
        assert!(trunk[4].numbers.iter().any(|mean| mean.abs() > 1e-3), "running means");

        let other = Trained {
            data: String::new(),
            ..trained
        };
        assert!(Pretrained::of_bundle(&other, &prepared).is_err());
    }
}
