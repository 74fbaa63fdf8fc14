//! A matrix product of gathered floats and packed weights.

use super::tile::{Job, Target};
use super::{FloatWeights, Floors};
use crate::{Gather, Isa, KernelError, expect, reaches};

/// `out[pixel][channel] = max(bias[channel] + Σ gathered[pixel] * weights[channel], floor)`, for one instruction set.
#[derive(Debug, Clone)]
pub struct FloatProduct {
    isa: Isa,
    gather: Gather,
    weights: FloatWeights,
    floors: Floors,
}

impl FloatProduct {
    /// Puts the parts together.
    pub fn new(isa: Isa, gather: Gather, weights: FloatWeights, floors: Floors) -> Result<Self, KernelError> {
        if !isa.is_available() {
            return Err(KernelError::Isa(isa));
        }
        let depth = gather.run() * gather.runs().len();
        expect("values of a dot product", weights.depth(), depth)?;
        Ok(Self {
            isa,
            gather,
            weights,
            floors,
        })
    }

    /// Writes pixel `p` from `pixels[p]` on, [`FloatProduct::channels`] values. `others`, a buffer and where each pixel
    /// begins in it, are added.
    pub fn run(
        &self,
        input: &[f32],
        others: Option<(&[f32], &[u32])>,
        out: &mut [f32],
        pixels: &[u32],
    ) -> Result<(), KernelError> {
        reaches(input.len(), self.gather.reach())?;
        self.fits(out.len(), pixels)?;
        if let Some((buffer, pixels)) = others {
            self.fits(buffer.len(), pixels)?;
        }
        let mut job = Job {
            input,
            gather: &self.gather,
            weights: self.weights.values(),
            depth: self.weights.depth(),
            biases: self.weights.biases(),
            target: Target {
                others,
                floors: self.floors,
                out,
                pixels,
            },
        };
        // SAFETY: `new` has checked the processor, and that the weights have the gather's depth; the gather ends within
        // the input.
        unsafe { self.isa.float_kernel().run(&mut job) };
        Ok(())
    }

    /// Output channels, a multiple of [`LANES`](crate::LANES).
    pub fn channels(&self) -> usize {
        self.weights.biases().len()
    }

    fn fits(&self, length: usize, pixels: &[u32]) -> Result<(), KernelError> {
        expect("output pixels", pixels.len(), self.gather.pixels().len())?;
        let last = pixels.iter().copied().max().unwrap_or(0) as usize;
        reaches(length, last + self.channels())
    }
}
