//! The detector as an ONNX file: convolutions, `ReLU` and additions, batch norm folded into the weights.
//!
//! Input `[n, 1, height, width]` of any size, pixels of 0 to 255 less 128, divided by 128; outputs
//! `[n, channels, rows, columns]`, one a head, as [`vision::detector::decode`] reads them.

use onnx::NodeProto;
use shared_model::manifest::{DETECTOR_CONTRACT, INPUT_NAME};

use super::engine::{After, FoldedLayer};
use super::evaluate::Detector;
use super::network::ARCHITECTURE;
use crate::onnx::graph::{Form, Graph, Weight, integers, node};

/// The bytes of the detector's ONNX file.
pub fn onnx(detector: &Detector) -> Vec<u8> {
    let layers = detector.layers();
    let mut graph = Graph {
        input: INPUT_NAME.to_owned(),
        // The file does not say a size.
        form: Form::Maps { rows: 1, columns: 1 },
        ..Graph::default()
    };
    for folded in layers {
        add(&mut graph, folded, layers);
        if folded.layer.after == After::Bias {
            graph.outputs.push((folded.layer.name.clone(), folded.layer.outputs));
        }
    }
    graph.write(&metadata())
}

/// What is written into the file beside the network.
pub(crate) fn metadata() -> Vec<(&'static str, String)> {
    vec![
        ("contract", DETECTOR_CONTRACT.to_string()),
        ("task", "faces".to_owned()),
        ("architecture", ARCHITECTURE.to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        (
            "input",
            format!("{INPUT_NAME} [n,1,height,width] grey values of 0..=255 less 128, divided by 128"),
        ),
    ]
}

/// Name of a layer's output.
fn output(folded: &FoldedLayer) -> String {
    match folded.layer.after {
        After::Bias => folded.layer.name.clone(),
        _ => format!("{}.relu", folded.layer.name),
    }
}

fn add(graph: &mut Graph, folded: &FoldedLayer, layers: &[FoldedLayer]) {
    let layer = &folded.layer;
    let named = |part: &str| format!("{}.{part}", layer.name);
    let input = layer
        .input
        .map_or_else(|| INPUT_NAME.to_owned(), |at| output(&layers[at]));
    let mut constant = |name: &str, dims: &[usize], values: Vec<f32>| {
        let dims = dims.to_vec();
        graph.weights.insert(name.to_owned(), Weight { dims, values });
    };
    let (weight, bias) = (named("weight"), named("bias"));
    constant(
        &weight,
        &[layer.outputs, layer.inputs, layer.kernel, layer.kernel],
        planar(folded),
    );
    constant(&bias, &[layer.outputs], folded.bias.clone());
    let (side, stride, margin) = (layer.kernel as i64, layer.stride as i64, (layer.kernel / 2) as i64);
    let attributes = vec![
        integers("kernel_shape", &[side; 2]),
        integers("pads", &[margin; 4]),
        integers("strides", &[stride; 2]),
    ];
    let mut last = match layer.after {
        After::Bias => layer.name.clone(),
        _ => named("conv"),
    };
    let mut convolution = node("Conv", &[&input, &weight, &bias], &last, attributes);
    convolution.name.clone_from(&layer.name);
    graph.nodes.push(convolution);
    if let After::NormAddRelu(residual) = layer.after {
        let sum = named("add");
        let other = output(&layers[residual]);
        graph.nodes.push(called("Add", &[&last, &other], &sum));
        last = sum;
    }
    if layer.has_norm() {
        graph.nodes.push(called("Relu", &[&last], &output(folded)));
    }
}

/// A node with the name of its output.
fn called(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    let mut node = node(operator, inputs, output, Vec::new());
    output.clone_into(&mut node.name);
    node
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

#[cfg(test)]
mod tests;
