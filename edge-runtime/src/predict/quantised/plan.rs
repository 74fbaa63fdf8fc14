//! A graph as steps over buffers, everything allocated when it is made.

use crate::kernels::{
    AveragePool, Finish, Isa, KernelError, MaxPool, Product, Quantisation, Requantise, Residual, Weights, dequantise,
    quantise,
};

use super::filter::Filter;
use super::{Graph, Node, Op, Sum};
use crate::predict::Layer;
use crate::predict::graph::layout::{Layout, layouts, positions};
use crate::predict::graph::{Shape, Target, TensorId, Window};

/// One operation with its weights.
enum Step {
    Product {
        product: Product,
        other: Option<(TensorId, Vec<u32>)>,
    },
    Floats {
        product: Product,
        output: usize,
        /// Whether values below 0 become 0, as at the end of the original's keypoint network.
        relu: bool,
    },
    MaxPool(MaxPool),
    AveragePool(AveragePool),
}

/// A step, where it reads and where it writes.
struct Planned {
    layer: Layer,
    step: Step,
    input: TensorId,
    /// Equal to the input where the step gives floats.
    output: TensorId,
    /// First byte of every output pixel.
    pixels: Vec<u32>,
}

/// A network that is ready to run.
pub(super) struct Plan {
    /// One buffer a tensor, borders filled with zero points.
    buffers: Vec<Vec<u8>>,
    layouts: Vec<Layout>,
    quantisations: Vec<Quantisation>,
    input: TensorId,
    steps: Vec<Planned>,
    results: Vec<(TensorId, usize)>,
}

impl Plan {
    /// Packs the weights of a graph; they are taken out of it one by one, so that no network is held twice.
    pub(super) fn new(graph: Graph, isa: Isa) -> Result<Self, String> {
        let layouts = layouts(&graph);
        let quantisations: Vec<_> = graph.tensors.iter().map(|tensor| tensor.quantisation).collect();
        let buffers = layouts.iter().zip(&quantisations);
        let buffers = buffers
            .map(|(layout, quantisation)| vec![quantisation.zero_point(); layout.length()])
            .collect();
        let input = graph.input.ok_or("its input is not quantised")?;
        if let Some((_, at)) = graph.results.iter().find(|(id, _)| layouts[*id].shape()[..2] != [1, 1]) {
            return Err(format!("output {at} is no vector"));
        }
        let mut plan = Self {
            buffers,
            layouts,
            quantisations,
            input,
            steps: Vec::with_capacity(graph.nodes.len()),
            results: graph.results.clone(),
        };
        let layers: Vec<Layer> = graph.nodes.iter().map(|node| graph.layer(node)).collect();
        for (node, layer) in graph.nodes.into_iter().zip(layers) {
            let name = node.name.clone();
            let step = plan
                .planned(node, layer, isa)
                .map_err(|error| format!("node `{name}`: {error}"))?;
            plan.steps.push(step);
        }
        Ok(plan)
    }

    fn planned(&self, node: Node, layer: Layer, isa: Isa) -> Result<Planned, KernelError> {
        let Node {
            op,
            input,
            output,
            relu,
            ..
        } = node;
        let (shape, pixels) = match output {
            Target::Tensor(tensor) => (self.layouts[tensor].shape(), self.layouts[tensor].pixels()),
            Target::Output(_) => ([1, 1, 1], vec![0]),
        };
        let step = match op {
            Op::Convolution { window, filter, sum } => {
                let finish = self.finish(&filter, input, output, relu, sum)?;
                let product = self.product(isa, input, &window, &filter, finish, shape)?;
                match output {
                    Target::Output(output) => Step::Floats { product, output, relu },
                    Target::Tensor(_) => {
                        let other = sum.map(|sum| (sum.other, self.layouts[sum.other].cropped(shape)));
                        Step::Product { product, other }
                    }
                }
            }
            Op::MaxPool(window) => Step::MaxPool(MaxPool::new(self.layouts[input].pixels_of(&window, shape)?)),
            Op::AveragePool(window) => self.average(input, output, &window, shape, relu)?,
            Op::Add { .. } => {
                return Err(KernelError::Shape {
                    what: "sums left over",
                    found: 1,
                    expected: 0,
                });
            }
        };
        let output = if let Target::Tensor(tensor) = output {
            tensor
        } else {
            input
        };
        Ok(Planned {
            layer,
            step,
            input,
            output,
            pixels,
        })
    }

    fn finish(
        &self,
        filter: &Filter,
        input: TensorId,
        output: Target,
        relu: bool,
        sum: Option<Sum>,
    ) -> Result<Finish, KernelError> {
        let scale = self.quantisations[input].scale();
        let Target::Tensor(output) = output else {
            let factors: Vec<f32> = filter.scales.iter().map(|weight| scale * weight).collect();
            return Finish::floats(&factors);
        };
        let result = self.quantisations[output];
        let (own, own_relu) = sum.map_or((result, relu), |sum| (sum.inner, sum.inner_relu));
        let multipliers: Vec<f32> = filter
            .scales
            .iter()
            .map(|weight| scale * weight / own.scale())
            .collect();
        let requantise = Requantise::new(&multipliers, own.zero_point(), floor(own, own_relu))?;
        let Some(sum) = sum else {
            return Ok(Finish::Bytes(requantise));
        };
        let other = self.quantisations[sum.other];
        let residual = Residual::new(
            own.scale() / result.scale(),
            other.scale() / result.scale(),
            other.zero_point(),
            result.zero_point(),
            floor(result, relu),
        )?;
        Ok(Finish::Sum(requantise, residual))
    }

    fn product(
        &self,
        isa: Isa,
        input: TensorId,
        window: &Window,
        filter: &Filter,
        finish: Finish,
        shape: Shape,
    ) -> Result<Product, KernelError> {
        let layout = &self.layouts[input];
        let gather = layout.rows_of(window, shape)?;
        let positions = positions(layout, &gather, window);
        let [output_stride, stride] = filter.strides;
        // What one position needs is looked up once, not for every channel: a network has many millions of weights.
        let weights = |k: usize| {
            let column = positions[k].and_then(|position| filter.bytes.get(position * stride..));
            move |output: usize| {
                let value = column.and_then(|column| column.get(output * output_stride));
                value.map_or(0, |value| *value as i8)
            }
        };
        let weights = Weights::pack(&gather, &filter.biases, weights)?;
        Product::new(isa, gather, weights, self.quantisations[input].zero_point(), finish)
    }

    fn average(
        &self,
        input: TensorId,
        output: Target,
        window: &Window,
        shape: Shape,
        relu: bool,
    ) -> Result<Step, KernelError> {
        let Target::Tensor(output) = output else {
            return Err(KernelError::Shape {
                what: "averages without a scale",
                found: 1,
                expected: 0,
            });
        };
        let (from, to) = (self.quantisations[input], self.quantisations[output]);
        let elements = (window.size[0] * window.size[1]) as f32;
        let multipliers = vec![from.scale() / (to.scale() * elements); self.layouts[input].pixel()];
        let requantise = Requantise::new(&multipliers, to.zero_point(), floor(to, relu))?;
        let gather = self.layouts[input].pixels_of(window, shape)?;
        Ok(Step::AveragePool(AveragePool::new(
            gather,
            from.zero_point(),
            requantise,
        )?))
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
        self.quantise(image, columns);
        done();
        for step in &self.steps {
            let result = step.run(&mut self.buffers, outputs);
            result.map_err(|error| format!("node `{}`: {error}", step.layer.name))?;
            done();
        }
        for (tensor, at) in &self.results {
            let values = &self.buffers[*tensor][self.layouts[*tensor].first()..];
            dequantise(values, self.quantisations[*tensor], &mut outputs[*at]);
        }
        Ok(())
    }

    /// The quantisation of the image, then the operations.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let input = Layer {
            name: "input".to_owned(),
            operation: "quantise".to_owned(),
            output: self.layouts[self.input].shape().to_vec(),
            macs: 0,
        };
        std::iter::once(input)
            .chain(self.steps.iter().map(|step| step.layer.clone()))
            .collect()
    }

    fn quantise(&mut self, image: &[f32], columns: usize) {
        let layout = self.layouts[self.input];
        let width = layout.shape()[1];
        let buffer = &mut self.buffers[self.input];
        for (row, start) in image.chunks(columns).zip(layout.rows()) {
            quantise(
                &row[..width],
                self.quantisations[self.input],
                &mut buffer[start..start + width],
            );
        }
    }
}

impl Planned {
    /// Takes the output's buffer out while the others are read.
    fn run(&self, buffers: &mut [Vec<u8>], outputs: &mut [Vec<f32>]) -> Result<(), KernelError> {
        if let Step::Floats { product, output, relu } = &self.step {
            let values = &mut outputs[*output];
            product.run_floats(&buffers[self.input], values)?;
            if *relu {
                for value in values.iter_mut() {
                    *value = value.max(0.0);
                }
            }
            return Ok(());
        }
        let mut out = std::mem::take(&mut buffers[self.output]);
        let input = &buffers[self.input];
        let done = match &self.step {
            Step::Product { product, other } => {
                let others = other
                    .as_ref()
                    .map(|(tensor, pixels)| (buffers[*tensor].as_slice(), pixels.as_slice()));
                product.run(input, others, &mut out, &self.pixels)
            }
            Step::MaxPool(pool) => pool.run(input, &mut out, &self.pixels),
            Step::AveragePool(pool) => pool.run(input, &mut out, &self.pixels),
            Step::Floats { .. } => Ok(()),
        };
        buffers[self.output] = out;
        done
    }
}

fn floor(quantisation: Quantisation, relu: bool) -> u8 {
    if relu { quantisation.zero_point() } else { 0 }
}
