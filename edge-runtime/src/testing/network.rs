//! Networks of one dense layer with known weights.

use prost::Message;
use shared_model::image::{INPUT_LEN, SIDE};
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, type_proto,
};

/// A file with one output `[n, length]`: `Flatten` and `Gemm`.
pub(crate) fn linear(output: &str, length: usize) -> ModelProto {
    model(&[(output, length)])
}

/// A file with two outputs.
pub(crate) fn pair(first: &str, first_length: usize, second: &str, second_length: usize) -> ModelProto {
    model(&[(first, first_length), (second, second_length)])
}

pub(crate) fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// What a network gives for an input, computed the plain way.
pub(crate) fn expected(input: &[f32], length: usize) -> Vec<f32> {
    let dot = |row: usize| -> f32 { (0..INPUT_LEN).map(|at| input[at] * weight(row, at)).sum() };
    (0..length).map(|row| dot(row) + bias(row)).collect()
}

/// Deterministic, small, and different for each row.
fn weight(row: usize, at: usize) -> f32 {
    ((at * 7 + row * 13) % 31) as f32 / 31_000.0 - 0.0004
}

fn bias(row: usize) -> f32 {
    row as f32 * 0.25 + 1.0
}

fn model(outputs: &[(&str, usize)]) -> ModelProto {
    let mut graph = GraphProto {
        name: "test".into(),
        input: vec![info("input", &[None, Some(1), Some(SIDE), Some(SIDE)])],
        node: vec![node("Flatten", &["input"], "flat", vec![int("axis", 1)])],
        ..Default::default()
    };
    for (name, length) in outputs {
        let (weights, biases) = (format!("{name}_w"), format!("{name}_b"));
        let gemm = node("Gemm", &["flat", &weights, &biases], name, vec![int("transB", 1)]);
        graph.node.push(gemm);
        graph.output.push(info(name, &[None, Some(*length)]));
        let values = (0..length * INPUT_LEN).map(|at| weight(at / INPUT_LEN, at % INPUT_LEN));
        graph
            .initializer
            .push(tensor(&weights, &[*length, INPUT_LEN], values.collect()));
        graph
            .initializer
            .push(tensor(&biases, &[*length], (0..*length).map(bias).collect()));
    }
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 16,
        }],
        graph: Some(graph),
        ..Default::default()
    }
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        name: format!("{op}_{output}"),
        op_type: op.into(),
        input: inputs.iter().map(|name| (*name).to_owned()).collect(),
        output: vec![output.into()],
        attribute,
        ..Default::default()
    }
}

fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

fn tensor(name: &str, dims: &[usize], values: Vec<f32>) -> TensorProto {
    TensorProto {
        name: name.into(),
        dims: dims.iter().map(|dim| *dim as i64).collect(),
        data_type: DataType::Float as i32,
        float_data: values,
        ..Default::default()
    }
}

fn info(name: &str, dims: &[Option<usize>]) -> ValueInfoProto {
    let value = |dim: &Option<usize>| match dim {
        Some(size) => dimension::Value::DimValue(*size as i64),
        None => dimension::Value::DimParam("n".into()),
    };
    let dim = dims.iter().map(|dim| Dimension {
        value: Some(value(dim)),
        ..Default::default()
    });
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto { dim: dim.collect() }),
    };
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value: Some(type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}
