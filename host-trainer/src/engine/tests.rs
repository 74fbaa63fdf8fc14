//! The engine against the reference, and the reference against central differences.

use super::reference::{Layer, Map, Reference, statistics};
use super::{LayerGrads, LayerParams, LayerShape, Running, SIDE, Trunk};

/// Numbers in -1..1 from a linear congruential generator.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(self.0.to_le_bytes()[3]) / 128.0 - 1.0 + f32::from(self.0.to_le_bytes()[2]) / 32768.0
    }

    fn take(&mut self, count: usize, amplitude: f32, centre: f32) -> Vec<f32> {
        (0..count).map(|_| centre + amplitude * self.next()).collect()
    }

    fn params(&mut self, shape: LayerShape) -> LayerParams {
        let fan_in: u16 = (shape.weights() / shape.outputs).try_into().unwrap();
        let mut gamma = self.take(shape.outputs, 0.5, 1.0);
        gamma[1] = -gamma[1];
        let weight = self.take(shape.weights(), (3.0 / f32::from(fan_in)).sqrt(), 0.0);
        LayerParams {
            weight,
            bias: self.take(shape.outputs, 1.0, 0.0),
            gamma,
            beta: self.take(shape.outputs, 0.3, 0.0),
            running: None,
        }
    }
}

/// A trunk with parameters, images, and a gradient of its features.
struct Case {
    trunk: Trunk,
    layers: Vec<LayerParams>,
    images: Vec<f32>,
    d_features: Vec<f32>,
    grads: Vec<LayerGrads>,
}

impl Case {
    fn new(stages: usize, batch: usize, images: usize) -> Self {
        let (mut noise, trunk) = (Noise(1), Trunk::new(stages, batch));
        let layers = trunk.shapes().iter().map(|&shape| noise.params(shape)).collect();
        let (channels, side) = trunk.feature_shape();
        let grads = trunk.shapes().iter().map(|&shape| LayerGrads::zeros(shape)).collect();
        let pixels = noise.take(images * SIDE * SIDE, 1.0, 0.3);
        let d_features = noise.take(images * channels * side * side, 1.0, 0.0);
        Self {
            trunk,
            layers,
            images: pixels,
            d_features,
            grads,
        }
    }

    fn step(&mut self) -> Vec<f32> {
        let features = self.trunk.forward(&self.layers, &self.images).to_vec();
        self.trunk.backward(&self.layers, &self.d_features, &mut self.grads);
        features
    }

    fn reference(&self) -> (Reference, Map, Map) {
        let layers = self
            .trunk
            .shapes()
            .iter()
            .zip(&self.layers)
            .map(|(&shape, params)| Layer::new(shape, params));
        let images = self.images.len() / (SIDE * SIDE);
        let (channels, side) = self.trunk.feature_shape();
        let mut x = Map::zeros(images, 1, SIDE);
        x.values = wide(&self.images);
        let mut d = Map::zeros(images, channels, side);
        d.values = wide(&self.d_features);
        (Reference::new(layers.collect()), x, d)
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// `|found - expected| / |expected|` in the Euclidean norm.
fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |sum: f64, value: f64| sum + value * value;
    let difference = found
        .iter()
        .zip(expected)
        .map(|(&found, expected)| f64::from(found) - expected)
        .fold(0.0, square);
    (difference / expected.iter().copied().fold(0.0, square)).sqrt()
}

fn agrees_with_reference(stages: usize) {
    let mut case = Case::new(stages, 2, 2);
    let (mut reference, x, d) = case.reference();
    let features = case.step();
    let expected = reference.forward(&x);
    reference.backward(&d);
    let mut worst = [relative_error(&features, &expected.values), 0.0, 0.0, 0.0];
    for (layer, (found, expected)) in case.grads.iter().zip(&reference.grads).enumerate() {
        let pairs = [
            (&found.weight, &expected.weight),
            (&found.gamma, &expected.gamma),
            (&found.beta, &expected.beta),
        ];
        for (kind, (found, expected)) in pairs.into_iter().enumerate() {
            let error = relative_error(found, expected);
            worst[1 + kind] = error.max(worst[1 + kind]);
            assert!(error < 1e-3, "gradient {kind} of layer {layer}: {error}");
        }
        assert!(found.bias.iter().all(|&bias| bias == 0.0));
        assert!(
            expected.bias.iter().all(|bias| bias.abs() < 1e-9),
            "the bias has a gradient in layer {layer}"
        );
        let (mean, variance) = case.trunk.statistics(layer);
        let y = reference.norm_input(layer);
        let (means, variances): (Vec<f64>, Vec<f64>) = (0..y.channels).map(|channel| statistics(y, channel)).unzip();
        assert!(relative_error(mean, &means) < 1e-4, "mean of layer {layer}");
        assert!(relative_error(variance, &variances) < 1e-4, "variance of layer {layer}");
    }
    eprintln!("{stages} stages: errors of features, weight, gamma, and beta gradients: {worst:?}");
    assert!(worst[0] < 1e-4, "features: {}", worst[0]);
}

#[test]
fn one_stage_agrees_with_the_reference() {
    agrees_with_reference(1);
}

#[test]
fn two_stages_agree_with_the_reference() {
    agrees_with_reference(2);
}

/// Moves every parameter of one layer along its gradient and compares the loss's change with the gradient's length.
#[test]
fn reference_gradients_are_the_slopes_of_the_loss() {
    let case = Case::new(1, 1, 1);
    let (mut reference, x, d) = case.reference();
    reference.forward(&x);
    reference.backward(&d);
    let mut loss_at = |layer: usize, step: f64| {
        let original = reference.layers[layer].clone();
        let grads = reference.grads[layer].clone();
        let params = &mut reference.layers[layer];
        let moved = [&mut params.weight, &mut params.gamma, &mut params.beta]
            .into_iter()
            .zip([grads.weight, grads.gamma, grads.beta]);
        let mut slope = 0.0;
        for (values, grads) in moved {
            for (value, grad) in values.iter_mut().zip(grads) {
                *value += step * grad;
                slope += grad * grad;
            }
        }
        let features = reference.forward(&x);
        reference.layers[layer] = original;
        (
            features.values.iter().zip(&d.values).map(|(a, b)| a * b).sum::<f64>(),
            slope,
        )
    };
    // Stem, the four layers of a convolution block, and the three of an identity block.
    for layer in 0..8 {
        let (_, slope) = loss_at(layer, 0.0);
        let step = 1e-5 / slope.sqrt();
        let found = (loss_at(layer, step).0 - loss_at(layer, -step).0) / (2.0 * step);
        assert!(
            (found / slope - 1.0).abs() < 1e-3,
            "layer {layer}: {found} instead of {slope}"
        );
    }
}

#[test]
fn repeats_results_bit_by_bit() {
    let mut case = Case::new(2, 3, 3);
    let first = (case.step(), case.grads.clone());
    assert!(first == (case.step(), case.grads.clone()), "a second pass differs");
    let mut fresh = Case::new(2, 3, 3);
    assert!(first == (fresh.step(), fresh.grads), "another instance differs");
}

#[test]
fn partial_batch_gives_what_a_trunk_of_that_size_gives() {
    let mut exact = Case::new(2, 3, 3);
    let mut partial = Case::new(2, 5, 3);
    // A full batch first, so that remains of it would show.
    let full = Case::new(2, 5, 5);
    partial.trunk.forward(&full.layers, &full.images);
    partial
        .trunk
        .backward(&full.layers, &full.d_features, &mut partial.grads);
    assert!(partial.step() == exact.step(), "features differ");
    assert!(partial.grads == exact.grads, "gradients differ");
}

#[test]
fn frozen_layers_normalise_with_what_they_are_given_whatever_the_batch() {
    let mut case = Case::new(2, 3, 3);
    let features = case.trunk.forward(&case.layers, &case.images).to_vec();
    let running = |layer: usize| {
        let (mean, variance) = case.trunk.statistics(layer);
        Running {
            mean: mean.to_vec(),
            variance: variance.to_vec(),
        }
    };
    let running: Vec<Running> = (0..case.layers.len()).map(running).collect();
    for (layer, running) in case.layers.iter_mut().zip(running) {
        layer.running = Some(running);
    }
    let whole = case.trunk.forward(&case.layers, &case.images).to_vec();
    let error = relative_error(&whole, &wide(&features));
    assert!(error < 1e-4, "{error}");
    // One face alone, which would have other statistics.
    let face = &case.images[SIDE * SIDE..2 * SIDE * SIDE];
    let third = features.len() / 3;
    assert!(case.trunk.forward(&case.layers, face) == &whole[third..2 * third]);
}

#[test]
fn plans_as_many_layers_as_the_networks_have() {
    for (stages, layers, features) in [(1, 11, (256, 11)), (2, 21, (512, 5)), (3, 31, (1024, 2))] {
        let trunk = Trunk::new(stages, 1);
        assert_eq!((trunk.layers(), trunk.feature_shape()), (layers, features));
    }
}

#[test]
fn can_move_to_another_thread() {
    fn sendable<T: Send>(_: &T) {}
    sendable(&Trunk::new(1, 1));
}
