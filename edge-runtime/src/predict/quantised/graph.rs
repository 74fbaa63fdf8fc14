//! A quantised network as operations on quantised tensors; quantising and dequantising nodes are gone.

use std::fmt;

use crate::kernels::Quantisation;

/// Index of a tensor in [`Graph::tensors`].
pub(super) type TensorId = usize;

/// Rows, columns, channels.
pub(super) type Shape = [usize; 3];

/// Activations between two operations.
#[derive(Debug, Clone)]
pub(super) struct Tensor {
    pub(super) shape: Shape,
    pub(super) quantisation: Quantisation,
}

/// A window that moves over rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Rows and columns of the window.
    pub(super) size: [usize; 2],
    /// Rows and columns to the next one.
    pub(super) stride: [usize; 2],
    /// Above, left, below and right of the input.
    pub(super) pads: [usize; 4],
}

impl Window {
    /// Rows and columns of the output; `None` where the window does not fit.
    pub(super) fn output(&self, shape: Shape) -> Option<[usize; 2]> {
        let length = |axis: usize| {
            let padded = shape[axis] + self.pads[axis] + self.pads[axis + 2];
            Some(padded.checked_sub(self.size[axis])? / self.stride[axis] + 1)
        };
        Some([length(0)?, length(1)?])
    }
}

/// Weights as the file has them.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Two's complement.
    pub(super) bytes: Vec<u8>,
    /// Distance of output channels, and of positions `(channel, row, column)` of the window, in `bytes`.
    pub(super) strides: [usize; 2],
    /// One an output channel.
    pub(super) scales: Vec<f32>,
    /// One an output channel, in units of activation scale times weight scale.
    pub(super) biases: Vec<i32>,
}

/// What an operation does.
#[derive(Debug, Clone)]
pub(super) enum Op {
    /// A convolution, or a dense layer: that is one whose window is the whole input.
    Convolution {
        window: Window,
        filter: Filter,
        /// A sum that follows at once.
        sum: Option<Sum>,
    },
    /// A sum of two tensors that no convolution has taken over yet.
    Add {
        other: TensorId,
    },
    MaxPool(Window),
    AveragePool(Window),
}

impl Op {
    /// Products in each value of the result, where the input has these channels.
    pub(super) fn products(&self, channels: usize) -> u64 {
        match self {
            Self::Convolution { window, .. } => (window.size[0] * window.size[1] * channels) as u64,
            _ => 0,
        }
    }
}

/// With the size and the stride of the window.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, window, end) = match self {
            Self::Convolution { window, sum, .. } => ("conv", window, if sum.is_some() { " + sum" } else { "" }),
            Self::MaxPool(window) => ("max", window, ""),
            Self::AveragePool(window) => ("mean", window, ""),
            Self::Add { .. } => return f.write_str("sum"),
        };
        let ([rows, columns], stride) = (window.size, window.stride[0]);
        write!(f, "{name} {rows}x{columns}/{stride}{end}")
    }
}

/// A residual sum at the end of a convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    pub(super) other: TensorId,
    /// What the convolution alone gives.
    pub(super) inner: Quantisation,
    pub(super) inner_relu: bool,
}

/// An operation of the network.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// In the file, for messages.
    pub(super) name: String,
    pub(super) op: Op,
    pub(super) input: TensorId,
    pub(super) output: Target,
    /// Negative values become 0.
    pub(super) relu: bool,
}

impl Node {
    /// All tensors that it reads.
    pub(super) fn inputs(&self) -> impl Iterator<Item = TensorId> {
        let other = match &self.op {
            Op::Add { other } => Some(*other),
            Op::Convolution { sum, .. } => sum.map(|sum| sum.other),
            _ => None,
        };
        std::iter::once(self.input).chain(other)
    }
}

/// Where the result of an operation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Tensor(TensorId),
    /// An output of the network, in floats.
    Output(usize),
}

/// A network: operations in the order of their computation.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    pub(super) tensors: Vec<Tensor>,
    pub(super) nodes: Vec<Node>,
    /// The quantised input.
    pub(super) input: Option<TensorId>,
    /// Outputs that are dequantised tensors, and where they go.
    pub(super) dequantised: Vec<(TensorId, usize)>,
}

impl Graph {
    /// Shape of an output of the network.
    pub(super) fn output_shape(&self, at: usize) -> Option<Shape> {
        if let Some((tensor, _)) = self.dequantised.iter().find(|(_, output)| *output == at) {
            return Some(self.tensors[*tensor].shape);
        }
        let node = self.nodes.iter().find(|node| node.output == Target::Output(at))?;
        match &node.op {
            Op::Convolution { filter, .. } => Some([1, 1, filter.scales.len()]),
            _ => None,
        }
    }
}
