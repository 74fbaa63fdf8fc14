//! Heads: what turns the trunk's feature map into keypoints or logits.
//!
//! Three kinds: the original keypoint head (16.8 million parameters), a compact one with a tenth of
//! them, and the emotion head.

use burn::module::Module;
use burn::nn::pool::{AvgPool2d, AvgPool2dConfig};
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use shared_model::keypoints::COORDINATES;

use super::dropout::Dropout;
use super::task::Task;
use super::trunk::{BatchMoments, ConvNorm};

/// How a keypoint network ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// ReLU after the last layer, as in the original: no coordinate can be negative.
    Relu,
    /// Nothing after the last layer.
    Linear,
}

/// Which head a network has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
pub enum HeadConfig {
    /// Average pool 2, dense 4096 ReLU, dropout 0.2, dense 2048 ReLU, dropout 0.1, dense 30.
    KeypointsOriginal {
        /// `relu` in the original.
        end: End,
    },
    /// Convolution 1x1 to 64 channels, batch norm, ReLU, dropout 0.2, dense 256 ReLU, dense 30.
    KeypointsCompact,
    /// Average pool 4, dense to the classes.
    Emotion {
        /// Number of classes.
        classes: usize,
        /// Share of the features dropped in training; 0 in the original.
        dropout: f64,
    },
}

/// A head as a module.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a program holds one or two")]
pub enum Head {
    /// See [`HeadConfig::KeypointsOriginal`].
    KeypointsOriginal(OriginalHead),
    /// See [`HeadConfig::KeypointsCompact`].
    KeypointsCompact(CompactHead),
    /// See [`HeadConfig::Emotion`].
    Emotion(EmotionHead),
}

/// The dense layers of the original keypoint network.
#[derive(Module, Debug)]
pub struct OriginalHead {
    pool: AvgPool2d,
    dense1: Linear,
    dense2: Linear,
    dense3: Linear,
    relu_end: bool,
}

/// A keypoint head with a tenth of the original's parameters.
#[derive(Module, Debug)]
pub struct CompactHead {
    reduce: ConvNorm,
    dense1: Linear,
    dense2: Linear,
}

/// One dense layer over the averaged features.
#[derive(Module, Debug)]
pub struct EmotionHead {
    pool: AvgPool2d,
    dense: Linear,
    dropout: f64,
}

impl HeadConfig {
    /// Whether a network with this head gives what the task asks for.
    pub fn fits(&self, task: Task, classes: usize) -> bool {
        match *self {
            Self::KeypointsOriginal { .. } | Self::KeypointsCompact => task == Task::Keypoints,
            Self::Emotion { classes: own, dropout } => {
                task == Task::Emotion && own == classes && (0.0..1.0).contains(&dropout)
            }
        }
    }

    /// A head for a feature map of `channels` x `side` x `side`.
    pub(super) fn init(&self, channels: usize, side: usize, device: &Device) -> Head {
        match *self {
            Self::KeypointsOriginal { end } => {
                let pooled = side / 2;
                Head::KeypointsOriginal(OriginalHead {
                    pool: pool(2),
                    dense1: dense(channels * pooled * pooled, 4096, device),
                    dense2: dense(4096, 2048, device),
                    dense3: dense(2048, COORDINATES, device),
                    relu_end: end == End::Relu,
                })
            }
            Self::KeypointsCompact => Head::KeypointsCompact(CompactHead {
                reduce: ConvNorm::new([channels, 64], 1, device),
                dense1: dense(64 * side * side, 256, device),
                dense2: dense(256, COORDINATES, device),
            }),
            Self::Emotion { classes, dropout } => {
                // With a third stage the map is 2x2, smaller than the original's window of 4.
                let window = side.min(4);
                let pooled = side / window;
                Head::Emotion(EmotionHead {
                    pool: pool(window),
                    dense: dense(channels * pooled * pooled, classes, device),
                    dropout,
                })
            }
        }
    }
}

impl Head {
    /// Features `[n, c, h, w]` to outputs `[n, 30]` or `[n, classes]`.
    ///
    /// In training ([`Dropout::Training`]) batch statistics normalise, and those of the head's own
    /// batch normalisation are returned; otherwise the running statistics do.
    pub(crate) fn forward(&self, x: Tensor<4>, dropout: &mut Dropout) -> (Tensor<2>, Option<BatchMoments>) {
        match self {
            Self::KeypointsOriginal(head) => (head.forward(x, dropout), None),
            Self::KeypointsCompact(head) => head.forward(x, dropout),
            Self::Emotion(head) => (head.forward(x, dropout), None),
        }
    }

    /// The head's own convolution with batch normalisation, if it has one.
    pub(crate) fn conv_norm(&self) -> Option<&ConvNorm> {
        match self {
            Self::KeypointsCompact(head) => Some(&head.reduce),
            Self::KeypointsOriginal(_) | Self::Emotion(_) => None,
        }
    }

    /// The last dense layer.
    pub(crate) fn last_mut(&mut self) -> &mut Linear {
        match self {
            Self::KeypointsOriginal(head) => &mut head.dense3,
            Self::KeypointsCompact(head) => &mut head.dense2,
            Self::Emotion(head) => &mut head.dense,
        }
    }

    /// Names of convolutions and dense layers, in the order in which they run.
    pub(crate) fn layer_names(&self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::KeypointsOriginal(_) => &["dense1", "dense2", "dense3"],
            Self::KeypointsCompact(_) => &["reduce", "dense1", "dense2"],
            Self::Emotion(_) => &["dense"],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

impl OriginalHead {
    fn forward(&self, x: Tensor<4>, dropout: &mut Dropout) -> Tensor<2> {
        let mut x = self.pool(x);
        for (layer, drops) in self.hidden() {
            x = dropout.apply(relu(layer.forward(x)), drops);
        }
        let x = self.dense3.forward(x);
        if self.relu_end { relu(x) } else { x }
    }

    /// Features `[n, c, h, w]` to what the dense layers take, `[n, values]`.
    pub(crate) fn pool(&self, x: Tensor<4>) -> Tensor<2> {
        self.pool.forward(x).flatten(1, 3)
    }

    /// The layers with `ReLU` and dropout behind them, each with the part that is dropped.
    pub(crate) fn hidden(&self) -> [(&Linear, f64); 2] {
        [(&self.dense1, 0.2), (&self.dense2, 0.1)]
    }

    /// The layer that gives the coordinates.
    pub(crate) fn last(&self) -> &Linear {
        &self.dense3
    }

    /// Whether `ReLU` ends the network.
    pub(crate) fn relu_end(&self) -> bool {
        self.relu_end
    }
}

impl CompactHead {
    fn forward(&self, x: Tensor<4>, dropout: &mut Dropout) -> (Tensor<2>, Option<BatchMoments>) {
        let (x, moments) = if dropout.is_training() {
            let (x, moments) = self.reduce.forward_train(x);
            (x, Some(moments))
        } else {
            (self.reduce.forward(x), None)
        };
        let x = dropout.apply(relu(x).flatten(1, 3), 0.2);
        let x = relu(self.dense1.forward(x));
        (self.dense2.forward(x), moments)
    }
}

impl EmotionHead {
    fn forward(&self, x: Tensor<4>, dropout: &mut Dropout) -> Tensor<2> {
        let x = self.pool.forward(x).flatten(1, 3);
        self.dense.forward(dropout.apply(x, self.dropout))
    }
}

fn pool(window: usize) -> AvgPool2d {
    AvgPool2dConfig::new([window, window])
        .with_strides([window, window])
        .init()
}

/// Glorot-uniform weights and zero biases, as Keras initialises them.
fn dense(input: usize, output: usize, device: &Device) -> Linear {
    let mut layer = LinearConfig::new(input, output)
        .with_initializer(Initializer::XavierUniform { gain: 1.0 })
        .init(device);
    layer.bias = Some(Initializer::Zeros.init([output], device));
    layer
}
