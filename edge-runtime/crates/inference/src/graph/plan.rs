//! A graph as steps over buffers, everything allocated when it is made.

use super::layout::{Layout, layouts};
use super::{Graph, Node, Op, Shape, Subject, Target, TensorId, Unsupported, Values, Why};
use crate::Layer;
use crate::input::{Input, LEVELS};
use crate::signature::{Form, MapShape, Signature};
use kernels::{Aligned, KernelError, LANES, ResidualInput};

/// The arithmetic of a plan: its steps, and how they compute.
pub(crate) trait Compute: Values {
    /// The number that buffers hold.
    type Value: Copy;
    /// An operation with its weights.
    type Step;
    /// Room that steps share for what they compute on the way.
    type Room: Default;
    /// What happens to the image first, as users see it.
    const INPUT: &'static str;

    /// What stands for 0 in a tensor.
    fn zero(quantisation: Self::Quantisation) -> Self::Value;

    /// Writes values of the image into a tensor.
    fn write_input(image: &[f32], quantisation: Self::Quantisation, values: &mut [Self::Value]);

    /// Reads as many values of a tensor as the output has.
    fn read_output(values: &[Self::Value], quantisation: Self::Quantisation, output: &mut [f32]);

    /// Computes a tensor, whose pixels begin at `pixels` of `out`; `residual` is the other side of a residual sum.
    fn run(
        step: &Self::Step,
        input: &[Self::Value],
        residual: Option<ResidualInput<'_, Self::Value>>,
        out: &mut [Self::Value],
        pixels: &[u32],
        room: &mut Self::Room,
    ) -> Result<(), KernelError>;

    /// Computes an output of the network.
    fn run_output(step: &Self::Step, input: &[Self::Value], output: &mut [f32]) -> Result<(), KernelError>;
}

/// Where the tensors of a graph lie, and what their values mean.
pub(crate) struct Tensors<Q> {
    layouts: Vec<Layout>,
    quantisations: Vec<Q>,
    /// Rows and columns of the outputs that are no tensor.
    outputs: Vec<[usize; 2]>,
}

impl<Q: Copy> Tensors<Q> {
    pub(crate) fn layout(&self, tensor: TensorId) -> &Layout {
        &self.layouts[tensor]
    }

    pub(crate) fn quantisation(&self, tensor: TensorId) -> Q {
        self.quantisations[tensor]
    }

    /// Rows, columns and channels of a result; of an output that is no tensor the channels do not count.
    pub(crate) fn shape(&self, target: Target) -> Shape {
        match target {
            Target::Tensor(tensor) => self.layouts[tensor].shape(),
            Target::Output(at) => {
                let [rows, columns] = self.outputs[at];
                [rows, columns, 1]
            }
        }
    }
}

/// A step, where it reads and where it writes.
struct PlannedStep<V: Compute> {
    layer: Layer,
    step: V::Step,
    input: TensorId,
    /// The other side of a residual sum, and the first value of each of its pixels.
    other: Option<(TensorId, Vec<u32>)>,
    output: Target,
    /// First value of every output pixel.
    pixels: Vec<u32>,
}

/// A network that is ready to run.
pub(crate) struct Plan<V: Compute> {
    tensors: Tensors<V::Quantisation>,
    /// One buffer a tensor, with borders of zeros.
    buffers: Vec<Aligned<V::Value>>,
    room: V::Room,
    input: TensorId,
    steps: Vec<PlannedStep<V>>,
    results: Vec<(TensorId, usize)>,
    /// Of the last run, in the order they were asked for.
    outputs: Vec<Vec<f32>>,
    /// Where the pixels of each output lie, as a map.
    maps: Vec<MapShape>,
}

impl<V: Compute> Plan<V> {
    /// Makes a step of each node with `step`, which may take the node's weights: none has to be held twice.
    ///
    /// The graph is known to have the outputs of the signature.
    pub(crate) fn new(
        graph: Graph<V>,
        signature: &Signature<'_>,
        mut step: impl FnMut(Node<V>, &Tensors<V::Quantisation>) -> Result<V::Step, Why>,
    ) -> Result<Self, Unsupported> {
        let maps: Vec<MapShape> = (0..signature.outputs.len()).map(|at| map(&graph, at)).collect();
        let tensors = Tensors {
            layouts: layouts(&graph),
            quantisations: graph.tensors.iter().map(|tensor| tensor.quantisation).collect(),
            outputs: maps.iter().map(|map| [map.rows, map.columns]).collect(),
        };
        let lengths = signature
            .outputs
            .iter()
            .zip(&maps)
            .map(|((_, length), map)| match signature.form {
                Form::Vectors => *length,
                Form::Maps => map.rows * map.columns * map.pixel_step,
            });
        let buffers = tensors.layouts.iter().zip(&tensors.quantisations);
        let layers: Vec<Layer> = graph.nodes.iter().map(|node| graph.layer(node)).collect();
        let mut plan = Self {
            buffers: buffers
                .map(|(layout, quantisation)| Aligned::new(V::zero(*quantisation), layout.length()))
                .collect(),
            room: V::Room::default(),
            input: graph
                .input
                .ok_or_else(|| Subject::Graph.because(Why::Pattern("its input is not known")))?,
            steps: Vec::with_capacity(graph.nodes.len()),
            results: graph.results,
            outputs: lengths.map(|length| vec![0.0; length]).collect(),
            maps,
            tensors,
        };
        for (node, layer) in graph.nodes.into_iter().zip(layers) {
            let planned = plan.planned(node, layer, &mut step)?;
            plan.steps.push(planned);
        }
        Ok(plan)
    }

    fn planned(
        &self,
        node: Node<V>,
        layer: Layer,
        step: &mut impl FnMut(Node<V>, &Tensors<V::Quantisation>) -> Result<V::Step, Why>,
    ) -> Result<PlannedStep<V>, Unsupported> {
        let (input, output) = (node.input, node.output);
        let other = match &node.op {
            Op::Convolution {
                residual: Some(residual),
                ..
            } => {
                let pixels = self.tensors.layout(residual.other).cropped(self.tensors.shape(output));
                Some((residual.other, pixels))
            }
            _ => None,
        };
        Ok(PlannedStep {
            step: step(node, &self.tensors).map_err(|why| Subject::fused(&layer.name).because(why))?,
            layer,
            input,
            other,
            output,
            pixels: match output {
                Target::Tensor(tensor) => self.tensors.layout(tensor).pixels(),
                Target::Output(_) => Vec::new(),
            },
        })
    }

    /// Runs all steps on an image with so many columns, of which the network may need less; allocates nothing
    /// but the first time.
    /// `done` is called after each of the [`Plan::layers`].
    pub(crate) fn run(&mut self, image: Input<'_>, columns: usize, done: &mut dyn FnMut()) -> Result<(), Unsupported> {
        self.write_input(image, columns);
        done();
        for step in &self.steps {
            let result = step.run(&mut self.buffers, &mut self.outputs, &mut self.room);
            result.map_err(|error| Subject::fused(&step.layer.name).because(error))?;
            done();
        }
        for (tensor, at) in &self.results {
            let values = &self.buffers[*tensor][self.tensors.layout(*tensor).first()..];
            V::read_output(values, self.tensors.quantisation(*tensor), &mut self.outputs[*at]);
        }
        Ok(())
    }

    fn write_input(&mut self, image: Input<'_>, columns: usize) {
        let layout = self.tensors.layout(self.input);
        let quantisation = self.tensors.quantisation(self.input);
        let width = layout.shape()[1];
        let buffer = &mut self.buffers[self.input];
        match image {
            Input::Values(values) => {
                for (row, start) in values.chunks(columns).zip(layout.rows()) {
                    V::write_input(&row[..width], quantisation, &mut buffer[start..start + width]);
                }
            }
            Input::Grey(picture, levels) => {
                // A picture has more pixels than there are grey levels.
                let mut values = [V::zero(quantisation); LEVELS];
                V::write_input(levels, quantisation, &mut values);
                for (row, start) in layout.rows().enumerate() {
                    let pixels = &picture.row(row)[..width];
                    for (value, pixel) in buffer[start..start + width].iter_mut().zip(pixels) {
                        *value = values[usize::from(*pixel)];
                    }
                }
            }
        }
    }

    /// What happens to the image, then the operations.
    pub(crate) fn layers(&self) -> Vec<Layer> {
        let input = Layer {
            name: "input".to_owned(),
            operation: V::INPUT.to_owned(),
            output: self.tensors.layout(self.input).shape().to_vec(),
            macs: 0,
        };
        let steps = self.steps.iter().map(|step| step.layer.clone());
        std::iter::once(input).chain(steps).collect()
    }

    /// Output `at` of the last run; empty where there is none.
    pub(crate) fn output(&self, at: usize) -> &[f32] {
        self.outputs.get(at).map_or(&[], Vec::as_slice)
    }

    /// How output `at` lies, as a map; `None` where there is none.
    pub(crate) fn map(&self, at: usize) -> Option<MapShape> {
        self.maps.get(at).copied()
    }
}

/// Channels lie beside each other, filled up. No padded window reads an output, so that it has no border.
fn map<V: Values>(graph: &Graph<V>, at: usize) -> MapShape {
    let shape = graph.output_shape(at).unwrap_or([0; 3]);
    let is_tensor = graph.results.iter().any(|(_, output)| *output == at);
    MapShape {
        rows: shape[0],
        columns: shape[1],
        pixel_step: if is_tensor {
            Layout::new(shape, 0).pixel()
        } else {
            shape[2].next_multiple_of(LANES)
        },
        channel_step: 1,
    }
}

impl<V: Compute> PlannedStep<V> {
    /// Takes the output's buffer out while the others are read.
    fn run(
        &self,
        buffers: &mut [Aligned<V::Value>],
        outputs: &mut [Vec<f32>],
        room: &mut V::Room,
    ) -> Result<(), KernelError> {
        let output = match self.output {
            Target::Tensor(output) => output,
            Target::Output(at) => return V::run_output(&self.step, &buffers[self.input], &mut outputs[at]),
        };
        let mut out = std::mem::take(&mut buffers[output]);
        let other = self.other.as_ref();
        let residual = other.map(|(tensor, pixels)| ResidualInput {
            values: &buffers[*tensor][..],
            pixel_offsets: pixels,
        });
        let done = V::run(&self.step, &buffers[self.input], residual, &mut out, &self.pixels, room);
        buffers[output] = out;
        done
    }
}
