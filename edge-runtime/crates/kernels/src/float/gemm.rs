//! The GEMM in 32-bit floats, of gathered activations and packed weights.

use super::tile::{Destination, GemmArgs, POOLED};
use super::{FloatWeights, OutputMin};
use crate::{Gather, Isa, KernelError, ResidualInput, check_eq, check_len};

/// `out[pixel][channel] = max(bias[channel] + Σ gathered[pixel] * weights[channel], output_min)`, for one instruction
/// set.
#[derive(Debug, Clone)]
pub struct FloatGemm {
    isa: Isa,
    gather: Gather,
    weights: FloatWeights,
    output_min: OutputMin,
    pools: bool,
}

impl FloatGemm {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`KernelError::Isa`] where this processor lacks the instructions, [`KernelError::Shape`] where weights and gather
    /// do not have the same depth.
    pub fn new(isa: Isa, gather: Gather, weights: FloatWeights, output_min: OutputMin) -> Result<Self, KernelError> {
        if !isa.is_available() {
            return Err(KernelError::Isa(isa));
        }
        let depth = gather.run_len() * gather.run_offsets().len();
        check_eq("values of a dot product", weights.depth(), depth)?;
        Ok(Self {
            isa,
            gather,
            weights,
            output_min,
            pools: false,
        })
    }

    /// Four pixels of the gather after each other become one of the output, their largest values.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where the pixels are no multiple of four.
    pub fn pooled(self) -> Result<Self, KernelError> {
        check_eq(
            "pixels beyond a multiple of 4",
            self.gather.pixel_offsets().len() % POOLED,
            0,
        )?;
        Ok(Self { pools: true, ..self })
    }

    /// Writes the [`FloatGemm::channels`] values of output pixel `p` from `out[pixel_offsets[p]]` on. A `residual` is
    /// added to them.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where the number of pixels does not
    /// fit.
    pub fn run(
        &self,
        input: &[f32],
        residual: Option<ResidualInput<'_, f32>>,
        out: &mut [f32],
        pixel_offsets: &[u32],
    ) -> Result<(), KernelError> {
        check_len(input.len(), self.gather.min_input_len())?;
        self.check_pixels(out.len(), pixel_offsets)?;
        if let Some(residual) = residual {
            self.check_pixels(residual.values.len(), residual.pixel_offsets)?;
        }
        let mut args = GemmArgs {
            input,
            gather: &self.gather,
            weights: self.weights.values(),
            depth: self.weights.depth(),
            bias: self.weights.bias(),
            pools: self.pools,
            destination: Destination {
                residual,
                output_min: self.output_min,
                out,
                pixel_offsets,
            },
        };
        // SAFETY: `new` has checked the processor, and that the weights have the gather's depth; the gather ends within
        // the input.
        unsafe { self.isa.float_kernel().run(&mut args) };
        Ok(())
    }

    /// Output channels, a multiple of [`LANES`](crate::LANES).
    pub fn channels(&self) -> usize {
        self.weights.bias().len()
    }

    fn check_pixels(&self, length: usize, pixel_offsets: &[u32]) -> Result<(), KernelError> {
        let each = if self.pools { POOLED } else { 1 };
        let pixels = self.gather.pixel_offsets().len() / each;
        check_eq("output pixels", pixel_offsets.len(), pixels)?;
        let last = pixel_offsets.iter().copied().max().unwrap_or(0) as usize;
        check_len(length, last + self.channels())
    }
}
