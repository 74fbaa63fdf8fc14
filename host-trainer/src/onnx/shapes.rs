//! Sizes of every value in a network, for one face.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use onnx::NodeProto;
use shared_model::image::SIDE;

use super::graph::Graph;

/// Sizes `[c, h, w]` or `[length]` of the input and of what each node gives.
pub(super) fn shapes(graph: &Graph) -> Result<BTreeMap<String, Vec<usize>>> {
    let mut shapes = BTreeMap::from([(graph.input.clone(), vec![1, SIDE, SIDE])]);
    for node in &graph.nodes {
        let input = shapes
            .get(&node.input[0])
            .with_context(|| format!("size of `{}`", node.input[0]))?;
        let weight = |at: usize| {
            let name = node
                .input
                .get(at)
                .with_context(|| format!("{} has no weights", node.name))?;
            let weight = graph.weights.get(name).with_context(|| format!("constant `{name}`"))?;
            Ok::<_, anyhow::Error>(weight.dims.clone())
        };
        let output = match (node.op_type.as_str(), input.as_slice()) {
            ("Conv", [_, h, w]) => {
                let dims = weight(1)?;
                vec![dims[0], slide(node, *h, dims[2], 0), slide(node, *w, dims[3], 1)]
            }
            ("MaxPool" | "AveragePool", [c, h, w]) => {
                let kernel = integers(node, "kernel_shape").context("a pool without a window")?;
                vec![*c, slide(node, *h, kernel[0], 0), slide(node, *w, kernel[1], 1)]
            }
            ("Flatten", shape) => vec![shape.iter().product()],
            ("Gemm", [_]) => vec![weight(1)?[0]],
            ("Relu" | "Add" | "Mul", shape) => shape.to_vec(),
            (op, shape) => bail!("{op} over {shape:?} is not supported"),
        };
        shapes.insert(node.output[0].clone(), output);
    }
    Ok(shapes)
}

/// Places of a window of `kernel` along an axis of `len`.
fn slide(node: &NodeProto, len: usize, kernel: usize, axis: usize) -> usize {
    let stride = integers(node, "strides").map_or(1, |strides| strides[axis]);
    let padding = integers(node, "pads").map_or(0, |pads| pads[axis] + pads[axis + 2]);
    (len + padding - kernel) / stride + 1
}

/// An attribute that is a list of integers.
fn integers(node: &NodeProto, name: &str) -> Option<Vec<usize>> {
    let attribute = node.attribute.iter().find(|attribute| attribute.name == name)?;
    Some(attribute.ints.iter().map(|value| *value as usize).collect())
}
