//! Weights as integers: symmetric, with one scale an output channel.
//!
//! A scale is just large enough for the largest weight to be 127, and for four weights that a kernel adds up in a row to
//! be 255 together at most, all taken positive: products of four bytes then fit 16 bits (`128 * 255 < 2^15`), which is
//! what processors without dot products add them up in. The four are the input channels `c`, `c + 4`, `c + 8` and
//! `c + 12` of sixteen, at one position of the window; the kernels find out by themselves where there is
//! [no overflow](kernels::Weights::use_quad_layout).

use anyhow::{Context, Result};
use kernels::{NO_OVERFLOW_4, QUAD_BLOCK, QUAD_STEP};
use onnx::NodeProto;

use super::super::graph::Graph;
use super::super::shapes::shapes;

/// Largest weight.
const MOST: f32 = 127.0;

/// Weights of a layer, which come back as `integers * scale`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Weights {
    /// In -127..=127, in the order of the file.
    pub(super) integers: Vec<i8>,
    /// One an output channel.
    pub(super) scales: Vec<f32>,
}

impl Weights {
    /// Quantises the weights of a layer of `graph`.
    pub(super) fn of(graph: &Graph, layer: &NodeProto) -> Result<Self> {
        let weight = layer.input.get(1).and_then(|name| graph.weights.get(name));
        let weight = weight.with_context(|| format!("quantise: {} has no constant weights", layer.name))?;
        let outputs = weight.dims.first().copied().unwrap_or(0).max(1);
        let positions = positions(graph, layer)?;
        let channels = weight.values.chunks_exact((weight.values.len() / outputs).max(1));
        let mut quantised = Self {
            integers: Vec::with_capacity(weight.values.len()),
            scales: Vec::with_capacity(outputs),
        };
        for channel in channels {
            let (integers, scale) = channel_of(channel, positions);
            quantised.integers.extend(integers);
            quantised.scales.push(scale);
        }
        Ok(quantised)
    }

    /// The real numbers that the integers stand for.
    pub(super) fn values(&self) -> Vec<f32> {
        let each = (self.integers.len() / self.scales.len().max(1)).max(1);
        let channels = self.integers.chunks_exact(each).zip(&self.scales);
        channels
            .flat_map(|(channel, scale)| channel.iter().map(move |value| f32::from(*value) * scale))
            .collect()
    }
}

/// Weights of an output channel that belong to one input channel: the positions of a window, or of the map that a
/// dense layer sees flattened.
fn positions(graph: &Graph, layer: &NodeProto) -> Result<usize> {
    let input = layer.input.first().map_or("", String::as_str);
    let flattened = graph
        .producer(input)
        .map(|at| &graph.nodes[at])
        .filter(|node| node.op_type == "Flatten");
    if let Some(flatten) = flattened {
        let shapes = shapes(graph)?;
        let shape = shapes.get(&flatten.input[0]).map_or(&[][..], Vec::as_slice);
        return Ok(shape.iter().skip(1).product());
    }
    let dims = layer
        .input
        .get(1)
        .and_then(|name| graph.weights.get(name))
        .map_or(&[][..], |weight| &weight.dims);
    Ok(dims.iter().skip(2).product())
}

/// Integers and scale of one output channel.
fn channel_of(values: &[f32], positions: usize) -> (Vec<i8>, f32) {
    let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let mut scale = (largest / MOST).max(f32::MIN_POSITIVE);
    loop {
        let integers: Vec<i8> = (values.iter())
            .map(|value| (value / scale).round_ties_even().clamp(-MOST, MOST) as i8)
            .collect();
        let sum = largest_sum(&integers, positions);
        if sum <= NO_OVERFLOW_4 {
            return (integers, scale);
        }
        scale *= f32::from(sum) / f32::from(NO_OVERFLOW_4);
    }
}

/// The largest sum of four weights that are added up in a row, all taken positive.
fn largest_sum(integers: &[i8], positions: usize) -> u16 {
    let blocks = integers.chunks(QUAD_BLOCK * positions);
    let sums = blocks.flat_map(|block| {
        (0..QUAD_STEP * positions).map(|first| {
            let four = block.iter().skip(first).step_by(QUAD_STEP * positions);
            four.map(|value| u16::from(value.unsigned_abs())).sum()
        })
    });
    sums.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::graph::{Weight, integer, node};

    fn layer(dims: Vec<usize>, values: Vec<f32>) -> (Graph, NodeProto) {
        let mut graph = Graph {
            input: "input".into(),
            ..Graph::default()
        };
        graph.weights.insert("w".into(), Weight { dims, values });
        let layer = node("Conv", &["input", "w"], "output", Vec::new());
        (graph, layer)
    }

    #[test]
    fn weights_use_the_whole_range_of_each_channel() {
        let (graph, layer) = layer(vec![2, 1, 2, 1], vec![1.27, -0.64, 0.0, 0.0]);
        let weights = Weights::of(&graph, &layer).unwrap();
        assert_eq!(weights.integers, [127, -64, 0, 0]);
        assert!((weights.scales[0] - 0.01).abs() < 1e-7 && weights.scales[1] > 0.0);
        let values = weights.values();
        assert!(
            (values[0] - 1.27).abs() < 1e-6 && (values[1] + 0.64).abs() < 1e-6,
            "{values:?}"
        );
    }

    #[test]
    fn four_that_are_added_in_a_row_do_not_overflow() {
        // At the second of two positions, channels 1, 5, 9 and 13 are large; channel 17 is in the next block.
        let large = |at: usize| at % 2 == 1 && (at / 2) % 4 == 1 && at / 2 < 16;
        let values: Vec<f32> = (0..36)
            .map(|at| if large(at) || at == 35 { -1.0 } else { 0.5 })
            .collect();
        let (graph, layer) = layer(vec![1, 18, 2, 1], values);
        let weights = Weights::of(&graph, &layer).unwrap();
        assert_eq!(largest_sum(&weights.integers, 2), 252);
        assert_eq!((weights.integers[3], weights.integers[35]), (-63, -63));
        // As if positions were channels: other weights would be added up.
        assert_ne!(largest_sum(&weights.integers, 1), 252);
    }

    /// The runtime's kernels take these weights in the quad layout, and not those that are only rounded.
    #[test]
    fn kernels_take_the_quad_layout() {
        use kernels;

        let (outputs, inputs) = (32, 48);
        let number = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 8) as i32 % 255 - 127;
        let rounded: Vec<i8> = (0..outputs * inputs * 9).map(|at| number(at) as i8).collect();
        let values = rounded.iter().map(|value| f32::from(*value)).collect();
        let (graph, layer) = layer(vec![outputs, inputs, 3, 3], values);
        let run = 3 * inputs;
        let gather = kernels::Gather::new(vec![0], vec![0, 1000, 2000], run);
        let quad_panels = |integers: &[i8]| {
            let place = |k: usize| ((k % inputs) * 3 + k / run) * 3 + k % run / inputs;
            let weight = |k: usize| move |output: usize| integers[output * inputs * 9 + place(k)];
            let mut packed = kernels::Weights::pack(&gather, &vec![0; outputs], weight).unwrap();
            packed.use_quad_layout(run)
        };
        assert_eq!(quad_panels(&Weights::of(&graph, &layer).unwrap().integers), 2);
        assert_eq!(quad_panels(&rounded), 0);
    }

    #[test]
    fn a_dense_layer_has_the_positions_of_the_map_before_it() {
        let mut graph = Graph {
            input: "input".into(),
            ..Graph::default()
        };
        let weight = Weight {
            dims: vec![1, 96 * 96],
            values: vec![1.0; 96 * 96],
        };
        graph.weights.insert("w".into(), weight);
        graph.nodes = vec![
            node("Flatten", &["input"], "flat", vec![integer("axis", 1)]),
            node("Gemm", &["flat", "w"], "first", vec![integer("transB", 1)]),
            node("Gemm", &["first", "w"], "second", vec![integer("transB", 1)]),
        ];
        assert_eq!(positions(&graph, &graph.nodes[1]).unwrap(), 96 * 96);
        assert_eq!(positions(&graph, &graph.nodes[2]).unwrap(), 1);
    }
}
