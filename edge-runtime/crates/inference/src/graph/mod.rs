//! A network as operations on tensors whose sizes are known: what this program runs itself.
//!
//! Two readers make graphs, of floats ([`super::floats`]) and of quantised values ([`super::quantised`]); what they have
//! in common is here: windows, [`layout`] of tensors in buffers, the [`rewrite`]s that change no result, the [`plan`] that
//! runs them, and the [`attributes`] and [`constants`] of a file with the [`geometry`] that they say.

pub(crate) mod attributes;
pub(crate) mod constants;
pub(crate) mod geometry;
pub(crate) mod layout;
pub(crate) mod plan;
pub(crate) mod rewrite;

use std::fmt;

use super::signature::{Form, Signature};
use super::{Layer, PredictError};

pub(crate) use super::unsupported::{Subject, Unsupported, Why};

/// What the values of a network are.
pub(crate) trait Values: fmt::Debug + Clone + Default {
    /// Scale and zero point of a tensor; nothing in floats.
    type Quantisation: fmt::Debug + Copy;
    /// Weights and biases of one layer.
    type Filter: fmt::Debug + Clone;

    /// Output channels of a filter.
    fn channels(filter: &Self::Filter) -> usize;
}

/// Index of a tensor in [`Graph::tensors`].
pub(crate) type TensorId = usize;

/// Rows, columns and channels of a tensor.
pub(crate) type Shape = [usize; 3];

/// The activations between two operations.
#[derive(Debug, Clone)]
pub(crate) struct Tensor<V: Values> {
    pub(crate) shape: Shape,
    pub(crate) quantisation: V::Quantisation,
}

/// A window that moves over rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Rows and columns of the window.
    pub(crate) size: [usize; 2],
    /// Rows and columns to the next one.
    pub(crate) stride: [usize; 2],
    /// Above, left, below and right of the input.
    pub(crate) pads: [usize; 4],
}

impl Window {
    /// Rows and columns of the output; `None` where the window does not fit.
    pub(crate) fn output(&self, shape: Shape) -> Option<[usize; 2]> {
        let length = |axis: usize| {
            let padded = shape[axis] + self.pads[axis] + self.pads[axis + 2];
            Some(padded.checked_sub(self.size[axis])? / self.stride[axis] + 1)
        };
        Some([length(0)?, length(1)?])
    }
}

/// An operation, with its window and weights.
#[derive(Debug, Clone)]
pub(crate) enum Op<V: Values> {
    /// A convolution, or a dense layer: that is one whose window is the whole input.
    Convolution {
        window: Window,
        filter: V::Filter,
        /// A residual addition that is fused into it.
        residual: Option<ResidualAdd<V>>,
        /// A maximum over windows of its results that is fused into it, see [`rewrite::fuse_max_pools`].
        pool: Option<Window>,
    },
    /// A sum of two tensors that no convolution has taken over yet.
    Add {
        other: TensorId,
    },
    MaxPool(Window),
    AveragePool(Window),
}

impl<V: Values> Op<V> {
    /// Products in each value of the result, where the input has these channels.
    pub(crate) fn products(&self, channels: usize) -> u64 {
        match self {
            Self::Convolution { window, pool, .. } => {
                let area = |window: &Window| window.size[0] * window.size[1];
                (area(window) * channels * pool.as_ref().map_or(1, area)) as u64
            }
            _ => 0,
        }
    }
}

/// With the size and the stride of the window.
impl<V: Values> fmt::Display for Op<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, window, end) = match self {
            Self::Convolution {
                window, pool: Some(_), ..
            } => ("conv", window, " + max"),
            Self::Convolution { window, residual, .. } => {
                ("conv", window, if residual.is_some() { " + sum" } else { "" })
            }
            Self::MaxPool(window) => ("max", window, ""),
            Self::AveragePool(window) => ("mean", window, ""),
            Self::Add { .. } => return f.write_str("sum"),
        };
        let ([rows, columns], stride) = (window.size, window.stride[0]);
        write!(f, "{name} {rows}x{columns}/{stride}{end}")
    }
}

/// A residual addition at the end of a convolution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResidualAdd<V: Values> {
    pub(crate) other: TensorId,
    /// Scale and zero point of what the convolution alone gives.
    pub(crate) conv_quantisation: V::Quantisation,
    pub(crate) conv_relu: bool,
}

/// An operation of the network.
#[derive(Debug, Clone)]
pub(crate) struct Node<V: Values> {
    /// Its name in the file, for messages.
    pub(crate) name: String,
    pub(crate) op: Op<V>,
    pub(crate) input: TensorId,
    pub(crate) output: Target,
    /// Whether a ReLU is fused into it.
    pub(crate) relu: bool,
}

impl<V: Values> Node<V> {
    /// All tensors that it reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = TensorId> {
        let other = match &self.op {
            Op::Add { other } => Some(*other),
            Op::Convolution { residual, .. } => residual.as_ref().map(|residual| residual.other),
            _ => None,
        };
        std::iter::once(self.input).chain(other)
    }
}

/// Where the result of an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Tensor(TensorId),
    /// An output of the network, in floats.
    Output(usize),
}

/// A network: operations in the order of their computation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph<V: Values> {
    pub(crate) tensors: Vec<Tensor<V>>,
    pub(crate) nodes: Vec<Node<V>>,
    /// The input, as operations take it.
    pub(crate) input: Option<TensorId>,
    /// Outputs that are tensors, and where they go.
    pub(crate) results: Vec<(TensorId, usize)>,
}

impl<V: Values> Graph<V> {
    /// Rows and columns of what a node computes.
    pub(crate) fn size(&self, node: &Node<V>) -> [usize; 2] {
        match (&node.output, &node.op) {
            (Target::Tensor(tensor), _) => [self.tensors[*tensor].shape[0], self.tensors[*tensor].shape[1]],
            (Target::Output(_), Op::Convolution { window, .. }) => {
                window.output(self.tensors[node.input].shape).unwrap_or([1, 1])
            }
            (Target::Output(_), _) => [1, 1],
        }
    }

    /// Shape of an output of the network.
    pub(crate) fn output_shape(&self, at: usize) -> Option<Shape> {
        if let Some((tensor, _)) = self.results.iter().find(|(_, output)| *output == at) {
            return Some(self.tensors[*tensor].shape);
        }
        let node = self.nodes.iter().find(|node| node.output == Target::Output(at))?;
        let [rows, columns] = self.size(node);
        match &node.op {
            Op::Convolution { filter, .. } => Some([rows, columns, V::channels(filter)]),
            _ => None,
        }
    }

    /// A node as users see it.
    pub(crate) fn layer(&self, node: &Node<V>) -> Layer {
        let [rows, columns] = self.size(node);
        let output = match (&node.output, &node.op) {
            (Target::Tensor(tensor), _) => self.tensors[*tensor].shape,
            (Target::Output(_), Op::Convolution { filter, .. }) => [rows, columns, V::channels(filter)],
            (Target::Output(_), _) => [1, 1, 0],
        };
        Layer {
            name: node.name.clone(),
            operation: node.op.to_string(),
            output: output.to_vec(),
            macs: node.op.products(self.tensors[node.input].shape[2]) * output.iter().product::<usize>() as u64,
        }
    }
}

/// Whether the outputs are the vectors or maps that were asked for, each with name and length.
pub(crate) fn check_outputs<V: Values>(graph: &Graph<V>, signature: &Signature<'_>) -> Result<(), PredictError> {
    for (at, (name, length)) in signature.outputs.iter().enumerate() {
        let found = graph.output_shape(at);
        let fits = match signature.form {
            Form::Vectors => found == Some([1, 1, *length]),
            Form::Maps => found.is_some_and(|[.., channels]| channels == *length),
        };
        if !fits {
            return Err(PredictError::Output {
                name: (*name).to_owned(),
                length: *length,
                found: found.map_or_else(
                    || "missing".to_owned(),
                    |[rows, columns, channels]| format!("{rows} rows, {columns} columns and {channels} channels"),
                ),
            });
        }
    }
    Ok(())
}
