//! A quantised network, run in integers.
//!
//! The interchange form is ONNX with `QuantizeLinear` and `DequantizeLinear` around every operation: activations
//! without sign with one scale and zero point a tensor, weights with sign and one scale an output channel, batch norms
//! folded. tract decodes the file, but would run such a network in floats. Here its nodes are [`read`] into a graph of
//! integer operations, the rewrites of [`graph`](super::graph) remove what costs time without changing a result, and the
//! [`plan`](super::graph::plan) runs it with the [`kernels`](kernels). A pattern that is not supported is an error that
//! names the node.

mod filter;
mod read;
mod step;

use std::collections::HashSet;

use onnx::GraphProto;

use super::PredictError;
use super::graph::plan::Plan;
use super::graph::{self, Values, Why, rewrite};
use super::signature::{Form, InputSize, Signature};
use kernels::{Isa, Quantisation};
use step::StepBuilder;

/// Unsigned 8-bit activations and signed 8-bit weights.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Integers;

impl Values for Integers {
    type Quantisation = Quantisation;
    type Filter = filter::Filter;

    fn channels(filter: &filter::Filter) -> usize {
        filter.scales.len()
    }
}

type Graph = graph::Graph<Integers>;
type Node = graph::Node<Integers>;
type Op = graph::Op<Integers>;
type ResidualAdd = graph::ResidualAdd<Integers>;

/// Whether a file is in the interchange form throughout.
///
/// A file in which some layers kept their floats is run by tract, in floats.
pub(super) fn is_quantised(graph: &GraphProto) -> bool {
    let dequantised: HashSet<&str> = (graph.node.iter().filter(|node| node.op_type == "DequantizeLinear"))
        .flat_map(|node| &node.output)
        .map(String::as_str)
        .collect();
    let mut layers = (graph.node.iter()).filter(|node| matches!(node.op_type.as_str(), "Conv" | "Gemm" | "MatMul"));
    let integer = |weights: Option<&String>| weights.is_some_and(|weights| dequantised.contains(weights.as_str()));
    !dequantised.is_empty() && layers.all(|layer| integer(layer.input.get(1)))
}

/// A network that is ready to run.
pub(super) type Network = Plan<Integers>;

/// Builds a network from a graph that the structure check has accepted; errors say what is wrong with which node.
pub(super) fn build(graph: GraphProto, signature: &Signature<'_>, isa: Isa) -> Result<Network, PredictError> {
    let names: Vec<&str> = signature.names().collect();
    let InputSize { rows, columns } = signature.input;
    let last = match signature.form {
        Form::Vectors => read::Last::Dense,
        Form::Maps => read::Last::Any,
    };
    let mut graph = read::read(graph, [rows, columns, 1], &names, last)?;
    graph::check_outputs(&graph, signature)?;
    rewrite::fuse_residual_adds(&mut graph)?;
    rewrite::drop_dead_nodes(&mut graph);
    rewrite::shrink_tensors(&mut graph);
    let plan = Plan::new(graph, signature, |node, tensors| {
        StepBuilder { tensors, isa }.step(node).map_err(Why::from)
    });
    Ok(plan?)
}
