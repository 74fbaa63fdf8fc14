use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::layer::ParamRanges;
use super::*;

const INPUT: Plane = Plane { columns: 7, rows: 5 };
const IMAGES: usize = 3;

/// Strides, a residual, two consumers of one map, two outputs.
fn layers() -> Vec<Layer> {
    let layer = |input, inputs, outputs, stride, after| Layer {
        name: String::new(),
        input,
        inputs,
        outputs,
        kernel: if after == After::Bias { 1 } else { 3 },
        stride,
        after,
    };
    vec![
        layer(None, 1, 16, 2, After::NormRelu),
        layer(Some(0), 16, 16, 1, After::NormRelu),
        layer(Some(1), 16, 16, 1, After::NormAddRelu(0)),
        layer(Some(2), 16, 32, 2, After::NormRelu),
        layer(Some(2), 16, 3, 1, After::Bias),
        layer(Some(3), 32, 5, 1, After::Bias),
    ]
}

fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| rng.random_range(-0.5..0.5)).collect()
}

/// Sum of all outputs times fixed numbers; also sets the gradients of the outputs to those.
fn loss(network: &mut Trained, params: &[f32], statistics: &mut [f32]) -> f64 {
    network.forward(params, statistics);
    [4, 5]
        .into_iter()
        .map(|layer| {
            let (output, gradient) = network.output(layer);
            gradient.copy_from_slice(&numbers(output.len(), layer as u64));
            output
                .iter()
                .zip(gradient)
                .map(|(value, weight)| f64::from(*value) * f64::from(*weight))
                .sum::<f64>()
        })
        .sum()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let layers = layers();
    let (ranges, count, statistics) = param_ranges(&layers);
    let mut params = numbers(count, 1);
    for range in &ranges {
        params[range.gamma.clone()].iter_mut().for_each(|gamma| *gamma += 1.0);
        // Away from the corner of the ReLU, where differences are no gradients.
        params[range.beta.clone()].iter_mut().for_each(|beta| *beta += 0.7);
    }
    let mut statistics = vec![0.0; statistics];
    let mut network = Trained::new(&layers, INPUT, IMAGES);
    network.input().copy_from_slice(&numbers(IMAGES * INPUT.pixels(), 2));
    let mut grads = vec![0.0; count];
    loss(&mut network, &params, &mut statistics);
    network.backward(&params, &mut grads);
    let (mut wrong, mut checked) = (0, 0);
    let parts = |range: &ParamRanges| [range.weight.clone(), range.gamma.clone(), range.beta.clone()];
    for at in ranges.iter().flat_map(parts).flat_map(|range| range.step_by(11)) {
        const STEP: f32 = 4e-3;
        let mut moved = params.clone();
        moved[at] = params[at] + STEP;
        let above = loss(&mut network, &moved, &mut statistics);
        moved[at] = params[at] - STEP;
        let below = loss(&mut network, &moved, &mut statistics);
        let wanted = ((above - below) / f64::from(2.0 * STEP)) as f32;
        checked += 1;
        wrong += usize::from((grads[at] - wanted).abs() > 0.02 * wanted.abs() + 0.02);
    }
    // A few differences cross a corner of a ReLU.
    assert!(checked > 500 && wrong * 50 < checked, "{wrong} of {checked} differ");
}

/// A convolution as its definition says.
fn naive(layer: &Layer, weight: &[f32], x: &[f32], from: Plane) -> Vec<f32> {
    let to = from.behind(layer.stride);
    let margin = (layer.kernel / 2) as isize;
    let mut y = Vec::new();
    for (row, column) in (0..to.rows).flat_map(|row| (0..to.columns).map(move |column| (row, column))) {
        for output in 0..layer.outputs {
            let mut sum = 0.0;
            for tap in 0..layer.kernel * layer.kernel {
                let at = |place: usize, tap: usize| (place * layer.stride + tap) as isize - margin;
                let (r, c) = (at(row, tap / layer.kernel), at(column, tap % layer.kernel));
                if r < 0 || c < 0 || r >= from.rows as isize || c >= from.columns as isize {
                    continue;
                }
                let pixel = (r as usize * from.columns + c as usize) * layer.inputs;
                let first = output * layer.taps() + tap * layer.inputs;
                sum += (0..layer.inputs)
                    .map(|input| weight[first + input] * x[pixel + input])
                    .sum::<f32>();
            }
            y.push(sum);
        }
    }
    y
}

#[test]
fn a_folded_network_computes_what_its_layers_define() {
    let layers = layers();
    let (ranges, count, statistics) = param_ranges(&layers);
    let params = numbers(count, 3);
    let statistics: Vec<f32> = numbers(statistics, 4).iter().map(|value| value + 0.6).collect();
    let input = numbers(INPUT.pixels(), 5);
    let mut maps: Vec<(Vec<f32>, Plane)> = Vec::new();
    let mut wanted: Vec<Vec<f32>> = Vec::new();
    for (layer, range) in layers.iter().zip(&ranges) {
        let (x, from) = layer.input.map_or((&input, INPUT), |at| (&maps[at].0, maps[at].1));
        let mut y = naive(layer, &params[range.weight.clone()], x, from);
        for (at, value) in y.iter_mut().enumerate() {
            let channel = at % layer.outputs;
            let beta = params[range.beta.start + channel];
            if !layer.has_norm() {
                *value += beta;
                continue;
            }
            let (mean, variance) = (
                statistics[range.mean.start + channel],
                statistics[range.variance.start + channel],
            );
            let gamma = params[range.gamma.start + channel];
            *value = (*value - mean) / (variance + norm::EPSILON).sqrt() * gamma + beta;
            if let After::NormAddRelu(residual) = layer.after {
                *value += maps[residual].0[at];
            }
            *value = value.max(0.0);
        }
        if !layer.has_norm() {
            wanted.push(y.clone());
        }
        maps.push((y, from.behind(layer.stride)));
    }
    let found = Folded::new(&layers, &params, &statistics).run(&input, INPUT);
    for ((found, _), wanted) in found.iter().zip(&wanted) {
        assert_eq!(found.len(), wanted.len());
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(
                (found - wanted).abs() < 1e-4 * wanted.abs().max(1.0),
                "{found} {wanted}"
            );
        }
    }
}
