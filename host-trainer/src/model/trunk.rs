//! The residual trunk: stem and one to three residual stages.
//!
//! Shapes for a batch of `n` faces: `[n, 1, 96, 96]` -> stem 7x7/2 `[n, 64, 48, 48]` -> max pool 3/2
//! `[n, 64, 23, 23]` -> stage 1 `[n, 256, 11, 11]` -> stage 2 `[n, 512, 5, 5]` -> (stage 3
//! `[n, 1024, 2, 2]`).

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Initializer, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::module::batch_norm_train;
use burn::tensor::{Device, Tensor};

/// Keras adds this to the variance.
pub(crate) const NORM_EPSILON: f64 = 1e-3;
/// Share of a batch in the running statistics; Keras calls `1 - 0.01` the momentum.
const NORM_MOMENTUM: f64 = 0.01;

/// A convolution and the batch normalisation that belongs to it.
#[derive(Module, Debug)]
pub struct ConvNorm {
    pub(crate) conv: Conv2d,
    pub(crate) norm: BatchNorm,
}

impl ConvNorm {
    pub(crate) fn new(channels: [usize; 2], kernel: usize, device: &Device) -> Self {
        let padding = kernel / 2;
        Self::with_config(
            Conv2dConfig::new(channels, [kernel, kernel])
                .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding)),
            device,
        )
    }

    /// Glorot-uniform weights and zero biases, as Keras initialises them.
    fn with_config(config: Conv2dConfig, device: &Device) -> Self {
        let mut conv = config
            .with_initializer(Initializer::XavierUniform { gain: 1.0 })
            .init(device);
        let out = conv.weight.dims()[0];
        conv.bias = Some(Initializer::Zeros.init([out], device));
        Self {
            conv,
            norm: BatchNormConfig::new(out)
                .with_epsilon(NORM_EPSILON)
                .with_momentum(NORM_MOMENTUM)
                .init(device),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }

    /// Normalises with the statistics of the batch.
    pub(crate) fn forward_train(&self, x: Tensor<4>) -> (Tensor<4>, BatchMoments) {
        self.normalise_train(self.conv.forward(x))
    }

    fn normalise_train(&self, x: Tensor<4>) -> (Tensor<4>, BatchMoments) {
        let norm = &self.norm;
        let result = batch_norm_train(x, norm.gamma.val(), norm.beta.val(), norm.epsilon);
        let moments = BatchMoments {
            mean: result.mean.inner(),
            variance: result.variance.inner(),
        };
        (result.output, moments)
    }
}

/// Mean and biased variance of every channel of one batch.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchStatistics {
    /// Means of the values, one a channel.
    pub mean: Vec<f32>,
    /// Variances, divided by the count, not by the count less one.
    pub variance: Vec<f32>,
}

/// The same where it was computed, not yet read.
pub(crate) struct BatchMoments {
    pub(crate) mean: Tensor<1>,
    pub(crate) variance: Tensor<1>,
}

/// How a pass normalises: with running statistics, or with the batch's own, which are collected, or with
/// running statistics while the batch's are collected.
enum Pass<'a> {
    Inference,
    Training(&'a mut Vec<BatchMoments>),
    Observing(&'a mut Vec<BatchMoments>),
}

impl Pass<'_> {
    fn convolve(&mut self, layer: &ConvNorm, x: Tensor<4>) -> Tensor<4> {
        self.normalise(layer, layer.conv.forward(x))
    }

    /// Pools between convolution and normalisation, the order of the original.
    fn convolve_pooled(&mut self, layer: &ConvNorm, pool: &MaxPool2d, x: Tensor<4>) -> Tensor<4> {
        self.normalise(layer, pool.forward(layer.conv.forward(x)))
    }

    fn normalise(&mut self, layer: &ConvNorm, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Inference => layer.norm.forward(x),
            Self::Training(collected) => {
                let (x, moments) = layer.normalise_train(x);
                collected.push(moments);
                x
            }
            Self::Observing(collected) => {
                collected.push(layer.normalise_train(x.clone()).1);
                layer.norm.forward(x)
            }
        }
    }
}

/// Three convolutions, added to their own input.
#[derive(Module, Debug)]
pub struct IdentityBlock {
    a: ConvNorm,
    b: ConvNorm,
    c: ConvNorm,
}

impl IdentityBlock {
    fn new([f1, f2, f3]: [usize; 3], device: &Device) -> Self {
        Self {
            a: ConvNorm::new([f3, f1], 1, device),
            b: ConvNorm::new([f1, f2], 3, device),
            c: ConvNorm::new([f2, f3], 1, device),
        }
    }

    fn run(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let y = relu(pass.convolve(&self.a, x.clone()));
        let y = relu(pass.convolve(&self.b, y));
        relu(pass.convolve(&self.c, y) + x)
    }
}

/// Three convolutions that halve the map, added to a projection of their input.
#[derive(Module, Debug)]
pub struct ConvolutionBlock {
    a: ConvNorm,
    b: ConvNorm,
    c: ConvNorm,
    shortcut: ConvNorm,
    pool: MaxPool2d,
}

impl ConvolutionBlock {
    fn new(input: usize, [f1, f2, f3]: [usize; 3], device: &Device) -> Self {
        Self {
            a: ConvNorm::new([input, f1], 1, device),
            b: ConvNorm::new([f1, f2], 3, device),
            c: ConvNorm::new([f2, f3], 1, device),
            shortcut: ConvNorm::new([input, f3], 1, device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
        }
    }

    fn run(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let y = relu(pass.convolve_pooled(&self.a, &self.pool, x.clone()));
        let y = relu(pass.convolve(&self.b, y));
        let y = pass.convolve(&self.c, y);
        relu(y + pass.convolve_pooled(&self.shortcut, &self.pool, x))
    }
}

/// A convolution block and two identity blocks.
#[derive(Module, Debug)]
pub struct Stage {
    conv: ConvolutionBlock,
    iden1: IdentityBlock,
    iden2: IdentityBlock,
}

impl Stage {
    fn new(input: usize, filters: [usize; 3], device: &Device) -> Self {
        Self {
            conv: ConvolutionBlock::new(input, filters, device),
            iden1: IdentityBlock::new(filters, device),
            iden2: IdentityBlock::new(filters, device),
        }
    }

    fn run(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let x = self.conv.run(x, pass);
        let x = self.iden1.run(x, pass);
        self.iden2.run(x, pass)
    }

    fn layers(&self) -> [(&'static str, &ConvNorm); 10] {
        let Self { conv, iden1, iden2 } = self;
        [
            ("conv.a", &conv.a),
            ("conv.b", &conv.b),
            ("conv.c", &conv.c),
            ("conv.shortcut", &conv.shortcut),
            ("iden1.a", &iden1.a),
            ("iden1.b", &iden1.b),
            ("iden1.c", &iden1.c),
            ("iden2.a", &iden2.a),
            ("iden2.b", &iden2.b),
            ("iden2.c", &iden2.c),
        ]
    }
}

/// The convolutions that both tasks share: a stem and residual stages.
#[derive(Module, Debug)]
pub struct Trunk {
    stem: ConvNorm,
    pool: MaxPool2d,
    stages: Vec<Stage>,
}

impl Trunk {
    /// Two stages, or three where `stages` says so.
    pub fn new(stages: usize, device: &Device) -> Self {
        let stem = Conv2dConfig::new([1, 64], [7, 7])
            .with_stride([2, 2])
            .with_padding(PaddingConfig2d::Explicit(3, 3, 3, 3));
        let filters = [[64, 64, 256], [128, 128, 512], [256, 256, 1024]];
        let mut input = 64;
        let stages = filters[..stages]
            .iter()
            .map(|filters| {
                let stage = Stage::new(input, *filters, device);
                input = filters[2];
                stage
            })
            .collect();
        Self {
            stem: ConvNorm::with_config(stem, device),
            pool: MaxPool2dConfig::new([3, 3]).with_strides([2, 2]).init(),
            stages,
        }
    }

    /// `[n, 1, 96, 96]` to `[n, 512, 5, 5]`, or `[n, 1024, 2, 2]` with three stages.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.run(x, &mut Pass::Inference)
    }

    /// The same, normalised with the batch's own statistics, which are returned in the order of
    /// [`Self::layers`].
    pub(crate) fn forward_train(&self, x: Tensor<4>) -> (Tensor<4>, Vec<BatchMoments>) {
        let mut moments = Vec::new();
        let x = self.run(x, &mut Pass::Training(&mut moments));
        (x, moments)
    }

    /// The feature map as in inference, and statistics of this batch before each normalisation, in the order of
    /// [`Self::layers`].
    pub(crate) fn observe(&self, x: Tensor<4>) -> (Tensor<4>, Vec<BatchMoments>) {
        let mut moments = Vec::new();
        let x = self.run(x, &mut Pass::Observing(&mut moments));
        (x, moments)
    }

    fn run(&self, x: Tensor<4>, pass: &mut Pass<'_>) -> Tensor<4> {
        let x = self.pool.forward(relu(pass.convolve(&self.stem, x)));
        self.stages.iter().fold(x, |x, stage| stage.run(x, pass))
    }

    /// Shapes `[c, h, w]` after the stem's convolution, its pool, and every block.
    #[cfg(test)]
    pub(crate) fn shapes(&self, x: Tensor<4>) -> Vec<[usize; 3]> {
        let mut pass = Pass::Inference;
        let shape = |x: &Tensor<4>| [x.dims()[1], x.dims()[2], x.dims()[3]];
        let x = relu(pass.convolve(&self.stem, x));
        let mut shapes = vec![shape(&x)];
        let mut x = self.pool.forward(x);
        shapes.push(shape(&x));
        for stage in &self.stages {
            x = stage.conv.run(x, &mut pass);
            shapes.push(shape(&x));
            for block in [&stage.iden1, &stage.iden2] {
                x = block.run(x, &mut pass);
                shapes.push(shape(&x));
            }
        }
        shapes
    }

    /// Channels of the feature map.
    pub(crate) fn channels(&self) -> usize {
        256 << (self.stages.len() - 1)
    }

    /// Every convolution with its name, in the order in which they run.
    pub(crate) fn layers(&self) -> Vec<(String, &ConvNorm)> {
        let mut layers = vec![("stem".to_owned(), &self.stem)];
        for (at, stage) in self.stages.iter().enumerate() {
            layers.extend(
                stage
                    .layers()
                    .map(|(name, layer)| (format!("res{}.{name}", at + 1), layer)),
            );
        }
        layers
    }
}

/// The values of a tensor of floats, without a copy where nothing else holds them.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    // Floats always become floats.
    tensor.into_data().try_into_vec_as().unwrap_or_default()
}
