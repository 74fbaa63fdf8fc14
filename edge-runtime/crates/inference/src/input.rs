//! What a network sees.

use shared_model::image::GrayView;

/// How many values a grey pixel has: 8 bits, 0 to 255.
pub const LEVELS: usize = 256;

/// An image, in one of two forms.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// Values, row by row.
    Values(&'a [f32]),
    /// Grey pixels, and the value of each grey level: the same, and cheaper where a network computes in integers.
    Grey(GrayView<'a>, &'a [f32; LEVELS]),
}

impl Input<'_> {
    /// Whether no value is infinite or NaN.
    pub(crate) fn is_finite(self) -> bool {
        let values = match self {
            Self::Values(values) => values,
            Self::Grey(_, levels) => levels,
        };
        values.iter().all(|value| value.is_finite())
    }
}
