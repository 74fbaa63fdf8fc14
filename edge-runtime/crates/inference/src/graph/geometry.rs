//! Shapes of layers, as the attributes of a node and the shape of its weights say.

use onnx::NodeProto;

use super::attributes::{Attributes, window};
use super::{Shape, Why, Window};

/// Shapes of a convolution or a dense layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) window: Window,
    pub(crate) output: Shape,
    /// Axis of the output channels in the weights.
    pub(crate) axis: usize,
    /// Distance of output channels, and of positions `(channel, row, column)` of the window, in the weights.
    pub(crate) strides: [usize; 2],
}

/// A `Conv` on an input of this shape, with weights of these sizes.
pub(crate) fn convolution(node: &NodeProto, weights: &[usize], shape: Shape) -> Result<Geometry, Why> {
    let attributes = Attributes(node);
    attributes.expect("group", 1)?;
    attributes.expect_all("dilations", 1)?;
    let [outputs, channels, rows, columns] = weights[..] else {
        return Err(Why::Pattern("its weights have not four axes"));
    };
    let window = window(&attributes, Some([rows, columns]))?;
    let ([height, width], true) = (window.output(shape).unwrap_or_default(), channels == shape[2]) else {
        return Err(Why::Shape(format!(
            "its weights {weights:?} do not fit an input of {shape:?}"
        )));
    };
    if height * width == 0 {
        return Err(Why::Pattern("its window is larger than its input"));
    }
    Ok(Geometry {
        window,
        output: [height, width, outputs],
        axis: 0,
        strides: [channels * rows * columns, 1],
    })
}

/// A `Gemm` on flattened values of this shape: a window that is the whole input.
pub(crate) fn dense(node: &NodeProto, weights: &[usize], shape: Shape) -> Result<Geometry, Why> {
    let attributes = Attributes(node);
    attributes.expect("transA", 0)?;
    attributes.expect_float("alpha", 1.0)?;
    attributes.expect_float("beta", 1.0)?;
    let transposed = attributes.int("transB", 0) == 1;
    let (depth, outputs) = match weights[..] {
        [outputs, depth] if transposed => (depth, outputs),
        [depth, outputs] => (depth, outputs),
        _ => return Err(Why::Pattern("its weights have not two axes")),
    };
    let [rows, columns, channels] = shape;
    if depth != rows * columns * channels {
        return Err(Why::Shape(format!(
            "its weights {weights:?} do not fit a flattened {rows}x{columns}x{channels}"
        )));
    }
    let window = Window {
        size: [rows, columns],
        stride: [1, 1],
        pads: [0; 4],
    };
    Ok(Geometry {
        window,
        output: [1, 1, outputs],
        axis: usize::from(!transposed),
        strides: if transposed { [depth, 1] } else { [1, outputs] },
    })
}

/// Window and output of a `MaxPool` or `AveragePool` on an input of this shape.
pub(crate) fn pool(node: &NodeProto, shape: Shape) -> Result<(Window, Shape), Why> {
    let attributes = Attributes(node);
    attributes.expect("ceil_mode", 0)?;
    attributes.expect_all("dilations", 1)?;
    let window = window(&attributes, None)?;
    if window.pads != [0; 4] {
        return Err(Why::Pattern("pooling with padding is not known"));
    }
    let [height, width] = window
        .output(shape)
        .ok_or(Why::Pattern("its window is larger than its input"))?;
    Ok((window, [height, width, shape[2]]))
}

/// Name of an input of a node.
pub(crate) fn input(node: &NodeProto, at: usize) -> Result<&str, Why> {
    let name = node.input.get(at).filter(|name| !name.is_empty());
    name.map(String::as_str)
        .ok_or_else(|| Why::Shape(format!("input {at} is missing")))
}
