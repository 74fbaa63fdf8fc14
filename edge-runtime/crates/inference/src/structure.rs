//! What an ONNX file must look like before tract builds anything from it.
//!
//! tract panics on some damaged files and accepts others whose graph is not what was trained, so this
//! looks at the bare protobuf: known operators, plain names in order, tensors as long as their shapes.
//! What the operators compute is tract's business.

use std::collections::HashSet;

use onnx::tensor_proto::{DataLocation, DataType};
use onnx::tensor_shape_proto::dimension::Value as Dim;
use onnx::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, type_proto};
use shared_model::manifest::INPUT_NAME;

use super::signature::{Form, InputSize, Signature};

/// Operators that a network may use: what residual networks, plain or quantised, consist of.
const OPERATORS: [&str; 31] = [
    "Add",
    "AveragePool",
    "BatchNormalization",
    "Cast",
    "Clip",
    "Concat",
    "Constant",
    "Conv",
    "DequantizeLinear",
    "Div",
    "Dropout",
    "Flatten",
    "Gemm",
    "GlobalAveragePool",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "MatMul",
    "MaxPool",
    "Mul",
    "Pad",
    "QuantizeLinear",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Sigmoid",
    "Squeeze",
    "Sub",
    "Transpose",
    "Unsqueeze",
];

/// Most nodes of a graph.
const MAX_NODES: usize = 4096;
/// Most numbers in all tensors of a file together; the file itself is at most 256 MiB.
const MAX_ELEMENTS: usize = 64 << 20;
/// Most axes of a tensor.
const MAX_RANK: usize = 8;
/// Largest kernel, stride, dilation or padding: many times the side of the input.
const MAX_EXTENT: i64 = 1024;

/// What is wrong with the structure of an ONNX file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    /// The model has no graph.
    #[error("it has no graph")]
    NoGraph,
    /// Local functions or sparse tensors, which no reader here knows.
    #[error("functions and sparse tensors are not supported")]
    Extensions,
    /// The number of nodes is out of range.
    #[error("{0} nodes, 1 to {MAX_NODES} are allowed")]
    NodeCount(usize),
    /// Not exactly one input that is no constant.
    #[error("one input `{INPUT_NAME}` is needed")]
    InputCount,
    /// The input has another name, type or shape.
    #[error("the input must be `{INPUT_NAME}` with shape [n, 1, {rows}, {columns}] of 32-bit floats, not `{name}`", rows = size.rows, columns = size.columns)]
    Input {
        /// Its name in the file.
        name: String,
        /// The size that was asked for.
        size: InputSize,
    },
    /// A node that breaks a rule by itself.
    #[error("node {index} (`{name}`, {operator}): {fault}")]
    Node {
        /// Its place in the file, from 0.
        index: usize,
        /// Its name in the file.
        name: String,
        /// The ONNX operator.
        operator: String,
        /// The rule that it breaks.
        fault: NodeFault,
    },
    /// A node reads a value that nothing before it gives: the graph is not in topological order, or the name is wrong.
    #[error("node {index} uses `{value}`, which nothing before it computes")]
    Undefined {
        /// Place of the node in the file, from 0.
        index: usize,
        /// Name of the value.
        value: String,
    },
    /// Two nodes give values of one name.
    #[error("`{0}` is computed twice")]
    Duplicate(String),
    /// An output that the file declares, and no node computes.
    #[error("nothing computes the output `{0}`")]
    OutputNotComputed(String),
    /// An output that was asked for, and the file does not declare.
    #[error("there is no output `{0}`")]
    OutputMissing(String),
    /// A constant that breaks a rule.
    #[error("tensor `{name}`: {fault}")]
    Tensor {
        /// Its name in the file.
        name: String,
        /// The rule that it breaks.
        fault: TensorFault,
    },
    /// All constants together are too large.
    #[error("more than {MAX_ELEMENTS} numbers in its tensors")]
    Elements,
}

/// What is wrong with a node by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeFault {
    /// The operator is not among those of residual networks, or of another domain than ONNX's.
    #[error("unknown operator")]
    Operator,
    /// The first output has no name.
    #[error("no output")]
    NoOutput,
    /// The attribute holds a graph or a sparse tensor.
    #[error("attribute `{0}` is not supported")]
    Attribute(String),
    /// A kernel size, stride, dilation or padding that no network here needs.
    #[error("attribute `{0}` is out of its range")]
    AttributeRange(String),
}

/// What is wrong with a constant tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TensorFault {
    /// The values are not in the file itself.
    #[error("data in another file is not supported")]
    External,
    /// More axes than any operator here needs.
    #[error("too many axes")]
    Rank,
    /// An axis has a size below 0.
    #[error("negative size")]
    NegativeSize,
    /// More numbers than a whole file may have.
    #[error("too large")]
    TooLarge,
    /// Another type than 8- or 32-bit integers, 64-bit integers, booleans and 32-bit floats.
    #[error("type of numbers is not supported")]
    Type,
    /// Another number of values than the shape says.
    #[error("data does not fit its shape")]
    Length,
}

/// Checks the structure of a network with this input and at least these outputs.
pub(super) fn check(model: &ModelProto, signature: &Signature<'_>) -> Result<(), StructureError> {
    let graph = model.graph.as_ref().ok_or(StructureError::NoGraph)?;
    if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
        return Err(StructureError::Extensions);
    }
    if graph.node.is_empty() || graph.node.len() > MAX_NODES {
        return Err(StructureError::NodeCount(graph.node.len()));
    }
    check_tensors(graph)?;
    check_input(graph, signature)?;
    let names = check_nodes(graph)?;
    let declared = |name: &str| graph.output.iter().any(|output| output.name == name);
    for output in &graph.output {
        if !names.contains(output.name.as_str()) {
            return Err(StructureError::OutputNotComputed(output.name.clone()));
        }
    }
    match signature.names().find(|name| !declared(name)) {
        Some(name) => Err(StructureError::OutputMissing(name.to_owned())),
        None => Ok(()),
    }
}

/// Exactly one input that is no constant, `input` with shape `[n, 1, rows, columns]` of 32-bit floats. A network that gives
/// maps takes any rows and columns, whatever its file was written for.
fn check_input(graph: &GraphProto, signature: &Signature<'_>) -> Result<(), StructureError> {
    let constant = |name: &str| graph.initializer.iter().any(|tensor| tensor.name == name);
    let mut inputs = graph.input.iter().filter(|input| !constant(&input.name));
    let (Some(input), None) = (inputs.next(), inputs.next()) else {
        return Err(StructureError::InputCount);
    };
    let InputSize { rows, columns } = signature.input;
    let fits = |h: Option<i64>, w: Option<i64>| {
        signature.form == Form::Maps || (h, w) == (Some(rows as i64), Some(columns as i64))
    };
    match shape(input) {
        Some([None | Some(1), Some(1), h, w]) if input.name == INPUT_NAME && fits(h, w) => Ok(()),
        _ => Err(StructureError::Input {
            name: input.name.clone(),
            size: signature.input,
        }),
    }
}

/// The four sizes of a float tensor; `None` where a size is left open.
fn shape(info: &ValueInfoProto) -> Option<[Option<i64>; 4]> {
    let type_proto::Value::TensorType(tensor) = info.r#type.as_ref()?.value.as_ref()?;
    if tensor.elem_type != DataType::Float as i32 {
        return None;
    }
    let dims: Vec<_> = (tensor.shape.as_ref()?.dim.iter())
        .map(|dim| match dim.value {
            Some(Dim::DimValue(value)) => Some(value),
            _ => None,
        })
        .collect();
    dims.try_into().ok()
}

/// Every node is known and only uses what stands before it; returns every name that has a value.
fn check_nodes(graph: &GraphProto) -> Result<HashSet<&str>, StructureError> {
    let mut names = HashSet::new();
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    names.extend(
        constants
            .chain(graph.input.iter().map(|input| &input.name))
            .map(String::as_str),
    );
    for (index, node) in graph.node.iter().enumerate() {
        check_node(node).map_err(|fault| StructureError::Node {
            index,
            name: node.name.clone(),
            operator: node.op_type.clone(),
            fault,
        })?;
        for input in node.input.iter().filter(|name| !name.is_empty()) {
            if !names.contains(input.as_str()) {
                return Err(StructureError::Undefined {
                    index,
                    value: input.clone(),
                });
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            if !names.insert(output) {
                return Err(StructureError::Duplicate(output.clone()));
            }
        }
    }
    Ok(names)
}

fn check_node(node: &NodeProto) -> Result<(), NodeFault> {
    let standard = node.domain.is_empty() || node.domain == "ai.onnx";
    if !standard || !OPERATORS.contains(&node.op_type.as_str()) {
        return Err(NodeFault::Operator);
    }
    if node.output.first().is_none_or(String::is_empty) {
        return Err(NodeFault::NoOutput);
    }
    for attribute in &node.attribute {
        if attribute.g.is_some() || !attribute.graphs.is_empty() || attribute.sparse_tensor.is_some() {
            return Err(NodeFault::Attribute(attribute.name.clone()));
        }
        let range = match attribute.name.as_str() {
            "kernel_shape" | "strides" | "dilations" => 1..=MAX_EXTENT,
            "pads" => 0..=MAX_EXTENT,
            _ => continue,
        };
        if !attribute.ints.iter().all(|value| range.contains(value)) {
            return Err(NodeFault::AttributeRange(attribute.name.clone()));
        }
    }
    Ok(())
}

fn check_tensors(graph: &GraphProto) -> Result<(), StructureError> {
    let attributes = graph.node.iter().flat_map(|node| &node.attribute);
    let mut total = 0;
    for tensor in (graph.initializer.iter()).chain(attributes.filter_map(|attribute| attribute.t.as_ref())) {
        total += elements(tensor).map_err(|fault| StructureError::Tensor {
            name: tensor.name.clone(),
            fault,
        })?;
        if total > MAX_ELEMENTS {
            return Err(StructureError::Elements);
        }
    }
    Ok(())
}

/// Number of elements of a tensor whose data is as long as its shape says.
fn elements(tensor: &TensorProto) -> Result<usize, TensorFault> {
    let external = tensor
        .data_location
        .is_some_and(|at| at != DataLocation::Default as i32);
    if external || !tensor.external_data.is_empty() {
        return Err(TensorFault::External);
    }
    if tensor.dims.len() > MAX_RANK {
        return Err(TensorFault::Rank);
    }
    let mut count = 1_usize;
    for &dim in &tensor.dims {
        let dim = usize::try_from(dim).map_err(|_| TensorFault::NegativeSize)?;
        count = count
            .checked_mul(dim)
            .filter(|count| *count <= MAX_ELEMENTS)
            .ok_or(TensorFault::TooLarge)?;
    }
    let (bytes, values) = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => (4, tensor.float_data.len()),
        Ok(DataType::Int64) => (8, tensor.int64_data.len()),
        Ok(DataType::Int32) => (4, tensor.int32_data.len()),
        Ok(DataType::Uint8 | DataType::Int8 | DataType::Bool) => (1, tensor.int32_data.len()),
        _ => return Err(TensorFault::Type),
    };
    let fits = if tensor.raw_data.is_empty() {
        values == count
    } else {
        tensor.raw_data.len() == count * bytes
    };
    if fits { Ok(count) } else { Err(TensorFault::Length) }
}

#[cfg(test)]
mod tests;
