//! The quantised GEMM, `C = epilogue(A * B + bias)`, of gathered activations `A` and packed weights `B`: every
//! convolution (as an implicit GEMM), every dense layer.

use super::tile::{Destination, GemmArgs};
use super::{Epilogue, Gather, Isa, KernelError, LANES, ResidualInput, Weights, check_eq, check_len};

/// `out[pixel][channel] = epilogue(bias[channel] + Σ gathered[pixel] * weights[channel])`, for one instruction set.
#[derive(Debug, Clone)]
pub struct Gemm {
    isa: Isa,
    gather: Gather,
    weights: Weights,
    /// One 32-bit sum a channel, the zero point of the activations folded in.
    bias: Vec<i32>,
    epilogue: Epilogue,
}

impl Gemm {
    /// Puts the parts together; `zero_point` is that of the gathered activations.
    ///
    /// # Errors
    /// [`KernelError::Isa`] where this processor lacks the instructions, [`KernelError::Shape`] where weights, gather
    /// and epilogue do not have the same depth and channels.
    pub fn new(
        isa: Isa,
        gather: Gather,
        mut weights: Weights,
        zero_point: u8,
        epilogue: Epilogue,
    ) -> Result<Self, KernelError> {
        if !isa.is_available() {
            return Err(KernelError::Isa(isa));
        }
        check_eq(
            "values of a dot product",
            weights.depth(),
            gather.run_len() * gather.run_offsets().len(),
        )?;
        check_eq("channels of the multipliers", epilogue.channels(), weights.channels())?;
        if isa.kernel().quad_layout {
            weights.use_quad_layout(gather.run_len());
        }
        let bias = weights.bias(zero_point, isa.kernel().offset);
        Ok(Self {
            isa,
            gather,
            weights,
            bias,
            epilogue,
        })
    }

    /// Computes activations. The [`Gemm::channels`] bytes of output pixel `p` are written from `out[pixel_offsets[p]]`
    /// on; `residual` is there exactly for [`Epilogue::RequantiseAdd`].
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where the number of pixels or the
    /// epilogue does not fit.
    pub fn run(
        &self,
        input: &[u8],
        residual: Option<ResidualInput<'_, u8>>,
        out: &mut [u8],
        pixel_offsets: &[u32],
    ) -> Result<(), KernelError> {
        self.check_pixels(out.len(), pixel_offsets)?;
        if let Some(residual) = residual {
            self.check_pixels(residual.values.len(), residual.pixel_offsets)?;
        }
        let given = usize::from(residual.is_some());
        let needed = usize::from(matches!(self.epilogue, Epilogue::RequantiseAdd(..)));
        let destination = Destination::bytes(&self.epilogue, residual, out, pixel_offsets);
        let destination = destination.ok_or(KernelError::Shape {
            what: "residuals",
            found: given,
            expected: needed,
        })?;
        self.compute(input, destination)
    }

    /// Computes the floats of a last layer ([`Epilogue::Dequantise`]), pixel by pixel with the [`Gemm::channels`] of
    /// each. A dense layer has one pixel; its `out` may be shorter than the channels.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where `input`, or `out` for several pixels, is too short, [`KernelError::Shape`] where
    /// there is another epilogue.
    pub fn run_floats(&self, input: &[u8], out: &mut [f32]) -> Result<(), KernelError> {
        let (pixels, pixel_step) = (self.gather.pixel_offsets().len(), self.channels());
        if pixels > 1 {
            check_len(out.len(), pixels * pixel_step)?;
        }
        match &self.epilogue {
            Epilogue::Dequantise(scales) => self.compute(
                input,
                Destination::Floats {
                    scales,
                    out,
                    pixel_step,
                },
            ),
            _ => check_eq("scales of floats", 0, 1),
        }
    }

    /// Output channels, a multiple of [`LANES`].
    pub fn channels(&self) -> usize {
        self.weights.channels()
    }

    fn compute(&self, input: &[u8], destination: Destination<'_>) -> Result<(), KernelError> {
        check_len(input.len(), self.gather.min_input_len())?;
        let mut args = GemmArgs {
            input,
            gather: &self.gather,
            weights: self.weights.bytes(),
            quad_panels: self.weights.quad_panels(),
            depth: self.weights.depth(),
            bias: &self.bias,
            destination,
        };
        // SAFETY: `new` has checked the processor, and that weights, bias and epilogue have the same channels and the
        // gather's depth; the gather ends within the input.
        unsafe { self.isa.kernel().run(&mut args) };
        Ok(())
    }

    fn check_pixels(&self, length: usize, pixel_offsets: &[u32]) -> Result<(), KernelError> {
        check_eq("output pixels", pixel_offsets.len(), self.gather.pixel_offsets().len())?;
        let last = pixel_offsets.iter().copied().max().unwrap_or(0) as usize;
        check_len(length, last + self.channels())
    }
}

const _: () = assert!(LANES == 16, "the kernels' registers hold 16 channels");
