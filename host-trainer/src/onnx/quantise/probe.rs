//! Looks at values inside a network, while the runtime's code runs it.

use anyhow::Result;
use inference::{InputSize, Model, OutputMap};

use super::super::graph::{Form, Graph, integer, node};
use super::super::shapes::shapes;

/// A network that gives chosen values.
pub(super) struct Probe {
    model: Model,
    /// Names, in the order in which values are given.
    pub(super) names: Vec<String>,
    /// Channels of each, where they are maps.
    channels: Vec<usize>,
}

impl Probe {
    /// The network's own outputs.
    pub(super) fn of_outputs(graph: &Graph) -> Result<Self> {
        let outputs: Vec<(&str, usize)> = graph.outputs.iter().map(|(name, len)| (name.as_str(), *len)).collect();
        let onnx = graph.write(&[]);
        Ok(Self {
            model: match graph.form {
                Form::Crop => Model::load(&onnx, &outputs)?,
                Form::Maps { rows, columns } => Model::load_maps(&onnx, InputSize { rows, columns }, &outputs)?,
            },
            names: outputs.iter().map(|(name, _)| (*name).to_owned()).collect(),
            channels: outputs.iter().map(|(_, channels)| *channels).collect(),
        })
    }

    /// These values of a network, each flattened.
    pub(super) fn of_values(graph: &Graph, values: &[String]) -> Result<Self> {
        let shapes = shapes(graph)?;
        let mut probed = graph.clone();
        probed.outputs.clear();
        for value in values {
            let probe = format!("probe.{value}");
            let shape = shapes.get(value).map_or(&[][..], Vec::as_slice);
            let (operator, axis, length) = match graph.form {
                Form::Crop => ("Flatten", vec![integer("axis", 1)], shape.iter().product()),
                // An input is no output by itself.
                Form::Maps { .. } => ("Identity", Vec::new(), shape.first().copied().unwrap_or(0)),
            };
            probed.nodes.push(node(operator, &[value], &probe, axis));
            probed.outputs.push((probe, length));
        }
        Ok(Self {
            names: values.to_vec(),
            ..Self::of_outputs(&probed)?
        })
    }

    /// Runs one face; gives each value with its number in `names`, its channels one after the other.
    pub(super) fn run(&mut self, face: &[f32], mut see: impl FnMut(usize, &[f32])) -> Result<()> {
        self.model.run(face)?;
        for at in 0..self.names.len() {
            match self.model.map(at) {
                Some(map) => see(at, &planes(&map, self.channels[at])),
                None => see(at, self.model.output(at)),
            }
        }
        Ok(())
    }

    /// All values of each face, one after the other.
    pub(super) fn all(&mut self, faces: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let mut all = Vec::new();
        for face in faces {
            let mut own = Vec::new();
            self.run(face, |_, values| own.extend_from_slice(values))?;
            all.push(own);
        }
        Ok(all)
    }
}

/// The channels of a map one after the other.
fn planes(map: &OutputMap<'_>, channels: usize) -> Vec<f32> {
    let pixels = map.rows * map.columns;
    let value = |at: usize| map.values[at % pixels * map.pixel_step + at / pixels * map.channel_step];
    (0..channels * pixels).map(value).collect()
}
