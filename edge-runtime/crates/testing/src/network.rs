//! Networks with known weights: of one dense layer, and a small residual one.

use onnx::tensor_proto::DataType;
use onnx::tensor_shape_proto::{Dimension, dimension};
use onnx::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, attribute_proto::AttributeType, type_proto,
};
use prost::Message;
use shared_model::image::{INPUT_LEN, SIDE};

/// A file with one output `[n, length]`: `Flatten` and `Gemm`.
pub fn linear(output: &str, length: usize) -> ModelProto {
    model(&[(output, length)])
}

/// A file with two outputs.
pub fn pair(first: &str, first_length: usize, second: &str, second_length: usize) -> ModelProto {
    model(&[(first, first_length), (second, second_length)])
}

/// A network with everything that a residual one has: a stem, pools, a block with a shortcut of its own, one without, a
/// mean and a dense layer whose negative results become 0.
pub fn residual(output: &str, length: usize) -> ModelProto {
    let mut model = model(&[]);
    let mut graph = GraphProto {
        node: vec![],
        output: vec![info(output, &[None, Some(length)])],
        ..model.graph.take().unwrap_or_default()
    };
    convolution(&mut graph, "stem", "input", [20, 1, 7], [2, 3]);
    pool(&mut graph, "MaxPool", "stem.relu", [3, 2]);
    convolution(&mut graph, "a", "stem.relu.pool", [24, 20, 1], [1, 0]);
    convolution(&mut graph, "b", "a.relu", [24, 24, 3], [1, 1]);
    convolution(&mut graph, "c", "b.relu", [40, 24, 1], [1, 0]);
    convolution(&mut graph, "shortcut", "stem.relu.pool", [40, 20, 1], [1, 0]);
    add(&mut graph, "sum", ["c", "shortcut"]);
    convolution(&mut graph, "d", "sum.relu", [40, 40, 3], [1, 1]);
    add(&mut graph, "sum2", ["d", "sum.relu"]);
    pool(&mut graph, "MaxPool", "sum2.relu", [2, 2]);
    pool(&mut graph, "AveragePool", "sum2.relu.pool", [4, 4]);
    let flatten = node("Flatten", &["sum2.relu.pool.pool"], "flat", vec![int("axis", 1)]);
    graph.node.push(flatten);
    weights(&mut graph, "dense", &[length, 2 * 2 * 40]);
    let inputs = ["flat", "dense.weight", "dense.bias"];
    graph.node.push(node("Gemm", &inputs, "dense", vec![int("transB", 1)]));
    graph.node.push(node("Relu", &["dense"], output, vec![]));
    drop_unread(&mut graph);
    model.graph = Some(graph);
    model
}

/// A network that gives maps of these channels at strides 4 and 8 of an input of any size: three convolutions with a
/// residual sum, and a last one for each map.
pub fn maps(names: [&str; 2], channels: [usize; 2]) -> ModelProto {
    let mut model = model(&[]);
    let mut graph = GraphProto {
        node: vec![],
        input: vec![info("input", &[None, Some(1), Some(64), Some(96)])],
        output: vec![],
        ..model.graph.take().unwrap_or_default()
    };
    convolution(&mut graph, "stem", "input", [12, 1, 3], [2, 1]);
    convolution(&mut graph, "down", "stem.relu", [20, 12, 3], [2, 1]);
    convolution(&mut graph, "a", "down.relu", [20, 20, 3], [1, 1]);
    add(&mut graph, "sum", ["a", "down.relu"]);
    convolution(&mut graph, "coarse", "sum.relu", [24, 20, 3], [2, 1]);
    for ((name, channels), (input, from)) in names.iter().zip(channels).zip([("sum.relu", 20), ("coarse.relu", 24)]) {
        convolution(&mut graph, name, input, [channels, from, 1], [1, 0]);
        graph.output.push(info(name, &[None, Some(channels), None, None]));
    }
    drop_unread(&mut graph);
    model.graph = Some(graph);
    model
}

/// A detector whose maps `faces0`, `faces1` and `faces2`, at strides 8, 16 and 32, are those of contract 2: the first
/// sees a face of 32 pixels around every bright spot of 16 pixels, the others see none.
pub fn bright_spots() -> ModelProto {
    let mut model = model(&[]);
    let mut graph = GraphProto {
        node: vec![],
        input: vec![info("input", &[None, Some(1), Some(120), Some(160)])],
        output: vec![],
        ..model.graph.take().unwrap_or_default()
    };
    for (at, (channels, stride)) in [(75, 8), (15, 16), (15, 32)].into_iter().enumerate() {
        let name = format!("faces{at}");
        let side = 2 * stride;
        let (mut values, mut biases) = (vec![0.0; channels * side * side], vec![0.0; channels]);
        // No cell sees a face, but those of the first grid, by the mean of their window.
        biases.iter_mut().step_by(15).for_each(|bias| *bias = -20.0);
        if at == 0 {
            values[..side * side].fill(SPOT_GAIN / (side * side) as f32);
            biases[0] = -SPOT_GAIN / 2.0;
            biases[3..5].fill(2.0f32.ln());
        }
        let dims = [channels, 1, side, side];
        graph.initializer.push(tensor(&format!("{name}.weight"), &dims, values));
        graph
            .initializer
            .push(tensor(&format!("{name}.bias"), &dims[..1], biases));
        let names = ["input", &format!("{name}.weight"), &format!("{name}.bias")];
        let (step, margin) = (stride as i64, stride as i64 / 2);
        let attributes = vec![ints("strides", &[step; 2]), ints("pads", &[margin; 4])];
        graph.node.push(node("Conv", &names, &name, attributes));
        graph.output.push(info(&name, &[None, Some(channels), None, None]));
    }
    model.graph = Some(graph);
    model
}

/// Logit of a face in a window that is as bright as can be, less that in one of the middle grey, in twos.
const SPOT_GAIN: f32 = 12.0;

/// Output channels, input channels and side of a window, its stride and padding; a `Relu` is made as well.
fn convolution(graph: &mut GraphProto, name: &str, input: &str, sizes: [usize; 3], [stride, pad]: [i64; 2]) {
    let [outputs, inputs, side] = sizes;
    weights(graph, name, &[outputs, inputs, side, side]);
    let names = [input, &format!("{name}.weight"), &format!("{name}.bias")];
    let attributes = vec![ints("strides", &[stride; 2]), ints("pads", &[pad; 4])];
    graph.node.push(node("Conv", &names, name, attributes));
    graph.node.push(node("Relu", &[name], &format!("{name}.relu"), vec![]));
}

fn pool(graph: &mut GraphProto, op: &str, input: &str, [side, stride]: [i64; 2]) {
    let attributes = vec![ints("kernel_shape", &[side; 2]), ints("strides", &[stride; 2])];
    graph
        .node
        .push(node(op, &[input], &format!("{input}.pool"), attributes));
}

fn add(graph: &mut GraphProto, name: &str, inputs: [&str; 2]) {
    graph.node.push(node("Add", &inputs, name, vec![]));
    graph.node.push(node("Relu", &[name], &format!("{name}.relu"), vec![]));
}

/// Drops a `Relu` that nobody asked for.
fn drop_unread(graph: &mut GraphProto) {
    let mut read: Vec<String> = graph.node.iter().flat_map(|node| node.input.clone()).collect();
    read.extend(graph.output.iter().map(|output| output.name.clone()));
    graph.node.retain(|node| read.contains(&node.output[0]));
}

/// Of all signs, and so small that no sum grows from layer to layer.
fn weights(graph: &mut GraphProto, name: &str, dims: &[usize]) {
    let count: usize = dims.iter().product();
    let size = (6.0 * dims[0] as f32 / count as f32).sqrt();
    let value = |at: usize| ((at * 7919 + 13 * count) % 1009) as f32 / 504.5 - 1.0;
    let values = (0..count).map(|at| value(at) * size).collect();
    graph.initializer.push(tensor(&format!("{name}.weight"), dims, values));
    let biases = (0..dims[0]).map(|at| value(at) / 4.0).collect();
    graph
        .initializer
        .push(tensor(&format!("{name}.bias"), &dims[..1], biases));
}

/// The bytes of its file.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// What a network gives for an input, computed the plain way.
pub fn expected(input: &[f32], length: usize) -> Vec<f32> {
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

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Ints as i32,
        ints: values.to_vec(),
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
