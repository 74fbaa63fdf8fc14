//! Operations with their packed weights.

use kernels::{
    AveragePool, Epilogue, Gemm, Isa, KernelError, MaxPool, Quantisation, RUN_STEP, Requantise, Residual,
    ResidualInput, Weights, dequantise, quantise,
};

use super::filter::Filter;
use super::{Integers, Node, Op, ResidualAdd};
use crate::graph::layout::positions;
use crate::graph::plan::{Compute, Tensors};
use crate::graph::{Shape, Target, TensorId, Window};

/// One operation with its packed weights.
pub(crate) enum Step {
    Gemm {
        gemm: Gemm,
        /// Whether values below 0 become 0 in an output, as at the end of the original's keypoint network; other
        /// results have it in their epilogue.
        relu: bool,
    },
    MaxPool(MaxPool),
    AveragePool(AveragePool),
}

impl Compute for Integers {
    type Value = u8;
    type Step = Step;
    type Room = ();
    const INPUT: &'static str = "quantise";

    fn zero(quantisation: Quantisation) -> u8 {
        quantisation.zero_point()
    }

    fn write_input(image: &[f32], quantisation: Quantisation, values: &mut [u8]) {
        quantise(image, quantisation, values);
    }

    fn read_output(values: &[u8], quantisation: Quantisation, output: &mut [f32]) {
        dequantise(values, quantisation, output);
    }

    fn run(
        step: &Step,
        input: &[u8],
        residual: Option<ResidualInput<'_, u8>>,
        out: &mut [u8],
        pixels: &[u32],
        (): &mut (),
    ) -> Result<(), KernelError> {
        match step {
            Step::Gemm { gemm, .. } => gemm.run(input, residual, out, pixels),
            Step::MaxPool(pool) => pool.run(input, out, pixels),
            Step::AveragePool(pool) => pool.run(input, out, pixels),
        }
    }

    fn run_output(step: &Step, input: &[u8], output: &mut [f32]) -> Result<(), KernelError> {
        let Step::Gemm { gemm, relu } = step else {
            return Err(unexpected("pools that give an output"));
        };
        gemm.run_floats(input, output)?;
        if *relu {
            for value in output {
                *value = value.max(0.0);
            }
        }
        Ok(())
    }
}

/// Packs nodes into steps for one instruction set.
pub(super) struct StepBuilder<'a> {
    pub(super) tensors: &'a Tensors<Quantisation>,
    pub(super) isa: Isa,
}

impl StepBuilder<'_> {
    /// Packs the weights of a node, which is consumed.
    pub(super) fn step(&self, node: Node) -> Result<Step, KernelError> {
        let Node {
            op,
            input,
            output,
            relu,
            ..
        } = node;
        let shape = self.tensors.shape(output);
        match op {
            Op::Convolution {
                window,
                filter,
                residual,
                pool: None,
            } => {
                let epilogue = self.epilogue(&filter, input, output, relu, residual)?;
                let gemm = self.gemm(input, &window, &filter, epilogue, shape)?;
                Ok(Step::Gemm { gemm, relu })
            }
            Op::MaxPool(window) => {
                let gather = self.tensors.layout(input).pixels_of(&window, shape)?;
                Ok(Step::MaxPool(MaxPool::new(gather)))
            }
            Op::AveragePool(window) => self.average(input, output, &window, shape, relu),
            Op::Convolution { pool: Some(_), .. } => Err(unexpected("pools within convolutions")),
            Op::Add { .. } => Err(unexpected("sums left over")),
        }
    }

    fn epilogue(
        &self,
        filter: &Filter,
        input: TensorId,
        output: Target,
        relu: bool,
        residual: Option<ResidualAdd>,
    ) -> Result<Epilogue, KernelError> {
        let scale = self.tensors.quantisation(input).scale();
        let Target::Tensor(output) = output else {
            let factors: Vec<f32> = filter.scales.iter().map(|weight| scale * weight).collect();
            return Epilogue::dequantise(&factors);
        };
        let result = self.tensors.quantisation(output);
        let (own, own_relu) = residual.map_or((result, relu), |residual| {
            (residual.conv_quantisation, residual.conv_relu)
        });
        let multipliers: Vec<f32> = filter
            .scales
            .iter()
            .map(|weight| scale * weight / own.scale())
            .collect();
        let requantise = Requantise::new(&multipliers, own.zero_point(), output_min(own, own_relu))?;
        let Some(residual) = residual else {
            return Ok(Epilogue::Requantise(requantise));
        };
        let other = self.tensors.quantisation(residual.other);
        let residual = Residual::new(
            own.scale() / result.scale(),
            other.scale() / result.scale(),
            other.zero_point(),
            result.zero_point(),
            output_min(result, relu),
        )?;
        Ok(Epilogue::RequantiseAdd(requantise, residual))
    }

    fn gemm(
        &self,
        input: TensorId,
        window: &Window,
        filter: &Filter,
        epilogue: Epilogue,
        shape: Shape,
    ) -> Result<Gemm, KernelError> {
        let layout = self.tensors.layout(input);
        let gather = layout.rows_of(window, shape, RUN_STEP)?;
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
        Gemm::new(
            self.isa,
            gather,
            weights,
            self.tensors.quantisation(input).zero_point(),
            epilogue,
        )
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
        let (from, to) = (self.tensors.quantisation(input), self.tensors.quantisation(output));
        let elements = (window.size[0] * window.size[1]) as f32;
        let multipliers = vec![from.scale() / (to.scale() * elements); self.tensors.layout(input).pixel()];
        let requantise = Requantise::new(&multipliers, to.zero_point(), output_min(to, relu))?;
        let gather = self.tensors.layout(input).pixels_of(window, shape)?;
        Ok(Step::AveragePool(AveragePool::new(
            gather,
            from.zero_point(),
            requantise,
        )?))
    }
}

fn unexpected(what: &'static str) -> KernelError {
    KernelError::Shape {
        what,
        found: 1,
        expected: 0,
    }
}

fn output_min(quantisation: Quantisation, relu: bool) -> u8 {
    if relu { quantisation.zero_point() } else { 0 }
}
