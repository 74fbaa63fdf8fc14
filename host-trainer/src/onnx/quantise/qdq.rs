//! Writes `QuantizeLinear` and `DequantizeLinear` around the operators of a network.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use onnx::NodeProto;

use super::super::graph::{Graph, Quantised, Weight, integer, node};
use super::Range;
use super::weights::Weights;

/// Operators that only pick or move values: what they give has the range of what they take.
const MOVING: [&str; 2] = ["MaxPool", "Flatten"];

/// Layers with weights, in the order in which they run.
pub(super) fn layers(graph: &Graph) -> Vec<String> {
    graph
        .nodes
        .iter()
        .filter(|node| has_weights(node))
        .map(|node| node.name.clone())
        .collect()
}

/// Whether a node is a layer with weights.
pub(super) fn has_weights(node: &NodeProto) -> bool {
    matches!(node.op_type.as_str(), "Conv" | "Gemm")
}

/// Values whose range must be known: the input and what operators compute, but for what is rectified
/// right away (its range is the ReLU's), what is only moved, and the outputs.
pub(super) fn observed(graph: &Graph) -> Vec<String> {
    let rectified = |value: &str| graph.only_consumer(value, "Relu").is_some();
    let computed = graph
        .nodes
        .iter()
        .filter(|node| !MOVING.contains(&node.op_type.as_str()));
    let values = computed
        .map(|node| &node.output[0])
        .filter(|value| !rectified(value) && !graph.is_output(value));
    std::iter::once(&graph.input).chain(values).cloned().collect()
}

/// The graph with the layers that `quantised` picks in QDQ form; if it picks all, everything else but
/// the outputs is, too.
pub(super) fn rewrite(
    graph: &Graph,
    ranges: &BTreeMap<String, Range>,
    quantised: &dyn Fn(&str) -> bool,
) -> Result<Graph> {
    let picked: BTreeSet<String> = layers(graph).into_iter().filter(|layer| quantised(layer)).collect();
    // A single layer is looked at alone; more than that, and the values between layers are quantised.
    let between = picked.len() > 1;
    let mut writer = Writer {
        source: graph,
        ranges,
        done: Graph::default(),
        pairs: BTreeMap::new(),
    };
    writer.done.form = graph.form;
    writer.done.input.clone_from(&graph.input);
    writer.done.outputs.clone_from(&graph.outputs);
    writer.done.weights.clone_from(&graph.weights);
    for source in &graph.nodes {
        let mut copy = source.clone();
        if has_weights(source) && picked.contains(&source.name) {
            writer.layer(&mut copy)?;
        } else if between && matches!(source.op_type.as_str(), "Add" | "MaxPool" | "AveragePool" | "Flatten") {
            copy.input = copy
                .input
                .iter()
                .map(|input| writer.pair(input))
                .collect::<Result<_>>()?;
        }
        writer.done.nodes.push(copy);
    }
    writer.done.drop_unused();
    Ok(writer.done)
}

struct Writer<'a> {
    source: &'a Graph,
    ranges: &'a BTreeMap<String, Range>,
    done: Graph,
    /// For each value that is already quantised, what it is called after both operators.
    pairs: BTreeMap<String, String>,
}

impl Writer<'_> {
    /// Puts quantised input, weights and bias before a layer.
    fn layer(&mut self, layer: &mut NodeProto) -> Result<()> {
        let Weights { integers, scales } = Weights::of(self.source, layer)?;
        let range = self.range(&layer.input[0])?;
        layer.input[0] = self.pair(&layer.input[0])?;
        let name = layer.input[1].clone();
        self.done.quantised.insert(
            format!("{name}.quantised"),
            Quantised::I8(self.source.weights[&name].dims.clone(), integers),
        );
        layer.input[1] = self.dequantise(&name, scales.clone());
        let name = layer.input.get(2).context("a layer without a bias")?.clone();
        let bias = self
            .source
            .weights
            .get(&name)
            .context("a layer without a constant bias")?;
        let scales: Vec<f32> = scales.iter().map(|scale| scale * range.scale).collect();
        let sums = bias
            .values
            .iter()
            .zip(&scales)
            .map(|(bias, scale)| (f64::from(*bias) / f64::from(*scale)).round() as i32);
        self.done
            .quantised
            .insert(format!("{name}.quantised"), Quantised::I32(sums.collect()));
        layer.input[2] = self.dequantise(&name, scales);
        Ok(())
    }

    /// A `DequantizeLinear` of the quantised constant `name`, one scale a channel; gives its output.
    fn dequantise(&mut self, name: &str, scales: Vec<f32>) -> String {
        let [integers, scale, output] = ["quantised", "scale", "dequantised"].map(|what| format!("{name}.{what}"));
        self.done.weights.insert(
            scale.clone(),
            Weight {
                dims: vec![scales.len()],
                values: scales,
            },
        );
        let mut dequantise = node(
            "DequantizeLinear",
            &[&integers, &scale],
            &output,
            vec![integer("axis", 0)],
        );
        dequantise.name.clone_from(&output);
        self.done.nodes.push(dequantise);
        output
    }

    /// Both operators after a value; gives the name of what comes out.
    fn pair(&mut self, value: &str) -> Result<String> {
        if let Some(output) = self.pairs.get(value) {
            return Ok(output.clone());
        }
        let range = self.range(value)?;
        let [scale, zero_point, integers, output] =
            ["scale", "zero_point", "quantised", "dequantised"].map(|what| format!("{value}.{what}"));
        self.done.weights.insert(
            scale.clone(),
            Weight {
                dims: Vec::new(),
                values: vec![range.scale],
            },
        );
        self.done
            .quantised
            .insert(zero_point.clone(), Quantised::U8(range.zero_point));
        for (op, input, made) in [
            ("QuantizeLinear", value, &integers),
            ("DequantizeLinear", integers.as_str(), &output),
        ] {
            let mut half = node(op, &[input, &scale, &zero_point], made, Vec::new());
            half.name.clone_from(made);
            self.done.nodes.push(half);
        }
        self.pairs.insert(value.to_owned(), output.clone());
        Ok(output)
    }

    /// The range of a value, or of what it was moved from.
    fn range(&self, value: &str) -> Result<Range> {
        let mut value = value;
        loop {
            if let Some(range) = self.ranges.get(value) {
                return Ok(*range);
            }
            let producer = self.source.producer(value).map(|at| &self.source.nodes[at]);
            value = match producer {
                Some(node) if MOVING.contains(&node.op_type.as_str()) => &node.input[0],
                _ => anyhow::bail!("quantise: nothing is known of the range of `{value}`"),
            };
        }
    }
}
