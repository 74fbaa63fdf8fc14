//! Rewrites that change no result: batch normalisation into the convolutions, ReLU before the pool,
//! dense layers as one `Gemm` with weights `[outputs, inputs]`.

use onnx::NodeProto;

use super::ExportError;
use super::graph::{Graph, Weight, integer, node, unexpected};

/// Applies all rewrites.
pub(super) fn fold(graph: &mut Graph) -> Result<(), ExportError> {
    while let Some(at) = graph.nodes.iter().position(|node| node.op_type == "BatchNormalization") {
        fold_norm(graph, at)?;
    }
    while let Some(at) = graph.nodes.iter().position(|node| node.op_type == "MatMul") {
        fold_dense(graph, at)?;
    }
    flatten(graph);
    drop_dead(graph);
    graph.drop_unused();
    Ok(())
}

/// Scale and shift of each channel that a batch normalisation comes to.
struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    fn of(graph: &Graph, norm: &NodeProto) -> Result<Self, ExportError> {
        let constant = |at: usize| {
            let weight = norm.input.get(at).and_then(|name| graph.weights.get(name));
            weight
                .map(|weight| &weight.values)
                .ok_or_else(|| unexpected("batch normalisation without constants"))
        };
        let (gamma, beta, mean, variance) = (constant(1)?, constant(2)?, constant(3)?, constant(4)?);
        let epsilon = norm
            .attribute
            .iter()
            .find(|a| a.name == "epsilon")
            .map_or(1e-5, |a| a.f);
        let scale: Vec<f32> = gamma
            .iter()
            .zip(variance)
            .map(|(g, v)| g / (v + epsilon).sqrt())
            .collect();
        let shift = beta.iter().zip(mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok(Self { scale, shift })
    }
}

fn fold_norm(graph: &mut Graph, at: usize) -> Result<(), ExportError> {
    let norm = graph.nodes[at].clone();
    let affine = Affine::of(graph, &norm)?;
    let before = graph
        .producer(&norm.input[0])
        .ok_or_else(|| unexpected("batch normalisation of an input"))?;
    let pool = graph.nodes[before].clone();
    let conv = match pool.op_type.as_str() {
        "Conv" => Some(before),
        "MaxPool" => graph
            .producer(&pool.input[0])
            .filter(|at| graph.nodes[*at].op_type == "Conv"),
        _ => None,
    };
    let conv = conv.ok_or_else(|| unexpected(format!("batch normalisation after {}", pool.op_type)))?;
    let pooled = conv != before;
    // The maximum commutes with a rising function of each channel, not with a falling one.
    if pooled && affine.scale.iter().any(|scale| *scale <= 0.0) {
        keep_after_pool(graph, at, affine);
        return Ok(());
    }
    scale_convolution(graph, conv, &affine)?;
    graph.nodes.remove(at);
    graph.redirect(&norm.output[0], &norm.input[0]);
    if pooled {
        relu_before_pool(graph, &pool.output[0]);
    }
    Ok(())
}

/// Multiplies the convolution's output channels and moves them.
fn scale_convolution(graph: &mut Graph, conv: usize, affine: &Affine) -> Result<(), ExportError> {
    let names = graph.nodes[conv].input.clone();
    let [_, weight, bias] = names.as_slice() else {
        return Err(unexpected("a convolution without a bias"));
    };
    let kernel = graph
        .weights
        .get_mut(weight)
        .ok_or_else(|| unexpected("a convolution without constant weights"))?;
    let each = kernel.values.len() / affine.scale.len();
    for (values, scale) in kernel.values.chunks_exact_mut(each).zip(&affine.scale) {
        for value in values {
            *value *= scale;
        }
    }
    let bias = graph
        .weights
        .get_mut(bias)
        .ok_or_else(|| unexpected("a convolution without a constant bias"))?;
    for ((value, scale), shift) in bias.values.iter_mut().zip(&affine.scale).zip(&affine.shift) {
        *value = *value * scale + shift;
    }
    Ok(())
}

/// Replaces a batch normalisation by a multiplication and an addition.
fn keep_after_pool(graph: &mut Graph, at: usize, affine: Affine) {
    let norm = graph.nodes[at].clone();
    let (input, output) = (&norm.input[0], &norm.output[0]);
    let [scale, shift, scaled] = ["scale", "shift", "scaled"].map(|what| format!("{output}.{what}"));
    let dims = vec![1, affine.scale.len(), 1, 1];
    graph.weights.insert(
        scale.clone(),
        Weight {
            dims: dims.clone(),
            values: affine.scale,
        },
    );
    graph.weights.insert(
        shift.clone(),
        Weight {
            dims,
            values: affine.shift,
        },
    );
    let nodes = [
        node("Mul", &[input, &scale], &scaled, Vec::new()),
        node("Add", &[&scaled, &shift], output, Vec::new()),
    ];
    graph.nodes.splice(at..=at, nodes);
}

/// Turns pool -> ReLU into ReLU -> pool, where nothing else takes the pool's output.
fn relu_before_pool(graph: &mut Graph, pooled: &str) {
    let Some(relu) = graph.only_consumer(pooled, "Relu") else {
        return;
    };
    let Some(pool) = graph.producer(pooled) else { return };
    let after = graph.nodes[relu].output[0].clone();
    let before = graph.nodes[pool].input[0].clone();
    let rectified = format!("{before}.rectified");
    graph.nodes.remove(relu);
    graph.nodes[pool].input[0].clone_from(&rectified);
    graph
        .nodes
        .insert(pool, node("Relu", &[&before], &rectified, Vec::new()));
    graph.redirect(&after, pooled);
}

/// Turns a product with constant weights and the addition of a constant bias into one `Gemm`.
fn fold_dense(graph: &mut Graph, at: usize) -> Result<(), ExportError> {
    let product = graph.nodes[at].clone();
    let weights = graph
        .weights
        .get(&product.input[1])
        .ok_or_else(|| unexpected("a product of two inputs"))?;
    let [inputs, outputs] = weights.dims[..] else {
        return Err(unexpected("a product with other than a matrix"));
    };
    let transposed = Weight {
        dims: vec![outputs, inputs],
        values: (0..outputs * inputs)
            .map(|at| weights.values[at % inputs * outputs + at / inputs])
            .collect(),
    };
    let sum = graph
        .only_consumer(&product.output[0], "Add")
        .ok_or_else(|| unexpected("a dense layer without a bias"))?;
    let addition = graph.nodes[sum].clone();
    let bias = addition
        .input
        .iter()
        .find(|input| **input != product.output[0])
        .cloned()
        .unwrap_or_default();
    let bias = constant_behind(graph, &bias).ok_or_else(|| unexpected("a dense layer without a constant bias"))?;
    let vector = graph
        .weights
        .get_mut(&bias)
        .ok_or_else(|| unexpected("a dense layer without a constant bias"))?;
    if vector.values.len() != outputs {
        return Err(unexpected("a bias of another length than the dense layer"));
    }
    vector.dims = vec![outputs];
    graph.weights.insert(product.input[1].clone(), transposed);
    let inputs = [product.input[0].as_str(), product.input[1].as_str(), bias.as_str()];
    graph.nodes[sum] = node("Gemm", &inputs, &addition.output[0], vec![integer("transB", 1)]);
    graph.nodes.remove(at);
    Ok(())
}

/// Turns a reshape whose shape is computed from the batch into `Flatten`: the networks reshape nowhere
/// but from a map to the rows of a dense layer.
fn flatten(graph: &mut Graph) {
    for at in 0..graph.nodes.len() {
        let reshape = &graph.nodes[at];
        let [input, shape] = reshape.input.as_slice() else {
            continue;
        };
        if reshape.op_type == "Reshape" && !graph.integers.contains_key(shape) {
            graph.nodes[at] = node(
                "Flatten",
                &[input],
                &reshape.output[0].clone(),
                vec![integer("axis", 1)],
            );
        }
    }
}

/// The constant that `value` is, or is a reshaped view of.
fn constant_behind(graph: &Graph, value: &str) -> Option<String> {
    if graph.weights.contains_key(value) {
        return Some(value.to_owned());
    }
    let view = &graph.nodes[graph.producer(value)?];
    let reshaping = matches!(view.op_type.as_str(), "Reshape" | "Unsqueeze" | "Expand" | "Identity");
    if reshaping {
        constant_behind(graph, &view.input[0])
    } else {
        None
    }
}

/// Removes nodes whose results nothing takes.
fn drop_dead(graph: &mut Graph) {
    while let Some(dead) = graph.nodes.iter().position(|node| {
        node.output
            .iter()
            .all(|o| !graph.is_output(o) && graph.consumers(o).is_empty())
    }) {
        graph.nodes.remove(dead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// conv (2 channels, 1x1) -> max pool -> batch normalisation -> ReLU.
    fn pooled(gamma: [f32; 2]) -> Graph {
        let mut graph = Graph {
            input: "x".into(),
            outputs: vec![("y".into(), 2)],
            ..Graph::default()
        };
        let vector = |values: [f32; 2]| Weight {
            dims: vec![2],
            values: values.to_vec(),
        };
        graph.weights.insert(
            "w".into(),
            Weight {
                dims: vec![2, 1, 1, 1],
                values: vec![2.0, 3.0],
            },
        );
        for (name, values) in [
            ("b", [1.0, 1.0]),
            ("g", gamma),
            ("beta", [0.5, 0.5]),
            ("m", [1.0, 2.0]),
            ("v", [3.75, 0.0]),
        ] {
            graph.weights.insert(name.into(), vector(values));
        }
        let mut norm = node("BatchNormalization", &["p", "g", "beta", "m", "v"], "n", Vec::new());
        norm.attribute.push(onnx::AttributeProto {
            name: "epsilon".into(),
            f: 0.25,
            ..Default::default()
        });
        graph.nodes = vec![
            node("Conv", &["x", "w", "b"], "c", Vec::new()),
            node("MaxPool", &["c"], "p", Vec::new()),
            norm,
            node("Relu", &["n"], "y", Vec::new()),
        ];
        graph
    }

    fn operators(graph: &Graph) -> Vec<&str> {
        graph.nodes.iter().map(|node| node.op_type.as_str()).collect()
    }

    #[test]
    fn rising_normalisation_moves_into_the_convolution_and_relu_before_the_pool() {
        let mut graph = pooled([1.0, 2.0]);
        fold(&mut graph).unwrap();
        assert_eq!(operators(&graph), ["Conv", "Relu", "MaxPool"]);
        // scale = gamma / sqrt(variance + 0.25) = 0.5 and 4; shift = 0.5 - mean * scale.
        assert_eq!(graph.weights["w"].values, [1.0, 12.0]);
        assert_eq!(graph.weights["b"].values, [0.5 + 0.5 - 0.5, 4.0 + 0.5 - 8.0]);
        assert_eq!(graph.outputs[0].0, graph.nodes[2].output[0]);
        assert!(!graph.weights.contains_key("g"));
    }

    #[test]
    fn falling_normalisation_stays_after_the_pool() {
        let mut graph = pooled([1.0, -2.0]);
        fold(&mut graph).unwrap();
        assert_eq!(operators(&graph), ["Conv", "MaxPool", "Mul", "Add", "Relu"]);
        assert_eq!(graph.weights["w"].values, [2.0, 3.0]);
    }

    #[test]
    fn product_and_bias_become_one_dense_layer() {
        let mut graph = Graph {
            input: "x".into(),
            outputs: vec![("y".into(), 2)],
            ..Graph::default()
        };
        graph.weights.insert(
            "w".into(),
            Weight {
                dims: vec![3, 2],
                values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            },
        );
        graph.weights.insert(
            "b".into(),
            Weight {
                dims: vec![1, 2],
                values: vec![0.0; 2],
            },
        );
        graph.nodes = vec![
            node("MatMul", &["x", "w"], "p", Vec::new()),
            node("Add", &["p", "b"], "y", Vec::new()),
        ];
        fold(&mut graph).unwrap();
        assert_eq!(operators(&graph), ["Gemm"]);
        assert_eq!(graph.nodes[0].input, ["x", "w", "b"]);
        assert_eq!(graph.weights["b"].dims, [2]);
        assert_eq!(
            graph.weights["w"],
            Weight {
                dims: vec![2, 3],
                values: vec![1.0, 3.0, 5.0, 2.0, 4.0, 6.0]
            }
        );
    }
}
