//! Operations with their packed weights.

use kernels::{
    Arena, FloatAveragePool, FloatGemm, FloatWeights, FloatWinograd, Isa, KernelError, MaxPool, OutputMin, Patches,
    ResidualInput, WinogradRoom,
};

use super::{Filter, Floats, Node, Op};
use crate::graph::constants::Constants;
use crate::graph::layout::{Layout, positions};
use crate::graph::plan::{Compute, Tensors};
use crate::graph::{Shape, Why, Window};

/// One operation with its weights.
pub(crate) enum Step {
    Gemm(FloatGemm),
    Winograd(Box<FloatWinograd>),
    MaxPool(MaxPool),
    AveragePool(FloatAveragePool),
}

impl Compute for Floats {
    type Value = f32;
    type Step = Step;
    type Room = WinogradRoom;
    const INPUT: &'static str = "copy";

    fn zero((): ()) -> f32 {
        0.0
    }

    fn write_input(image: &[f32], (): (), values: &mut [f32]) {
        values.copy_from_slice(image);
    }

    fn read_output(values: &[f32], (): (), output: &mut [f32]) {
        let length = output.len();
        output.copy_from_slice(&values[..length]);
    }

    fn run(
        step: &Step,
        input: &[f32],
        residual: Option<ResidualInput<'_, f32>>,
        out: &mut [f32],
        pixels: &[u32],
        room: &mut WinogradRoom,
    ) -> Result<(), KernelError> {
        match step {
            Step::Gemm(gemm) => gemm.run(input, residual, out, pixels),
            Step::Winograd(convolution) => convolution.run(input, residual, out, pixels, room),
            Step::MaxPool(pool) => pool.run(input, out, pixels),
            Step::AveragePool(pool) => pool.run(input, out, pixels),
        }
    }

    /// Every result is a tensor here.
    fn run_output(_: &Step, _: &[f32], _: &mut [f32]) -> Result<(), KernelError> {
        Err(KernelError::Shape {
            what: "outputs that are no tensor",
            found: 1,
            expected: 0,
        })
    }
}

/// Packs the weights of a node, which are taken out of the constants.
pub(super) fn step(
    node: &Node,
    tensors: &Tensors<()>,
    constants: &mut Constants,
    arena: &mut Arena,
    isa: Isa,
) -> Result<Step, Why> {
    let (from, shape) = (tensors.layout(node.input), tensors.shape(node.output));
    let pool = |window: &Window| from.pixels_of(window, shape);
    match &node.op {
        Op::Convolution {
            window,
            filter,
            residual,
            pool,
        } => {
            let output_min = OutputMin {
                gemm: output_min(residual.as_ref().map_or(node.relu, |residual| residual.conv_relu)),
                residual_sum: output_min(node.relu),
            };
            let data = FilterData::take(filter, constants)?;
            match pool {
                Some(pool) => Ok(data.pooled(arena, isa, from, [window, pool], shape, output_min)?),
                None => Ok(data.step(arena, isa, from, window, shape, output_min)?),
            }
        }
        Op::MaxPool(window) => Ok(Step::MaxPool(MaxPool::new(pool(window)?))),
        Op::AveragePool(window) => Ok(Step::AveragePool(FloatAveragePool::new(pool(window)?))),
        Op::Add { .. } => Err(Why::Pattern("a sum is left over")),
    }
}

/// Weights and biases, out of the file's constants.
struct FilterData<'a> {
    filter: &'a Filter,
    /// Floats as bytes.
    weights: Vec<u8>,
    biases: Vec<f32>,
}

impl<'a> FilterData<'a> {
    fn take(filter: &'a Filter, constants: &mut Constants) -> Result<Self, Why> {
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

    fn step(
        &self,
        arena: &mut Arena,
        isa: Isa,
        from: &Layout,
        window: &Window,
        shape: Shape,
        output_min: OutputMin,
    ) -> Result<Step, KernelError> {
        let gather = from.rows_of(window, shape, 1)?;
        let weight = self.weight(positions(from, &gather, window));
        if let Some(patches) = patches(from, window, shape) {
            let convolution = FloatWinograd::new(arena, isa, &gather, patches, &self.biases, weight, output_min)?;
            return Ok(Step::Winograd(Box::new(convolution)));
        }
        let packed = FloatWeights::pack(arena, &gather, &self.biases, weight);
        Ok(Step::Gemm(FloatGemm::new(isa, gather, packed, output_min)?))
    }

    /// With windows of the convolution and of the pool after it.
    fn pooled(
        &self,
        arena: &mut Arena,
        isa: Isa,
        from: &Layout,
        [window, pool]: [&Window; 2],
        shape: Shape,
        output_min: OutputMin,
    ) -> Result<Step, KernelError> {
        let gather = from.rows_of_pooled(window, pool, shape)?;
        let weight = self.weight(positions(from, &gather, window));
        let packed = FloatWeights::pack(arena, &gather, &self.biases, weight);
        Ok(Step::Gemm(FloatGemm::new(isa, gather, packed, output_min)?.pooled()?))
    }

    /// The weight of an output at position `k` of the runs, whose values have these positions in the window.
    fn weight(&self, positions: Vec<Option<usize>>) -> impl Fn(usize, usize) -> f32 {
        let (weights, _) = self.weights.as_chunks::<4>();
        let [output_stride, stride] = self.filter.strides;
        move |output, k| {
            let value = positions[k].and_then(|position| weights.get(output * output_stride + position * stride));
            value.map_or(0.0, |value| f32::from_le_bytes(*value))
        }
    }
}

/// The patches by which Winograd's method computes a convolution, where it can and saves work.
fn patches(from: &Layout, window: &Window, [rows, columns, _]: Shape) -> Option<Patches> {
    // A single channel lies without others to fill a register with.
    let fits = window.size == [3, 3] && window.stride == [1, 1] && from.pixel() > 1;
    fits.then(|| Patches::best(rows, columns)).flatten()
}

/// The lowest value of a result.
fn output_min(relu: bool) -> f32 {
    if relu { 0.0 } else { f32::NEG_INFINITY }
}
