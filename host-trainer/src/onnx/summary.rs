//! What a network is made of: layers with sizes, parameters and work.

use anyhow::Result;

use super::graph::Graph;
use super::shapes::shapes;

/// One layer with weights, as a table lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Name of its node in the file.
    pub name: String,
    /// Sizes of what it gives for one face: `[channels, height, width]` or `[length]`.
    pub output: Vec<usize>,
    /// Number of its weights and biases.
    pub parameters: usize,
    /// Multiplications with additions for one face.
    pub macs: u64,
}

/// The layers of a network that [`super::export`] wrote, in the order in which they run.
pub fn summary(onnx: &[u8]) -> Result<Vec<Layer>> {
    let graph = Graph::read(onnx)?;
    let shapes = shapes(&graph)?;
    let mut layers = Vec::new();
    for node in &graph.nodes {
        let weights = node.input.iter().skip(1).filter_map(|name| graph.weights.get(name));
        let weights: Vec<_> = weights.collect();
        let (Some(first), Some(output)) = (weights.first(), shapes.get(&node.output[0])) else {
            continue;
        };
        let places: usize = output.iter().skip(1).product();
        layers.push(Layer {
            name: node.name.clone(),
            output: output.clone(),
            parameters: weights.iter().map(|weight| weight.values.len()).sum(),
            macs: (first.values.len() * places) as u64,
        });
    }
    Ok(layers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrainConfig;
    use crate::device::Backend;
    use crate::model::Task;
    use crate::onnx::{Description, export};
    use crate::target::Target;

    #[test]
    fn layers_are_counted_as_the_original_has_them() {
        let config = TrainConfig::original(Task::Emotion);
        let network = config.architecture.init(&Backend::Flex.device());
        let onnx = export(&network, &Target::pixels(), &Description::of(&config)).unwrap();
        let layers = summary(&onnx).unwrap();
        let last = layers.last().unwrap();
        // 512 features of one place, five classes, and their biases.
        assert_eq!(
            (&last.output[..], last.parameters, last.macs),
            (&[5][..], 512 * 5 + 5, 512 * 5)
        );
        let first = &layers[0];
        assert_eq!(
            first.macs,
            (first.parameters - first.output[0]) as u64 * (first.output[1] * first.output[2]) as u64
        );
    }
}
