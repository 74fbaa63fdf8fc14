//! GEMMs in 32-bit floats, for networks that are not quantised.
//!
//! A result is one chain of fused multiply-adds in the order of the gathered values,
//!
//! ```text
//! sum = bias      sum = fused(a[k] * w[k] + sum) for k = 0, 1, ...      max(sum + residual, output_min)
//! ```
//!
//! so every instruction set gives the same bits: there are enough channels to keep the units busy side by side. Against
//! another order of the sum the difference is that of rounding, about `depth * 2^-24` of the sum of all magnitudes.
//!
//! [`FloatWinograd`] computes 3x3 windows with fewer multiplications, by GEMMs of transformed values.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod dispatch;
mod gemm;
#[cfg(target_arch = "aarch64")]
mod neon;
mod output_min;
mod portable;
mod register;
#[cfg(test)]
mod tests;
mod tile;
mod weights;
mod winograd;

pub use gemm::FloatGemm;
pub use output_min::OutputMin;
pub use weights::FloatWeights;
pub use winograd::{FloatWinograd, Patches, WinogradRoom};
