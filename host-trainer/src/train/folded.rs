//! The network of a bundle as one that can be trained: its batch normalisation was folded away, and is put back.

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Tensor, TensorData};
use shared_model::image::SIDE;

use super::batch::Batch;
use super::params::{self, NORMED};
use super::prepare::Prepared;
use super::samples::View;
use crate::config::TrainConfig;
use crate::device::Backend;
use crate::model::trunk::{self, BatchStatistics, NORM_EPSILON};
use crate::model::{Architecture, Network};
use crate::onnx::{Dense, Folded, dense, unfold};

/// A network as its exported file has it.
#[derive(Clone)]
pub(super) struct FoldedNetwork {
    architecture: Architecture,
    pub(super) convolutions: Vec<Folded>,
    pub(super) dense: Vec<Dense>,
}

impl FoldedNetwork {
    /// Reads the network in 32-bit floats that a training with these settings made.
    pub(super) fn read(onnx: &[u8], config: &TrainConfig) -> Result<Self> {
        let architecture = config.architecture;
        let network = architecture.init(&Backend::Flex.device());
        let layers = network.layer_names();
        let (convolutions, rest) = layers.split_at(network.norms().len());
        Ok(Self {
            architecture,
            convolutions: unfold(onnx, convolutions).context("read the bundle's network")?,
            dense: dense(onnx, rest).context("read the bundle's network")?,
        })
    }

    /// The mean of the weights of networks of one architecture, each of which counts as much as any other.
    ///
    /// The weights are those of the file. There a normalisation is part of its convolution, so that networks with the
    /// same outputs have the same weights, whatever statistics their trainings kept.
    pub(super) fn mean(networks: Vec<Self>) -> Result<Self> {
        let share = 1.0 / networks.len() as f32;
        let mut networks = networks.into_iter().map(|mut own| {
            own.convolutions.iter_mut().for_each(settle);
            own
        });
        let mut mean = networks.next().context("a mean of no networks")?;
        scale(&mut mean, share);
        for other in networks {
            let layers = mean.convolutions.iter_mut().zip(&other.convolutions);
            for (at, (own, other)) in layers.enumerate() {
                ensure!(
                    own.scale == other.scale,
                    "channels of convolution {} fall in one network where they rise in the other: neither was trained \
                     from the other, nor both from a third one",
                    at + 1
                );
                add(&mut own.weight, &other.weight, share)?;
                add(&mut own.bias, &other.bias, share)?;
            }
            for (own, other) in mean.dense.iter_mut().zip(&other.dense) {
                add(&mut own.weight, &other.weight, share)?;
                add(&mut own.bias, &other.bias, share)?;
            }
        }
        Ok(mean)
    }

    /// A network that gives the same, each of whose convolutions is followed by a normalisation that the statistics
    /// of the training part undo.
    pub(super) fn unfolded(&self, prepared: &Prepared) -> Result<Network> {
        let network = self.architecture.init(&Backend::Flex.device());
        let mut values = params::numbers(&network);
        self.fill(&mut values)?;
        let network = params::write(network, &values);
        let statistics = statistics(&network, prepared);
        for ((own, layer), batch) in values.chunks_exact_mut(NORMED).zip(&self.convolutions).zip(&statistics) {
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

    /// The values of the file, with a normalisation that does nothing.
    fn fill(&self, values: &mut [Vec<f32>]) -> Result<()> {
        let put = |own: &mut Vec<f32>, new: &Vec<f32>| {
            if own.len() != new.len() {
                bail!("the bundle's network has other layers than its settings say");
            }
            own.clone_from(new);
            Ok(())
        };
        let (normed, rest) = values.split_at_mut(NORMED * self.convolutions.len());
        for (own, layer) in normed.chunks_exact_mut(NORMED).zip(&self.convolutions) {
            let new = [&layer.weight, &layer.bias, &layer.scale, &layer.shift];
            own.iter_mut().zip(new).try_for_each(|(own, new)| put(own, new))?;
            own[4].fill(0.0);
            own[5].fill(1.0 - NORM_EPSILON as f32);
        }
        let dense = self.dense.iter().flat_map(|layer| [&layer.weight, &layer.bias]);
        rest.iter_mut().zip(dense).try_for_each(|(own, new)| put(own, new))
    }
}

/// Rewrites a convolution so that of a kept normalisation nothing but the sign of its scale is left.
fn settle(layer: &mut Folded) {
    let each = layer.weight.len() / layer.bias.len().max(1);
    for channel in 0..layer.bias.len() {
        let (size, sign) = match layer.scale[channel] {
            scale if scale < 0.0 => (-scale, -1.0),
            scale => (scale, 1.0),
        };
        for weight in &mut layer.weight[channel * each..][..each] {
            *weight *= size;
        }
        layer.bias[channel] = layer.bias[channel] * size + sign * layer.shift[channel];
        (layer.scale[channel], layer.shift[channel]) = (sign, 0.0);
    }
}

fn scale(network: &mut FoldedNetwork, share: f32) {
    let convolutions = network.convolutions.iter_mut();
    let convolutions = convolutions.flat_map(|layer| [&mut layer.weight, &mut layer.bias]);
    let dense = network.dense.iter_mut();
    let dense = dense.flat_map(|layer| [&mut layer.weight, &mut layer.bias]);
    for value in convolutions.chain(dense).flatten() {
        *value *= share;
    }
}

fn add(mean: &mut [f32], other: &[f32], share: f32) -> Result<()> {
    ensure!(mean.len() == other.len(), "a layer has another size");
    for (mean, other) in mean.iter_mut().zip(other) {
        *mean += share * other;
    }
    Ok(())
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
        let moments = network.observe(Tensor::from_data(inputs, &Backend::Flex.device()));
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
