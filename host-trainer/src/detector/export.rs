//! The detector as an ONNX file: convolutions, `ReLU` and additions, batch norm folded into the weights.
//!
//! Input `[n, 1, height, width]`, pixels of 0 to 255 less 128, divided by 128; outputs `[n, channels, rows, columns]`, one
//! a head, as [`super::decode`] reads them.

use prost::Message;
use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::type_proto::{Tensor, Value};
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto,
};

use super::engine::{After, FoldedLayer, Plane};
use super::evaluate::Detector;

/// Operator set of the file; the operators used have kept their form since.
const OPSET: i64 = 18;
/// IR version that belongs to it.
const IR_VERSION: i64 = 8;
/// Name of the input.
pub const INPUT: &str = "input";

/// Bytes of the file for inputs of `width` x `height` pixels.
pub fn onnx(detector: &Detector, [width, height]: [usize; 2]) -> Vec<u8> {
    let layers = &detector.network().layers;
    let mut graph = GraphProto {
        name: "face-detector".to_owned(),
        input: vec![value(
            INPUT,
            1,
            Plane {
                columns: width,
                rows: height,
            },
        )],
        ..GraphProto::default()
    };
    let plain: Vec<_> = layers.iter().map(|folded| folded.layer.clone()).collect();
    let planes = super::engine::planes(
        &plain,
        Plane {
            columns: width,
            rows: height,
        },
    );
    for (folded, plane) in layers.iter().zip(planes) {
        add(&mut graph, folded, layers);
        if folded.layer.after == After::Bias {
            graph
                .output
                .push(value(&folded.layer.name, folded.layer.outputs, plane));
        }
    }
    let entry = |key: &str, value: &str| StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
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
        metadata_props: vec![entry("task", "faces"), entry("input", "(pixel - 128) / 128")],
        ..ModelProto::default()
    };
    model.encode_to_vec()
}

/// Name of a layer's output.
fn output(folded: &FoldedLayer) -> String {
    match folded.layer.after {
        After::Bias => folded.layer.name.clone(),
        _ => format!("{}.relu", folded.layer.name),
    }
}

fn add(graph: &mut GraphProto, folded: &FoldedLayer, layers: &[FoldedLayer]) {
    let layer = &folded.layer;
    let named = |part: &str| format!("{}.{part}", layer.name);
    let input = layer.input.map_or_else(|| INPUT.to_owned(), |at| output(&layers[at]));
    let dims = [layer.outputs, layer.inputs, layer.kernel, layer.kernel];
    graph.initializer.push(tensor(named("weight"), &dims, &planar(folded)));
    graph
        .initializer
        .push(tensor(named("bias"), &[layer.outputs], &folded.bias));
    let (side, stride, margin) = (layer.kernel as i64, layer.stride as i64, (layer.kernel / 2) as i64);
    let attributes = vec![
        integers("kernel_shape", &[side; 2]),
        integers("pads", &[margin; 4]),
        integers("strides", &[stride; 2]),
    ];
    let last = match layer.after {
        After::Bias => layer.name.clone(),
        _ => named("conv"),
    };
    graph.node.push(node(
        "Conv",
        &[&input, &named("weight"), &named("bias")],
        &last,
        attributes,
    ));
    let mut last = last;
    if let After::NormAddRelu(residual) = layer.after {
        graph.node.push(node(
            "Add",
            &[&last, &output(&layers[residual])],
            &named("add"),
            Vec::new(),
        ));
        last = named("add");
    }
    if layer.has_norm() {
        graph.node.push(node("Relu", &[&last], &output(folded), Vec::new()));
    }
}

/// Weights as `[outputs, inputs, kernel, kernel]`.
fn planar(folded: &FoldedLayer) -> Vec<f32> {
    let (inputs, taps) = (folded.layer.inputs, folded.layer.kernel * folded.layer.kernel);
    let mut planar = Vec::with_capacity(folded.weight.len());
    for weight in folded.weight.chunks_exact(inputs * taps) {
        for input in 0..inputs {
            planar.extend((0..taps).map(|tap| weight[tap * inputs + input]));
        }
    }
    planar
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.to_owned(),
        name: output.to_owned(),
        input: inputs.iter().map(|input| (*input).to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..NodeProto::default()
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

fn tensor(name: String, dims: &[usize], values: &[f32]) -> TensorProto {
    TensorProto {
        name,
        dims: dims.iter().map(|dim| *dim as i64).collect(),
        data_type: DataType::Float as i32,
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        ..TensorProto::default()
    }
}

fn value(name: &str, channels: usize, plane: Plane) -> ValueInfoProto {
    let number = |value: usize| Dimension {
        value: Some(dimension::Value::DimValue(value as i64)),
        ..Default::default()
    };
    let batch = Dimension {
        value: Some(dimension::Value::DimParam("n".to_owned())),
        ..Default::default()
    };
    let shape = TensorShapeProto {
        dim: vec![batch, number(channels), number(plane.rows), number(plane.columns)],
    };
    let tensor = Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(shape),
    };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            value: Some(Value::TensorType(tensor)),
            ..TypeProto::default()
        }),
        ..ValueInfoProto::default()
    }
}

#[cfg(test)]
mod tests;
