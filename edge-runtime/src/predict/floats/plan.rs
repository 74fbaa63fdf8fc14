//! A graph of floats as steps over buffers, everything allocated when it is made.

use crate::kernels::{FloatAveragePool, FloatProduct, FloatWeights, Floors, Isa, KernelError, MaxPool};

use super::{Filter, Graph, Node, Op};
use crate::predict::Layer;
use crate::predict::graph::constants::Constants;
use crate::predict::graph::layout::{Layout, layouts, positions};
use crate::predict::graph::{Shape, Target, TensorId, Window};

/// One operation with its weights.
enum Step {
    Product {
        product: FloatProduct,
        other: Option<(TensorId, Vec<u32>)>,
    },
    MaxPool(MaxPool),
    AveragePool(FloatAveragePool),
}

/// A step, where it reads and where it writes.
struct Planned {
    layer: Layer,
    step: Step,
    input: TensorId,
    output: TensorId,
    /// First value of every output pixel.
    pixels: Vec<u32>,
}

/// A network that is ready to run.
pub(super) struct Plan {
    /// One buffer a tensor, with borders of zeros.
    buffers: Vec<Vec<f32>>,
    layouts: Vec<Layout>,
    input: TensorId,
    steps: Vec<Planned>,
    results: Vec<(TensorId, usize)>,
}

impl Plan {
    /// Packs the weights of a graph; they are taken out of the constants one by one, so that no network is held twice.
    pub(super) fn new(graph: &Graph, mut constants: Constants, isa: Isa) -> Result<Self, String> {
        let layouts = layouts(graph);
        let mut plan = Self {
            buffers: layouts.iter().map(|layout| vec![0.0; layout.length()]).collect(),
            layouts,
            input: graph.input.ok_or("it has no input")?,
            steps: Vec::with_capacity(graph.nodes.len()),
            results: graph.results.clone(),
        };
        for node in &graph.nodes {
            let step = plan.planned(node, graph.layer(node), &mut constants, isa);
            plan.steps
                .push(step.map_err(|error| format!("node `{}`: {error}", node.name))?);
        }
        Ok(plan)
    }

    fn planned(&self, node: &Node, layer: Layer, constants: &mut Constants, isa: Isa) -> Result<Planned, String> {
        let Target::Tensor(output) = node.output else {
            return Err("its result is no tensor".to_owned());
        };
        let (from, shape) = (&self.layouts[node.input], self.layouts[output].shape());
        let pool = |window: &Window| from.pixels_of(window, shape).map_err(|error| error.to_string());
        let step = match &node.op {
            Op::Convolution { window, filter, sum } => {
                let floors = Floors {
                    own: floor(sum.as_ref().map_or(node.relu, |sum| sum.inner_relu)),
                    sum: floor(node.relu),
                };
                let taken = Taken::take(filter, constants)?;
                let product = taken.product(isa, from, window, shape, floors);
                Step::Product {
                    product: product.map_err(|error| error.to_string())?,
                    other: sum
                        .as_ref()
                        .map(|sum| (sum.other, self.layouts[sum.other].cropped(shape))),
                }
            }
            Op::MaxPool(window) => Step::MaxPool(MaxPool::new(pool(window)?)),
            Op::AveragePool(window) => Step::AveragePool(FloatAveragePool::new(pool(window)?)),
            Op::Add { .. } => return Err("a sum is left over".to_owned()),
        };
        Ok(Planned {
            layer,
            step,
            input: node.input,
            output,
            pixels: self.layouts[output].pixels(),
        })
    }

    /// Runs all steps; `columns` is the width of the image, of which the network may need less.
    /// `done` is called after each of the [`Plan::layers`].
    pub(super) fn run(
        &mut self,
        image: &[f32],
        columns: usize,
        outputs: &mut [Vec<f32>],
        done: &mut dyn FnMut(),
    ) -> Result<(), String> {
        self.fill(image, columns);
        done();
        for step in &self.steps {
            let result = step.run(&mut self.buffers);
            result.map_err(|error| format!("node `{}`: {error}", step.layer.name))?;
            done();
        }
        for (tensor, at) in &self.results {
            let values = &self.buffers[*tensor][self.layouts[*tensor].first()..];
            let output = &mut outputs[*at];
            let length = output.len();
            output.copy_from_slice(&values[..length]);
        }
        Ok(())
    }

    /// The copy of the image, then the operations.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let input = Layer {
            name: "input".to_owned(),
            operation: "copy".to_owned(),
            output: self.layouts[self.input].shape().to_vec(),
            macs: 0,
        };
        let steps = self.steps.iter().map(|step| step.layer.clone());
        std::iter::once(input).chain(steps).collect()
    }

    fn fill(&mut self, image: &[f32], columns: usize) {
        let layout = self.layouts[self.input];
        let width = layout.shape()[1];
        let buffer = &mut self.buffers[self.input];
        for (row, start) in image.chunks(columns).zip(layout.rows()) {
            buffer[start..start + width].copy_from_slice(&row[..width]);
        }
    }
}

impl Planned {
    /// Takes the output's buffer out while the others are read.
    fn run(&self, buffers: &mut [Vec<f32>]) -> Result<(), KernelError> {
        let mut out = std::mem::take(&mut buffers[self.output]);
        let input = &buffers[self.input];
        let done = match &self.step {
            Step::Product { product, other } => {
                let others = other
                    .as_ref()
                    .map(|(tensor, pixels)| (&buffers[*tensor][..], &pixels[..]));
                product.run(input, others, &mut out, &self.pixels)
            }
            Step::MaxPool(pool) => pool.run(input, &mut out, &self.pixels),
            Step::AveragePool(pool) => pool.run(input, &mut out, &self.pixels),
        };
        buffers[self.output] = out;
        done
    }
}

/// Weights and biases, out of the file's constants.
struct Taken<'a> {
    filter: &'a Filter,
    /// Floats as bytes.
    weights: Vec<u8>,
    biases: Vec<f32>,
}

impl<'a> Taken<'a> {
    fn take(filter: &'a Filter, constants: &mut Constants) -> Result<Self, String> {
        let biases = match &filter.biases {
            Some(name) => constants.floats(name)?,
            None => vec![0.0; filter.outputs],
        };
        Ok(Self {
            filter,
            weights: constants.take_floats(&filter.weights)?,
            biases,
        })
    }

    fn product(
        &self,
        isa: Isa,
        from: &Layout,
        window: &Window,
        shape: Shape,
        floors: Floors,
    ) -> Result<FloatProduct, KernelError> {
        let gather = from.rows_of(window, shape)?;
        let positions = positions(from, &gather, window);
        let (weights, _) = self.weights.as_chunks::<4>();
        let [output_stride, stride] = self.filter.strides;
        let weight = |output: usize, k: usize| {
            let value = positions[k].and_then(|position| weights.get(output * output_stride + position * stride));
            value.map_or(0.0, |value| f32::from_le_bytes(*value))
        };
        let packed = FloatWeights::pack(&gather, &self.biases, weight)?;
        FloatProduct::new(isa, gather, packed, floors)
    }
}

/// The lowest value of a result.
fn floor(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}
