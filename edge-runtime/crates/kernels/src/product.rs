//! A matrix product of gathered activations and packed weights: every convolution, every dense layer.

use super::tile::{Job, Target};
use super::{Finish, Gather, Isa, KernelError, LANES, Weights, expect, reaches};

/// `out[pixel][channel] = finish(bias[channel] + Σ gathered[pixel] * weights[channel])`, for one instruction set.
#[derive(Debug, Clone)]
pub struct Product {
    isa: Isa,
    gather: Gather,
    weights: Weights,
    /// Biases with the zero point of the activations folded in.
    starts: Vec<i32>,
    finish: Finish,
}

/// Other activations of a residual sum: a buffer, and where each output pixel begins in it.
pub(super) type Others<'a> = (&'a [u8], &'a [u32]);

impl Product {
    /// Puts the parts together; `zero_point` is that of the gathered activations.
    pub fn new(
        isa: Isa,
        gather: Gather,
        mut weights: Weights,
        zero_point: u8,
        finish: Finish,
    ) -> Result<Self, KernelError> {
        if !isa.is_available() {
            return Err(KernelError::Isa(isa));
        }
        expect(
            "values of a dot product",
            weights.depth(),
            gather.run() * gather.runs().len(),
        )?;
        expect("channels of the multipliers", finish.channels(), weights.channels())?;
        if isa.kernel().fours {
            weights.find_room(gather.run());
        }
        let starts = weights.starts(zero_point, isa.kernel().offset);
        Ok(Self {
            isa,
            gather,
            weights,
            starts,
            finish,
        })
    }

    /// Computes activations. Pixel `p` is written from `pixels[p]` on, [`Product::channels`] bytes; `others` is there
    /// exactly for [`Finish::Sum`].
    pub fn run(
        &self,
        input: &[u8],
        others: Option<Others<'_>>,
        out: &mut [u8],
        pixels: &[u32],
    ) -> Result<(), KernelError> {
        self.fits(out.len(), pixels)?;
        if let Some((buffer, pixels)) = others {
            self.fits(buffer.len(), pixels)?;
        }
        let given = usize::from(others.is_some());
        let needed = usize::from(matches!(self.finish, Finish::Sum(..)));
        let target = Target::bytes(&self.finish, others, out, pixels);
        let target = target.ok_or(KernelError::Shape {
            what: "residuals",
            found: given,
            expected: needed,
        })?;
        self.compute(input, target)
    }

    /// Computes the floats of a dense layer ([`Finish::Floats`]); `out` may be shorter than the channels.
    pub fn run_floats(&self, input: &[u8], out: &mut [f32]) -> Result<(), KernelError> {
        expect("pixels of a dense layer", self.gather.pixels().len(), 1)?;
        match &self.finish {
            Finish::Floats(factors) => self.compute(input, Target::Floats { factors, out }),
            _ => expect("factors of floats", 0, 1),
        }
    }

    /// Output channels, a multiple of [`LANES`].
    pub fn channels(&self) -> usize {
        self.weights.channels()
    }

    fn compute(&self, input: &[u8], target: Target<'_>) -> Result<(), KernelError> {
        reaches(input.len(), self.gather.reach())?;
        let mut job = Job {
            input,
            gather: &self.gather,
            weights: self.weights.bytes(),
            room: self.weights.room(),
            depth: self.weights.depth(),
            starts: &self.starts,
            target,
        };
        // SAFETY: `new` has checked the processor, and that weights, starts and finish have the same channels and the
        // gather's depth; the gather ends within the input.
        unsafe { self.isa.kernel().run(&mut job) };
        Ok(())
    }

    fn fits(&self, length: usize, pixels: &[u32]) -> Result<(), KernelError> {
        expect("output pixels", pixels.len(), self.gather.pixels().len())?;
        let last = pixels.iter().copied().max().unwrap_or(0) as usize;
        reaches(length, last + self.channels())
    }
}

const _: () = assert!(LANES == 16, "the kernels' registers hold 16 channels");
