//! Arithmetic of networks: of quantised ones, with unsigned 8-bit activations, signed 8-bit weights and 32-bit sums, and
//! of those in 32-bit floats ([`FloatGemm`]).
//!
//! A real number is `scale * (q - zero_point)`. An activation `q` has one scale and zero point a tensor; a weight has
//! one scale an output channel and the zero point 0. So a dot product is an integer sum,
//!
//! ```text
//! sum[c] = bias[c] + Σk (a[k] - a_zero) * w[c][k] = (bias[c] - a_zero * Σk w[c][k]) + Σk a[k] * w[c][k]
//! ```
//!
//! of which the bracket is known when a network is loaded. [`Requantise`] says how a sum becomes an activation again.
//!
//! Convolutions and dense layers are both a [`Gemm`], a general matrix multiplication whose left side is gathered from activations
//! in channels-last order, without a copy. [`MaxPool`] and [`AveragePool`] gather in the same way.
//!
//! Every instruction set ([`Isa`]) gives the same bits: sums are exact, and what follows them is one definition in
//! 32-bit floats without fused multiply-adds, compiled for each instruction set.
//!
//! This is the only crate with `unsafe`: vector instructions that the compiler does not find by itself. Shapes are
//! checked by [`Gemm`] before any of it runs. What a network is, is none of its business.
#![allow(unsafe_code)]
#![allow(
    clippy::inline_always,
    reason = "a function with other destination features than its caller's is not inlined otherwise"
)]
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "groups of four are slices of longer rows"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod float;
mod gather;
mod gemm;
mod isa;
mod memory;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dot;
mod pool;
mod portable;
mod quantise;
mod requantise;
mod residual;
mod schedule;
#[cfg(test)]
mod tests;
mod tile;
mod weights;

pub use float::{FloatGemm, FloatWeights, FloatWinograd, OutputMin, Patches, WinogradRoom};
pub use gather::Gather;
pub use gemm::Gemm;
pub use isa::Isa;
pub use memory::{Aligned, Arena};
pub use pool::{AveragePool, FloatAveragePool, MaxPool};
pub use quantise::{Quantisation, dequantise, quantise};
pub use requantise::{Dequantise, Epilogue, Requantise, Residual};
pub use residual::ResidualInput;
pub use weights::{NO_OVERFLOW_4, QUAD_BLOCK, QUAD_STEP, RUN_STEP, Weights};

/// Output channels that are computed together; buffers hold a multiple of this many channels.
pub const LANES: usize = 16;

/// Why a kernel cannot be built or run; each is a mistake of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// A buffer is too short for what is read from it or written to it.
    #[error("a buffer of {length} values, {needed} are needed")]
    Buffer {
        /// Length of the buffer, in values.
        length: usize,
        /// Length that is needed, in values.
        needed: usize,
    },
    /// Two parts do not fit each other.
    #[error("{what}: {found} instead of {expected}")]
    Shape {
        /// The thing that was counted.
        what: &'static str,
        /// The number that was given.
        found: usize,
        /// The number that is needed.
        expected: usize,
    },
    /// More products in a sum than 32 bits hold.
    #[error("dot products of {0} values, {max} are the most", max = weights::MAX_DEPTH)]
    Depth(usize),
    /// The 16-bit sums of pairs that the kernels use do not hold the square of -128.
    #[error("weight -128 in output channel {0}: symmetric weights are -127 to 127")]
    Weight(usize),
    /// A scale or multiplier that is not a positive, finite number.
    #[error("scale {0} is no positive finite number")]
    Scale(String),
    /// This processor lacks the instruction set.
    #[error("this processor has no {0:?}")]
    Isa(Isa),
}

/// Checks a number that has to be `expected`.
fn check_eq(what: &'static str, found: usize, expected: usize) -> Result<(), KernelError> {
    if found == expected {
        return Ok(());
    }
    Err(KernelError::Shape { what, found, expected })
}

/// Checks a buffer that has to be long enough.
fn check_len(length: usize, needed: usize) -> Result<(), KernelError> {
    if length >= needed {
        return Ok(());
    }
    Err(KernelError::Buffer { length, needed })
}
