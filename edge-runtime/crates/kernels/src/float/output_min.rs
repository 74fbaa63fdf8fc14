//! The lower end of what a GEMM in floats gives, where a ReLU is fused into it.

/// The lowest results: 0 where a ReLU follows, else [`f32::NEG_INFINITY`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutputMin {
    /// Lowest value of the GEMM itself, before a residual is added.
    pub gemm: f32,
    /// Lowest value of the sum with a residual; without effect where there is none.
    pub residual_sum: f32,
}
