//! Trunk and head together: one trainable network.

use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared_model::image::SIDE;

use super::dropout::Dropout;
use super::head::{End, Head, HeadConfig};
use super::task::Task;
use super::trunk::{BatchMoments, ConvNorm, Trunk};

/// Form of a network: all that must be known to build it before weights are loaded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Residual stages, 2 in the original, 3 at most.
    pub stages: usize,
    /// The layers between trunk and outputs.
    pub head: HeadConfig,
}

static DRAWING: Mutex<()> = Mutex::new(());

/// To be held while weights are drawn: no other training of this process, which may have seeded the generator, draws some in
/// between.
pub(crate) fn drawing() -> MutexGuard<'static, ()> {
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Architecture {
    /// The original's network for a task.
    pub fn original(task: Task, classes: usize) -> Self {
        let head = match task {
            Task::Keypoints => HeadConfig::KeypointsOriginal { end: End::Relu },
            Task::Emotion => HeadConfig::Emotion { classes, dropout: 0.0 },
        };
        Self { stages: 2, head }
    }

    /// A network with fresh weights; `device` decides whether gradients can be had.
    ///
    /// Seed the device before: the initial weights come from its generator, when they are first needed or replaced. It is the
    /// whole process's: who draws from it for a training keeps others from it.
    pub fn init(&self, device: &Device) -> Network {
        let (channels, side) = self.feature_map();
        Network {
            trunk: Trunk::new(self.stages, device),
            head: self.head.init(channels, side, device),
        }
    }

    /// Channels and side of the map that the trunk gives: 512 x 5 x 5, or 1024 x 2 x 2.
    pub(crate) fn feature_map(&self) -> (usize, usize) {
        match self.stages {
            1 => (256, 11),
            2 => (512, 5),
            _ => (1024, 2),
        }
    }

    /// A name for people and manifests.
    pub fn name(&self) -> String {
        let head = match self.head {
            HeadConfig::KeypointsOriginal { end: End::Relu } => "keypoints-original",
            HeadConfig::KeypointsOriginal { end: End::Linear } => "keypoints-original-linear",
            HeadConfig::KeypointsCompact => "keypoints-compact",
            HeadConfig::Emotion { .. } => "emotion",
        };
        format!("resnet{}-{head}", self.stages)
    }
}

/// What of a network stays as it is while the rest is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Freeze {
    /// The trunk; only the head learns.
    Trunk,
}

/// One of the two networks.
#[derive(Module, Debug)]
pub struct Network {
    pub(crate) trunk: Trunk,
    pub(crate) head: Head,
}

impl Network {
    /// Faces `[n, 1, 96, 96]` to outputs `[n, 30]` or logits `[n, classes]`, as in inference.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        debug_assert_eq!(x.dims()[2..], [SIDE, SIDE]);
        self.head.forward(self.trunk.forward(x), &mut Dropout::Inference).0
    }

    /// The same with batch statistics and dropout. The running statistics stay as they are; the batch
    /// statistics of every layer of [`Self::norms`] are returned.
    pub(crate) fn forward_train(&self, x: Tensor<4>, dropout: &mut Dropout) -> (Tensor<2>, Vec<BatchMoments>) {
        let (features, mut moments) = self.trunk.forward_train(x);
        let (output, own) = self.head.forward(features, dropout);
        moments.extend(own);
        (output, moments)
    }

    /// Statistics of this batch before each normalisation of [`Self::norms`], while every layer normalises as in
    /// inference.
    pub(crate) fn observe(&self, x: Tensor<4>) -> Vec<BatchMoments> {
        let (features, mut moments) = self.trunk.observe(x);
        let own = self.head.conv_norm();
        moments.extend(own.map(|layer| layer.forward_train(features).1));
        moments
    }

    /// Every convolution with batch normalisation, in the order of [`Trunk::layers`], the head's last.
    pub(crate) fn norms(&self) -> Vec<&ConvNorm> {
        self.trunk
            .layers()
            .into_iter()
            .map(|(_, layer)| layer)
            .chain(self.head.conv_norm())
            .collect()
    }

    /// Names of convolutions and dense layers, in the order in which they run.
    pub(crate) fn layer_names(&self) -> Vec<String> {
        self.trunk
            .layers()
            .into_iter()
            .map(|(name, _)| name)
            .chain(self.head.layer_names())
            .collect()
    }

    /// Number of parameters, the running statistics of batch normalisation included.
    pub fn parameters(&self) -> usize {
        self.num_params()
    }

    /// Number of parameters that a training changes by their gradients, the running statistics left out.
    pub fn trained_parameters(&self, freeze: Option<Freeze>) -> usize {
        let running = |layer: &ConvNorm| layer.norm.running_mean.value().dims()[0] * 2;
        let head = self.head.num_params() - self.head.conv_norm().map_or(0, running);
        if freeze == Some(Freeze::Trunk) {
            return head;
        }
        let trunk: usize = self.trunk.layers().iter().map(|(_, layer)| running(layer)).sum();
        head + self.trunk.num_params() - trunk
    }
}
