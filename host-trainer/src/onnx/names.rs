//! Names that do not change from run to run.

use std::collections::BTreeMap;

use shared_model::manifest::INPUT_NAME;

use super::ExportError;
use super::graph::{Graph, unexpected};

/// Names convolutions and dense layers as the network does, in the order in which they run; whatever
/// follows one is named after it.
pub(super) fn name(graph: &mut Graph, layers: &[String], output: &str) -> Result<(), ExportError> {
    let with_weights = |op: &str| matches!(op, "Conv" | "Gemm");
    let found = graph.nodes.iter().filter(|node| with_weights(&node.op_type)).count();
    if found != layers.len() {
        return Err(unexpected(format!(
            "{found} layers with weights instead of {}",
            layers.len()
        )));
    }
    let input = graph.input.clone();
    graph.rename(&input, INPUT_NAME);
    let mut layers = layers.iter();
    let mut current = INPUT_NAME.to_owned();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for at in 0..graph.nodes.len() {
        let (op, inputs, old) = {
            let node = &graph.nodes[at];
            (node.op_type.clone(), node.input.clone(), node.output[0].clone())
        };
        let mut new = if with_weights(&op) {
            if let Some(layer) = layers.next() {
                current.clone_from(layer);
            }
            graph.rename(&inputs[1], &format!("{current}.weight"));
            graph.rename(&inputs[2], &format!("{current}.bias"));
            current.clone()
        } else {
            let constants: Vec<&String> = inputs
                .iter()
                .skip(1)
                .filter(|input| is_constant(graph, input))
                .collect();
            for (constant, input) in constants.into_iter().enumerate() {
                graph.rename(input, &format!("{current}.{}.constant{constant}", op.to_lowercase()));
            }
            format!("{current}.{}", op.to_lowercase())
        };
        let count = seen.entry(new.clone()).or_default();
        *count += 1;
        if *count > 1 {
            new = format!("{new}{count}");
        }
        let new = if graph.is_output(&old) { output.to_owned() } else { new };
        graph.rename(&old, &new);
        graph.nodes[at].name = new;
    }
    Ok(())
}

fn is_constant(graph: &Graph, name: &str) -> bool {
    graph.weights.contains_key(name) || graph.integers.contains_key(name)
}
