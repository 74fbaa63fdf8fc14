//! What a residual addition adds.

/// The second operand of a residual addition: a tensor that was computed before.
#[derive(Debug, Clone, Copy)]
pub struct ResidualInput<'a, T> {
    /// The buffer of the tensor, channels last.
    pub values: &'a [T],
    /// Index in `values` of the first channel of each output pixel.
    pub pixel_offsets: &'a [u32],
}
