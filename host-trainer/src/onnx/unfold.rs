//! Reads the layers of an exported network back: what training needs of a file that was written for use.

use super::ExportError;
use super::graph::{Graph, unexpected};

/// A convolution with the batch normalisation that was folded into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    /// `[outputs, inputs, height, width]`.
    pub(crate) weight: Vec<f32>,
    /// One for each output channel, as the next two.
    pub(crate) bias: Vec<f32>,
    /// What remains of the normalisation: its output is `scale * y + shift`.
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

/// The convolutions of these names, in their order, of a file that [`super::export`] wrote.
pub(crate) fn unfold(onnx: &[u8], layers: &[String]) -> Result<Vec<Folded>, ExportError> {
    let graph = Graph::read(onnx)?;
    layers.iter().map(|layer| one(&graph, layer)).collect()
}

/// A dense layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    /// `[inputs, outputs]`, as burn has it.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// The dense layers of these names, in their order, of a file that [`super::export`] wrote.
pub(crate) fn dense(onnx: &[u8], layers: &[String]) -> Result<Vec<Dense>, ExportError> {
    let graph = Graph::read(onnx)?;
    let of_layer = |layer: &String| {
        let values = |name: &str| {
            let weight = graph.weights.get(&format!("{layer}.{name}"));
            weight.ok_or_else(|| unexpected(format!("no {layer}.{name}")))
        };
        let (weight, bias) = (values("weight")?, values("bias")?);
        // The file's rows are outputs.
        let [outputs, inputs] = weight.dims[..] else {
            return Err(unexpected(format!("{layer}.weight with other than a matrix")));
        };
        let transposed = (0..inputs * outputs).map(|at| weight.values[at % outputs * inputs + at / outputs]);
        Ok(Dense {
            weight: transposed.collect(),
            bias: bias.values.clone(),
        })
    };
    layers.iter().map(of_layer).collect()
}

fn one(graph: &Graph, layer: &str) -> Result<Folded, ExportError> {
    let values = |name: &str| {
        graph
            .weights
            .get(&format!("{layer}.{name}"))
            .map(|weight| weight.values.clone())
    };
    let missing = |name: &str| unexpected(format!("no {layer}.{name}"));
    let bias = values("bias").ok_or_else(|| missing("bias"))?;
    Ok(Folded {
        weight: values("weight").ok_or_else(|| missing("weight"))?,
        // Where a pool kept the normalisation apart.
        scale: values("mul.constant0").unwrap_or_else(|| vec![1.0; bias.len()]),
        shift: values("add.constant0").unwrap_or_else(|| vec![0.0; bias.len()]),
        bias,
    })
}
