//! The trunk once more, for tests: in `f64`, channels first, one loop for each index, in the order the network is
//! described in (bias added, norm and `ReLU` before the stem's pool, every pixel computed).

use super::params::{LayerParams, LayerShape};

const EPSILON: f64 = 1e-3;

/// `[images, channels, side, side]`
#[derive(Clone)]
pub(super) struct Map {
    pub images: usize,
    pub channels: usize,
    pub side: usize,
    pub values: Vec<f64>,
}

impl Map {
    pub(super) fn zeros(images: usize, channels: usize, side: usize) -> Self {
        Self {
            images,
            channels,
            side,
            values: vec![0.0; images * channels * side * side],
        }
    }

    pub(super) fn like(&self) -> Self {
        Self::zeros(self.images, self.channels, self.side)
    }

    fn index(&self, image: usize, channel: usize, y: usize, x: usize) -> usize {
        ((image * self.channels + channel) * self.side + y) * self.side + x
    }

    fn zip(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let values = self.values.iter().zip(&other.values).map(|(&a, &b)| f(a, b)).collect();
        Self { values, ..self.like() }
    }

    /// Indices of the values of a channel.
    fn of_channel(&self, channel: usize) -> impl Iterator<Item = usize> + use<> {
        let (pixels, channels) = (self.side * self.side, self.channels);
        (0..self.images)
            .flat_map(move |image| (0..pixels).map(move |pixel| (image * channels + channel) * pixels + pixel))
    }
}

/// Parameters, or gradients, in `f64`.
#[derive(Clone)]
pub(super) struct Layer {
    pub shape: LayerShape,
    pub weight: Vec<f64>,
    pub bias: Vec<f64>,
    pub gamma: Vec<f64>,
    pub beta: Vec<f64>,
}

impl Layer {
    pub(super) fn new(shape: LayerShape, params: &LayerParams) -> Self {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect();
        let (weight, bias) = (wide(&params.weight), wide(&params.bias));
        Self {
            shape,
            weight,
            bias,
            gamma: wide(&params.gamma),
            beta: wide(&params.beta),
        }
    }

    fn stride(&self) -> usize {
        if self.shape.kernel == 7 { 2 } else { 1 }
    }

    /// Calls `visit(output index, input index, weight index)` for every product of the convolution.
    fn products(&self, x: &Map, y: &Map, mut visit: impl FnMut(usize, usize, usize)) {
        let LayerShape {
            outputs,
            inputs,
            kernel,
        } = self.shape;
        let (padding, stride) = (kernel / 2, self.stride());
        for image in 0..x.images {
            for (output, input) in (0..outputs).flat_map(|output| (0..inputs).map(move |input| (output, input))) {
                for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                    let weight = ((output * inputs + input) * kernel + ky) * kernel + kx;
                    for oy in 0..y.side {
                        let line = oy * stride + ky;
                        if line < padding || line >= x.side + padding {
                            continue;
                        }
                        for ox in 0..y.side {
                            let column = ox * stride + kx;
                            if column >= padding && column < x.side + padding {
                                let from = x.index(image, input, line - padding, column - padding);
                                visit(y.index(image, output, oy, ox), from, weight);
                            }
                        }
                    }
                }
            }
        }
    }

    fn convolve(&self, x: &Map) -> Map {
        let mut y = Map::zeros(x.images, self.shape.outputs, x.side / self.stride());
        self.products(x, &y.clone(), |to, from, weight| {
            y.values[to] += x.values[from] * self.weight[weight];
        });
        for channel in 0..y.channels {
            y.of_channel(channel)
                .for_each(|index| y.values[index] += self.bias[channel]);
        }
        y
    }

    fn convolve_back(&self, x: &Map, dy: &Map, grads: &mut Layer) -> Map {
        let mut dx = x.like();
        self.products(x, dy, |to, from, weight| {
            dx.values[from] += dy.values[to] * self.weight[weight];
            grads.weight[weight] += dy.values[to] * x.values[from];
        });
        for channel in 0..dy.channels {
            grads.bias[channel] = dy.of_channel(channel).map(|index| dy.values[index]).sum();
        }
        dx
    }

    fn normalise(&self, y: &Map) -> Map {
        let mut z = y.like();
        for channel in 0..y.channels {
            let (mean, variance) = statistics(y, channel);
            for index in y.of_channel(channel) {
                let normal = (y.values[index] - mean) / (variance + EPSILON).sqrt();
                z.values[index] = self.gamma[channel] * normal + self.beta[channel];
            }
        }
        z
    }

    fn normalise_back(&self, y: &Map, dz: &Map, grads: &mut Layer) -> Map {
        let mut dy = y.like();
        for channel in 0..y.channels {
            let (mean, variance) = statistics(y, channel);
            let deviation = (variance + EPSILON).sqrt();
            let normal = |index: usize| (y.values[index] - mean) / deviation;
            let beta: f64 = y.of_channel(channel).map(|index| dz.values[index]).sum();
            let gamma: f64 = y
                .of_channel(channel)
                .map(|index| dz.values[index] * normal(index))
                .sum();
            let count = y.of_channel(channel).fold(0.0, |count, _| count + 1.0);
            for index in y.of_channel(channel) {
                let centred = dz.values[index] - beta / count - normal(index) * gamma / count;
                dy.values[index] = self.gamma[channel] / deviation * centred;
            }
            (grads.gamma[channel], grads.beta[channel]) = (gamma, beta);
        }
        dy
    }
}

/// Mean and biased variance of a channel.
pub(super) fn statistics(y: &Map, channel: usize) -> (f64, f64) {
    let count = y.of_channel(channel).fold(0.0, |count, _| count + 1.0);
    let mean = y.of_channel(channel).map(|index| y.values[index]).sum::<f64>() / count;
    (
        mean,
        y.of_channel(channel)
            .map(|index| (y.values[index] - mean).powi(2))
            .sum::<f64>()
            / count,
    )
}

/// For each output of a max pool the index of its input.
fn pool_sources(x: &Map, window: usize) -> (Map, Vec<usize>) {
    let mut y = Map::zeros(x.images, x.channels, (x.side - window) / 2 + 1);
    let mut sources = vec![0; y.values.len()];
    for (image, channel) in (0..x.images).flat_map(|image| (0..x.channels).map(move |channel| (image, channel))) {
        for (oy, ox) in (0..y.side).flat_map(|oy| (0..y.side).map(move |ox| (oy, ox))) {
            let pixels = (0..window).flat_map(|ky| (0..window).map(move |kx| (2 * oy + ky, 2 * ox + kx)));
            let indices = pixels.map(|(py, px)| x.index(image, channel, py, px));
            let to = y.index(image, channel, oy, ox);
            sources[to] = indices
                .reduce(|a, b| if x.values[b] > x.values[a] { b } else { a })
                .unwrap();
            y.values[to] = x.values[sources[to]];
        }
    }
    (y, sources)
}

fn unpool(x: &Map, sources: &[usize], dy: &Map) -> Map {
    let mut dx = x.like();
    for (&source, gradient) in sources.iter().zip(&dy.values) {
        dx.values[source] += gradient;
    }
    dx
}

fn relu(map: &Map) -> Map {
    map.zip(map, |value, _| value.max(0.0))
}

fn relu_back(z: &Map, dz: &Map) -> Map {
    z.zip(dz, |z, dz| if z > 0.0 { dz } else { 0.0 })
}

/// What one layer leaves for the backward pass.
struct Passed {
    x: Map,
    convolved: Map,
    /// Sources of the 2x2 pool between convolution and norm, where there is one.
    sources: Option<Vec<usize>>,
    y: Map,
}

/// The trunk and what its last forward pass left.
pub(super) struct Reference {
    pub layers: Vec<Layer>,
    pub grads: Vec<Layer>,
    passed: Vec<Option<Passed>>,
    /// Outputs of each layer after norm and `ReLU` (of a block: its end in place of layer c).
    outputs: Vec<Map>,
    stem_sources: Vec<usize>,
}

impl Reference {
    pub(super) fn new(layers: Vec<Layer>) -> Self {
        let mut grads = layers.clone();
        for grad in &mut grads {
            let parts = [&mut grad.weight, &mut grad.bias, &mut grad.gamma, &mut grad.beta];
            for values in parts {
                values.fill(0.0);
            }
        }
        let passed = layers.iter().map(|_| None).collect();
        let outputs = vec![Map::zeros(0, 0, 0); layers.len()];
        Self {
            layers,
            grads,
            passed,
            outputs,
            stem_sources: Vec::new(),
        }
    }

    /// Batch norm's input of a layer.
    pub(super) fn norm_input(&self, layer: usize) -> &Map {
        &self.passed[layer].as_ref().unwrap().y
    }

    fn pooled(layer: usize) -> bool {
        layer > 0 && matches!((layer - 1) % 10, 0 | 3)
    }

    fn layer(&mut self, layer: usize, x: &Map) -> Map {
        let convolved = self.layers[layer].convolve(x);
        let (y, sources) = if Self::pooled(layer) {
            let (y, sources) = pool_sources(&convolved, 2);
            (y, Some(sources))
        } else {
            (convolved.clone(), None)
        };
        let z = self.layers[layer].normalise(&y);
        self.passed[layer] = Some(Passed {
            x: x.clone(),
            convolved,
            sources,
            y,
        });
        z
    }

    fn layer_back(&mut self, layer: usize, dz: &Map) -> Map {
        let passed = self.passed[layer].as_ref().unwrap();
        let (params, grads) = (&self.layers[layer], &mut self.grads[layer]);
        let mut dy = params.normalise_back(&passed.y, dz, grads);
        if let Some(sources) = &passed.sources {
            dy = unpool(&passed.convolved, sources, &dy);
        }
        params.convolve_back(&passed.x, &dy, grads)
    }

    /// A block whose layer a is `first`, with the convolution in the shortcut if `shortcut` names a layer.
    fn block(&mut self, first: usize, shortcut: Option<usize>, x: &Map) -> Map {
        let a = relu(&self.layer(first, x));
        let b = relu(&self.layer(first + 1, &a));
        let c = self.layer(first + 2, &b);
        let short = shortcut.map_or_else(|| x.clone(), |layer| self.layer(layer, x));
        let output = relu(&c.zip(&short, |c, short| c + short));
        (self.outputs[first], self.outputs[first + 1], self.outputs[first + 2]) = (a, b, output.clone());
        output
    }

    fn block_back(&mut self, first: usize, shortcut: Option<usize>, d: &Map) -> Map {
        let d = relu_back(&self.outputs[first + 2], d);
        let db = self.layer_back(first + 2, &d);
        let da = self.layer_back(first + 1, &relu_back(&self.outputs[first + 1], &db));
        let dx = self.layer_back(first, &relu_back(&self.outputs[first], &da));
        let short = shortcut.map_or(d.clone(), |layer| self.layer_back(layer, &d));
        dx.zip(&short, |dx, short| dx + short)
    }

    /// First layer and shortcut of each block.
    fn blocks(&self) -> Vec<(usize, Option<usize>)> {
        (1..self.layers.len())
            .step_by(10)
            .flat_map(|stage| [(stage, Some(stage + 3)), (stage + 4, None), (stage + 7, None)])
            .collect()
    }

    pub(super) fn forward(&mut self, x: &Map) -> Map {
        self.outputs[0] = relu(&self.layer(0, x));
        let (mut map, sources) = pool_sources(&self.outputs[0], 3);
        self.stem_sources = sources;
        for (first, shortcut) in self.blocks() {
            map = self.block(first, shortcut, &map);
        }
        map
    }

    pub(super) fn backward(&mut self, d: &Map) {
        let mut d = d.clone();
        for (first, shortcut) in self.blocks().into_iter().rev() {
            d = self.block_back(first, shortcut, &d);
        }
        let d = unpool(&self.outputs[0], &self.stem_sources, &d);
        self.layer_back(0, &relu_back(&self.outputs[0], &d));
    }
}
