//! Bias correction: what rounding the weights moves on average is taken back by the bias.
//!
//! A rounded kernel `Wq` gives `Wq x + b`; over many faces that differs from `W x + b` by `(Wq - W) E[x]`, the same for
//! each face, which the layers after it would see as a shift. Nagel et al., Data-Free Quantization Through Weight
//! Equalization and Bias Correction, 2019; here with the mean over the calibration faces.

use anyhow::{Context, Result};
use onnx::NodeProto;

use super::super::graph::{Graph, Weight};
use super::probe::Probe;
use super::qdq::has_weights;
use super::weights::Weights;

/// The graph with biases that make up for what rounding the weights moves on average over these faces.
pub(super) fn correct(graph: &Graph, faces: &[Vec<f32>]) -> Result<Graph> {
    let (watched, errors) = with_errors(graph)?;
    let names: Vec<String> = errors.iter().map(|error| error.output[0].clone()).collect();
    let mut probe = Probe::of_values(&watched, &names)?;
    let mut corrected = graph.clone();
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for error in &errors {
        sums.push(vec![0.0; bias(&mut corrected, error)?.values.len()]);
    }
    for face in faces {
        probe.run(face, |at, values| add_means(&mut sums[at], values))?;
    }
    for (error, sums) in errors.iter().zip(&sums) {
        for (value, sum) in bias(&mut corrected, error)?.values.iter_mut().zip(sums) {
            *value += (sum / faces.len() as f64) as f32;
        }
    }
    Ok(corrected)
}

/// The graph with a second node beside each layer, which gives what rounding takes from the layer's output; and these
/// nodes, whose biases are still the layers' own.
fn with_errors(graph: &Graph) -> Result<(Graph, Vec<NodeProto>)> {
    let mut watched = graph.clone();
    let mut errors = Vec::new();
    for layer in graph.nodes.iter().filter(|node| has_weights(node)) {
        let weight = graph.weights.get(&layer.input[1]);
        let weight = weight.with_context(|| format!("quantise: {} has no constant weights", layer.name))?;
        let mut error = layer.clone();
        let name = format!("{}.lost", layer.name);
        let lost = weight
            .values
            .iter()
            .zip(Weights::of(graph, layer)?.values())
            .map(|(value, kept)| value - kept);
        let lost = Weight {
            dims: weight.dims.clone(),
            values: lost.collect(),
        };
        error.input[1] = format!("{name}.weight");
        error.output[0].clone_from(&name);
        error.name.clone_from(&name);
        watched.weights.insert(error.input[1].clone(), lost);
        let mut unbiased = error.clone();
        unbiased.input.truncate(2);
        watched.nodes.push(unbiased);
        errors.push(error);
    }
    Ok((watched, errors))
}

fn bias<'a>(graph: &'a mut Graph, layer: &NodeProto) -> Result<&'a mut Weight> {
    let bias = layer.input.get(2).and_then(|name| graph.weights.get_mut(name));
    bias.with_context(|| format!("quantise: {} has no constant bias", layer.name))
}

/// Adds the mean of each channel; `values` are the channels one after the other.
fn add_means(sums: &mut [f64], values: &[f32]) {
    let each = values.len() / sums.len().max(1);
    for (sum, channel) in sums.iter_mut().zip(values.chunks_exact(each.max(1))) {
        *sum += channel.iter().map(|value| f64::from(*value)).sum::<f64>() / each as f64;
    }
}

#[cfg(test)]
mod tests {
    use shared_model::image::{INPUT_LEN, SIDE};

    use super::*;
    use crate::onnx::graph::{integer, node};

    /// Two dense outputs of the whole picture; the first channel's weights are 1 but for one that sets the scale, so
    /// that each of them is rounded in the same direction.
    fn dense() -> Graph {
        let mut graph = Graph {
            input: "input".into(),
            outputs: vec![("emotion".into(), 2)],
            ..Graph::default()
        };
        let mut values = vec![1.0; 2 * INPUT_LEN];
        (values[0], values[INPUT_LEN]) = (100.0, 0.0);
        graph.weights.insert(
            "w".into(),
            Weight {
                dims: vec![2, INPUT_LEN],
                values,
            },
        );
        graph.weights.insert(
            "b".into(),
            Weight {
                dims: vec![2],
                values: vec![3.0, 4.0],
            },
        );
        graph.nodes = vec![
            node("Flatten", &["input"], "flat", vec![integer("axis", 1)]),
            node("Gemm", &["flat", "w", "b"], "emotion", vec![integer("transB", 1)]),
        ];
        graph.nodes[1].name = "dense".into();
        graph
    }

    #[test]
    fn the_bias_takes_back_what_rounding_moves_on_average() {
        let faces = [vec![0.25; SIDE * SIDE], vec![0.75; SIDE * SIDE]];
        let corrected = correct(&dense(), &faces).unwrap();
        // In steps of 100 / 127 a weight of 1 is kept as 100 / 127; its input is 0.5 on average.
        let lost = (1.0 - 100.0 / 127.0) * 0.5 * (INPUT_LEN - 1) as f32;
        let bias = &corrected.weights["b"].values;
        assert!((bias[0] - 3.0 - lost).abs() < 0.01 * lost, "{bias:?}, lost {lost}");
        // All ones are kept exactly.
        assert!((bias[1] - 4.0).abs() < 1e-3, "{bias:?}");
        assert_eq!(corrected.weights["w"], dense().weights["w"]);
        assert_eq!(corrected.nodes, dense().nodes);
    }
}
