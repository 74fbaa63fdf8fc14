//! The network that a training begins with: that of a run, or of a bundle, or the mean of several.
//!
//! A bundle's file has its batch norm folded into the convolutions. It is put back: what the convolutions give on samples
//! of the new training sets the statistics, and scale and shift undo them, so that the network answers as before.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use inference::bundle::Bundle;
use sha2::{Digest, Sha256};
use shared_model::manifest::{FILE_NAME, FileRef, Precision};

use super::checkpoint::Checkpoint;
use super::compose::Composer;
use super::engine::{Folded, FoldedLayer, Layer, NORM_EPSILON, Plane, param_ranges};
use super::network::{ARCHITECTURE, MEAN, SPREAD, layers};
use super::optimiser::Weights;
use crate::fingerprint::hex;
use crate::onnx::graph::Graph;

/// Samples whose values set the statistics.
const SAMPLES: usize = 256;
/// Their step: no training comes that far.
const STEP: u64 = u64::MAX;
/// Weights of a channel that are smaller on average are left as they are: the channel is dead.
const DEAD: f32 = 1e-6;

/// A trained network whose weights a new training begins with.
pub struct Pretrained {
    weights: Source,
    /// SHA-256 of its weights, or of its file, in hexadecimal; of a mean, those of all networks.
    digest: String,
    /// SHA-256 of the pictures that it was trained on; of a mean, those of all.
    data: Vec<String>,
}

enum Source {
    Run(Vec<f32>, Vec<f32>),
    File(Folded),
}

impl Source {
    /// As a file has the weights.
    fn folded(&self) -> Folded {
        match self {
            Self::Run(params, statistics) => Folded::new(&layers(), params, statistics),
            Self::File(network) => network.clone(),
        }
    }
}

impl Pretrained {
    /// The averaged weights of a run, or the detector of a bundle in 32-bit floats.
    ///
    /// # Errors
    /// Where nothing can be read, the bundle has no such detector, or it has another form.
    pub fn open(place: &Path) -> Result<Self> {
        let opened = if place.join(FILE_NAME).exists() {
            Self::of_bundle(&Bundle::open(place)?)
        } else {
            Checkpoint::load(place).map(Self::of_run).map_err(Into::into)
        };
        opened.with_context(|| format!("begin with the detector of {}", place.display()))
    }

    /// The mean of the weights of these networks (Wortsman et al., 2022), of which each counts as much as any other.
    ///
    /// It is of use where the networks were trained from one another. Batch norm is folded away before, and put back with
    /// the statistics of the new training's samples.
    ///
    /// # Errors
    /// No network at all.
    pub fn mean(networks: Vec<Self>) -> Result<Self> {
        let share = 1.0 / networks.len() as f32;
        let mut networks = networks.into_iter();
        let mut mean = networks.next().context("a mean of no networks")?;
        if networks.len() == 0 {
            return Ok(mean);
        }
        let mut sum = mean.weights.folded();
        for other in networks {
            sum.add(&other.weights.folded());
            mean.digest = format!("{}, {}", mean.digest, other.digest);
            mean.data.extend(other.data);
        }
        sum.scale(share);
        mean.weights = Source::File(sum);
        Ok(mean)
    }

    fn of_run(checkpoint: Checkpoint) -> Self {
        let Weights {
            average,
            average_statistics,
            ..
        } = checkpoint.weights;
        let mut hash = Sha256::new();
        for value in average.iter().chain(&average_statistics) {
            hash.update(value.to_le_bytes());
        }
        Self {
            weights: Source::Run(average, average_statistics),
            digest: hex(&hash.finalize()),
            data: vec![checkpoint.state.data],
        }
    }

    fn of_bundle(bundle: &Bundle) -> Result<Self> {
        let entry = bundle.manifest().detector.as_ref();
        let entry = entry.context("the bundle holds no detector; name one with a detector, or a run")?;
        let architecture = entry.architecture.as_str();
        ensure!(
            architecture == ARCHITECTURE,
            "its network is {architecture}, and this version trains {ARCHITECTURE}; name another bundle or run, or leave \
             --from out"
        );
        let normalisation = &entry.normalisation;
        ensure!(
            (normalisation.mean, normalisation.spread) == (MEAN, SPREAD),
            "its network wants pixels less {}, divided by {}, and this version trains with {MEAN} and {SPREAD}; name \
             another bundle or run, or leave --from out",
            normalisation.mean,
            normalisation.spread
        );
        let file = entry.file(Precision::F32);
        let file =
            file.context("the bundle holds its detector in 8-bit integers alone; name one with 32-bit floats")?;
        let onnx = bundle.read(FileRef::from(file))?;
        Ok(Self {
            weights: Source::File(folded(&onnx).with_context(|| format!("read {}", file.path.as_str()))?),
            digest: hex(&Sha256::digest(&onnx)),
            data: vec![entry.training.data.as_str().to_owned()],
        })
    }

    /// SHA-256 of what the network is, in hexadecimal: of a run's weights, or of a bundle's file; of a mean, a list.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Whether it was trained on the pictures with this fingerprint, so that those held out are new to it.
    pub fn was_trained_on(&self, fingerprint: &str) -> bool {
        self.data.iter().all(|data| data == fingerprint)
    }

    /// What a training begins with.
    pub(super) fn weights(&self, composer: &Composer<'_>, input: [usize; 2]) -> Weights {
        let (params, statistics) = match &self.weights {
            Source::Run(params, statistics) => (params.clone(), statistics.clone()),
            Source::File(network) => unfolded(network, composer, input),
        };
        Weights::new(params, statistics)
    }
}

/// The layers of a file that [`super::export::onnx`] wrote.
fn folded(onnx: &[u8]) -> Result<Folded> {
    let graph = Graph::read(onnx)?;
    let layers = layers().into_iter().map(|layer| one(&graph, layer));
    Ok(Folded {
        layers: layers.collect::<Result<_>>()?,
    })
}

fn one(graph: &Graph, layer: Layer) -> Result<FoldedLayer> {
    let constant = |part: &str, wanted: &[usize]| {
        let name = format!("{}.{part}", layer.name);
        let Some(found) = graph.weights.get(&name) else {
            bail!("there is no {name}; name a bundle whose detector this trainer has made");
        };
        ensure!(
            found.dims == wanted && found.values.len() == wanted.iter().product::<usize>(),
            "{name} is of {:?}, and this version trains {wanted:?}; name another bundle or run, or leave --from out",
            found.dims
        );
        Ok(&found.values)
    };
    let (inputs, taps) = (layer.inputs, layer.kernel * layer.kernel);
    let planar = constant("weight", &[layer.outputs, inputs, layer.kernel, layer.kernel])?;
    let bias = constant("bias", &[layer.outputs])?.clone();
    let mut weight = Vec::with_capacity(planar.len());
    for planar in planar.chunks_exact(inputs * taps) {
        for tap in 0..taps {
            weight.extend((0..inputs).map(|input| planar[input * taps + tap]));
        }
    }
    Ok(FoldedLayer { layer, weight, bias })
}

/// Sums over one channel of a layer's convolution.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    sum: f64,
    square: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        let value = f64::from(value);
        self.count += 1.0;
        self.sum += value;
        self.square += value * value;
    }

    /// Mean and biased variance.
    fn settled(&self) -> [f32; 2] {
        let mean = self.sum / self.count.max(1.0);
        let variance = (self.square / self.count.max(1.0) - mean * mean).max(0.0);
        [mean as f32, variance as f32]
    }
}

/// Parameters and running statistics of a network that answers as this one does.
///
/// The weights of each channel are as large as a new network's, so that a step of the optimiser changes them as much.
fn unfolded(network: &Folded, composer: &Composer<'_>, input: [usize; 2]) -> (Vec<f32>, Vec<f32>) {
    let layers: Vec<Layer> = network.layers.iter().map(|folded| folded.layer.clone()).collect();
    let (ranges, params, statistics) = param_ranges(&layers);
    let (mut params, mut statistics) = (vec![0.0; params], vec![0.0; statistics]);
    let moments = moments(network, composer, input);
    for ((folded, range), moments) in network.layers.iter().zip(&ranges).zip(&moments) {
        params[range.weight.clone()].copy_from_slice(&folded.weight);
        params[range.beta.clone()].copy_from_slice(&folded.bias);
        if !folded.layer.has_norm() {
            continue;
        }
        let taps = folded.layer.taps();
        for (channel, moments) in moments.iter().enumerate() {
            let weights = &mut params[range.weight.clone()][channel * taps..(channel + 1) * taps];
            let size = (weights.iter().map(|weight| weight * weight).sum::<f32>() / taps as f32).sqrt();
            let new = (2.0 / taps as f32).sqrt();
            let factor = if size > DEAD { size / new } else { 1.0 };
            for weight in weights {
                *weight /= factor;
            }
            // With the bias; the convolution that is trained has none.
            let [mean, variance] = moments.settled();
            let variance = variance / (factor * factor);
            params[range.gamma.start + channel] = factor * (variance + NORM_EPSILON).sqrt();
            params[range.beta.start + channel] = mean;
            statistics[range.mean.start + channel] = (mean - folded.bias[channel]) / factor;
            statistics[range.variance.start + channel] = variance;
        }
    }
    (params, statistics)
}

/// What each channel of each layer's convolution, bias included, comes to on samples of the new training.
fn moments(network: &Folded, composer: &Composer<'_>, [columns, rows]: [usize; 2]) -> Vec<Vec<Moments>> {
    let channels = network.layers.iter().map(|folded| folded.layer.outputs);
    let mut moments: Vec<Vec<Moments>> = channels.map(|count| vec![Moments::default(); count]).collect();
    for place in 0..SAMPLES {
        let pixels = composer.sample(STEP, place).pixels;
        let values: Vec<f32> = pixels.into_iter().map(|pixel| (pixel - MEAN) / SPREAD).collect();
        network.run_seen(&values, Plane { columns, rows }, &mut |layer, map| {
            let moments = &mut moments[layer];
            for pixel in map.chunks_exact(moments.len()) {
                moments.iter_mut().zip(pixel).for_each(|(sums, value)| sums.add(*value));
            }
        });
    }
    moments
}

#[cfg(test)]
mod tests;
