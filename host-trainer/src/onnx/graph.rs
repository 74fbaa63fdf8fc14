//! An ONNX graph in a form that is easy to rewrite: nodes in order, constants by name.

use std::collections::BTreeMap;

use onnx::tensor_proto::DataType;
use onnx::type_proto::{Tensor as TensorType, Value};
use onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType, tensor_shape_proto,
};
use prost::Message;
use shared_model::image::SIDE;

use super::ExportError;
use super::encode::encode;

/// Operator set of the files; every operator used has kept its form since.
const OPSET: i64 = 18;
/// IR version that belongs to operator set 18.
const IR_VERSION: i64 = 8;
/// Name of the batch axis.
const BATCH: &str = "n";

/// A constant tensor of 32-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Weight {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

/// A constant of small integers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Quantised {
    /// `u8`, a zero point.
    U8(u8),
    /// `s8` with these sizes.
    I8(Vec<usize>, Vec<i8>),
    /// `s32`, a vector.
    I32(Vec<i32>),
}

impl Quantised {
    fn tensor(&self, name: &str) -> TensorProto {
        let (kind, dims, raw_data): (DataType, Vec<i64>, Vec<u8>) = match self {
            Self::U8(value) => (DataType::Uint8, Vec::new(), vec![*value]),
            Self::I8(dims, values) => (
                DataType::Int8,
                dims.iter().map(|d| *d as i64).collect(),
                values.iter().map(|v| *v as u8).collect(),
            ),
            Self::I32(values) => (
                DataType::Int32,
                vec![values.len() as i64],
                values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            ),
        };
        TensorProto {
            name: name.to_owned(),
            dims,
            data_type: kind as i32,
            raw_data,
            ..TensorProto::default()
        }
    }
}

/// A graph that can be rewritten.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    /// In an order in which they can run.
    pub(crate) nodes: Vec<NodeProto>,
    pub(crate) weights: BTreeMap<String, Weight>,
    /// Shapes.
    pub(crate) integers: BTreeMap<String, Vec<i64>>,
    /// Quantised constants: written, never read.
    pub(crate) quantised: BTreeMap<String, Quantised>,
    pub(crate) input: String,
    /// Name of each output, and its number of values, or of channels.
    pub(crate) outputs: Vec<(String, usize)>,
    pub(crate) form: Form,
}

/// What goes in and comes out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// A crop; outputs `[n, length]`.
    #[default]
    Crop,
    /// A picture of any size; outputs `[n, channels, rows, columns]`.
    Maps {
        /// Rows and columns of the pictures that the graph is looked into with; the file does not say them.
        rows: usize,
        /// See `rows`.
        columns: usize,
    },
}

impl Graph {
    /// Reads an ONNX file with one input, and outputs that are all `[n, length]`, or all maps.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ExportError> {
        let model = ModelProto::decode(bytes).map_err(|error| unexpected(format!("its own file: {error}")))?;
        let graph = model.graph.ok_or_else(|| unexpected("a file without a graph"))?;
        let mut own = Self::default();
        for tensor in graph.initializer {
            own.add_constant(tensor)?;
        }
        for node in graph.node {
            match (node.op_type.as_str(), node.attribute.first().and_then(|a| a.t.clone())) {
                ("Constant", Some(mut tensor)) => {
                    tensor.name.clone_from(&node.output[0]);
                    own.add_constant(tensor)?;
                }
                _ => own.nodes.push(node),
            }
        }
        let [input] = graph.input.as_slice() else {
            return Err(unexpected("more than one input"));
        };
        own.input.clone_from(&input.name);
        if graph
            .output
            .iter()
            .all(|output| dims(output).is_some_and(|dims| dims.len() == 4))
        {
            own.form = Form::Maps {
                rows: SIDE,
                columns: SIDE,
            };
        }
        let length = |output: &ValueInfoProto| length(output).ok_or_else(|| unexpected("an output without a length"));
        own.outputs = graph
            .output
            .iter()
            .map(|o| Ok((o.name.clone(), length(o)?)))
            .collect::<Result<_, ExportError>>()?;
        Ok(own)
    }

    fn add_constant(&mut self, tensor: TensorProto) -> Result<(), ExportError> {
        let dims: Vec<usize> = tensor.dims.iter().map(|dim| *dim as usize).collect();
        if tensor.data_type == DataType::Float as i32 {
            let values = if tensor.raw_data.is_empty() {
                tensor.float_data
            } else {
                let quads = tensor.raw_data.chunks_exact(4);
                quads.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
            };
            self.weights.insert(tensor.name, Weight { dims, values });
        } else if tensor.data_type == DataType::Int64 as i32 {
            let values = if tensor.raw_data.is_empty() {
                tensor.int64_data
            } else {
                let words = tensor.raw_data.chunks_exact(8);
                words
                    .map(|b| i64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
                    .collect()
            };
            self.integers.insert(tensor.name, values);
        } else {
            return Err(unexpected(format!(
                "constant {} of type {}",
                tensor.name, tensor.data_type
            )));
        }
        Ok(())
    }

    /// Index of the node that makes `value`.
    pub(crate) fn producer(&self, value: &str) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.output.iter().any(|output| output == value))
    }

    /// Indices of the nodes that take `value`.
    pub(crate) fn consumers(&self, value: &str) -> Vec<usize> {
        let takes = |node: &NodeProto| node.input.iter().any(|input| input == value);
        self.nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| takes(node))
            .map(|(at, _)| at)
            .collect()
    }

    /// The one node that takes `value`, if it is of type `op`.
    pub(crate) fn only_consumer(&self, value: &str, op: &str) -> Option<usize> {
        match self.consumers(value).as_slice() {
            [one] if self.nodes[*one].op_type == op && !self.is_output(value) => Some(*one),
            _ => None,
        }
    }

    pub(crate) fn is_output(&self, value: &str) -> bool {
        self.outputs.iter().any(|(name, _)| name == value)
    }

    /// Lets everything that takes `old` take `new`.
    pub(crate) fn redirect(&mut self, old: &str, new: &str) {
        for input in self.nodes.iter_mut().flat_map(|node| &mut node.input) {
            if input == old {
                new.clone_into(input);
            }
        }
        for (output, _) in &mut self.outputs {
            if output == old {
                new.clone_into(output);
            }
        }
    }

    /// Renames a value or constant wherever it stands.
    pub(crate) fn rename(&mut self, old: &str, new: &str) {
        for value in self
            .nodes
            .iter_mut()
            .flat_map(|node| node.input.iter_mut().chain(&mut node.output))
        {
            if value == old {
                new.clone_into(value);
            }
        }
        if let Some(weight) = self.weights.remove(old) {
            self.weights.insert(new.to_owned(), weight);
        }
        if let Some(values) = self.integers.remove(old) {
            self.integers.insert(new.to_owned(), values);
        }
        if self.input == old {
            new.clone_into(&mut self.input);
        }
        for (output, _) in &mut self.outputs {
            if output == old {
                new.clone_into(output);
            }
        }
    }

    /// Removes constants that nothing takes.
    pub(crate) fn drop_unused(&mut self) {
        let used: std::collections::BTreeSet<&String> = self.nodes.iter().flat_map(|node| &node.input).collect();
        self.weights.retain(|name, _| used.contains(name));
        self.integers.retain(|name, _| used.contains(name));
    }

    /// The file.
    pub(crate) fn write(&self, metadata: &[(&str, String)]) -> Vec<u8> {
        let open = |name: &str| dimension(tensor_shape_proto::dimension::Value::DimParam(name.to_owned()));
        let number = |value| dimension(tensor_shape_proto::dimension::Value::DimValue(value));
        let output = |(name, len): &(String, usize)| {
            let mut dims = vec![open(BATCH), number(*len as i64)];
            if self.form != Form::Crop {
                dims.extend(["rows", "columns"].map(|side| open(&format!("{name}.{side}"))));
            }
            value_info(name, dims)
        };
        let sides = match self.form {
            Form::Crop => [number(SIDE as i64), number(SIDE as i64)],
            Form::Maps { .. } => [open("height"), open("width")],
        };
        let outputs = self.outputs.iter().map(output);
        let graph = GraphProto {
            name: "emotion-kiosk".to_owned(),
            node: self.nodes.clone(),
            initializer: self.initializers(),
            input: vec![value_info(
                &self.input,
                [open(BATCH), number(1)].into_iter().chain(sides).collect(),
            )],
            output: outputs.collect(),
            ..GraphProto::default()
        };
        let entry = |(key, value): &(&str, String)| StringStringEntryProto {
            key: (*key).to_owned(),
            value: value.clone(),
        };
        let model = ModelProto {
            ir_version: IR_VERSION,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: OPSET,
            }],
            producer_name: "host-trainer".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            graph: Some(graph),
            metadata_props: metadata.iter().map(entry).collect(),
            ..ModelProto::default()
        };
        encode(model)
    }

    fn initializers(&self) -> Vec<TensorProto> {
        let floats = self.weights.iter().map(|(name, weight)| TensorProto {
            name: name.clone(),
            dims: weight.dims.iter().map(|dim| *dim as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: weight.values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        let integers = self.integers.iter().map(|(name, values)| TensorProto {
            name: name.clone(),
            dims: vec![values.len() as i64],
            data_type: DataType::Int64 as i32,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..TensorProto::default()
        });
        let quantised = self.quantised.iter().map(|(name, value)| value.tensor(name));
        floats.chain(integers).chain(quantised).collect()
    }
}

/// A node with one output.
pub(crate) fn node(op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute: attributes,
        ..NodeProto::default()
    }
}

/// An attribute that is a list of integers.
pub(crate) fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

/// An integer attribute.
pub(crate) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..AttributeProto::default()
    }
}

fn dims(output: &ValueInfoProto) -> Option<&[tensor_shape_proto::Dimension]> {
    let Value::TensorType(tensor) = output.r#type.as_ref()?.value.as_ref()?;
    Some(&tensor.shape.as_ref()?.dim)
}

/// Values of a vector, or channels of a map.
fn length(output: &ValueInfoProto) -> Option<usize> {
    match dims(output)?.get(1)?.value {
        Some(tensor_shape_proto::dimension::Value::DimValue(length)) => usize::try_from(length).ok(),
        _ => None,
    }
}

fn dimension(value: tensor_shape_proto::dimension::Value) -> tensor_shape_proto::Dimension {
    tensor_shape_proto::Dimension {
        value: Some(value),
        ..Default::default()
    }
}

fn value_info(name: &str, dim: Vec<tensor_shape_proto::Dimension>) -> ValueInfoProto {
    let tensor = TensorType {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim }),
    };
    let r#type = TypeProto {
        value: Some(Value::TensorType(tensor)),
        ..TypeProto::default()
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(r#type),
        ..ValueInfoProto::default()
    }
}

pub(crate) fn unexpected(what: impl Into<String>) -> ExportError {
    ExportError::Graph(what.into())
}
