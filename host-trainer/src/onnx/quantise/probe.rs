//! Looks at values inside a network, while the runtime's code runs it.

use anyhow::Result;
use inference::Model;

use super::super::graph::{Graph, integer, node};
use super::shapes::shapes;

/// A network that gives chosen values.
pub(super) struct Probe {
    model: Model,
    /// Names, in the order in which values are given.
    pub(super) names: Vec<String>,
}

impl Probe {
    /// The network's own outputs.
    pub(super) fn of_outputs(onnx: &[u8], outputs: &[(&str, usize)]) -> Result<Self> {
        let names = outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        Ok(Self {
            model: Model::load(onnx, outputs)?,
            names,
        })
    }

    /// These values of a network, each flattened.
    pub(super) fn of_values(graph: &Graph, values: &[String]) -> Result<Self> {
        let shapes = shapes(graph)?;
        let mut probed = graph.clone();
        probed.outputs.clear();
        for value in values {
            let flat = format!("probe.{value}");
            probed
                .nodes
                .push(node("Flatten", &[value], &flat, vec![integer("axis", 1)]));
            probed
                .outputs
                .push((flat, shapes.get(value).map_or(0, |shape| shape.iter().product())));
        }
        let outputs: Vec<(&str, usize)> = probed.outputs.iter().map(|(name, len)| (name.as_str(), *len)).collect();
        let model = Model::load(&probed.write(&[]), &outputs)?;
        Ok(Self {
            model,
            names: values.to_vec(),
        })
    }

    /// Runs one face; gives each value with its number in `names`.
    pub(super) fn run(&mut self, face: &[f32], mut see: impl FnMut(usize, &[f32])) -> Result<()> {
        self.model.run(face)?;
        for at in 0..self.names.len() {
            see(at, self.model.output(at));
        }
        Ok(())
    }

    /// All values of all faces, one after the other.
    pub(super) fn all(&mut self, faces: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let mut all = Vec::new();
        for face in faces {
            self.run(face, |_, values| all.push(values.to_vec()))?;
        }
        Ok(all)
    }
}
