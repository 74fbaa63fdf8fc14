//! From sums back to activations.
//!
//! The arithmetic is that of ONNX's `QLinearConv`, computed as ONNX Runtime's MLAS does (`MlasRequantizeOutput`): all
//! in 32-bit floats, every operation rounded to nearest even and none fused with another,
//!
//! ```text
//! multiplier[c] = a_scale * w_scale[c] / scale
//! q = clamp(float(sum) * multiplier[c], output_min - zero_point, 255 - zero_point) rounded + zero_point
//! ```
//!
//! where `output_min` is 0, or `zero_point` after a ReLU. A residual sum adds another activation `r`, as `QLinearAdd` does:
//!
//! ```text
//! own = own_scale / scale     other = other_scale / scale
//! q' = clamp((q - zero_point) * own + (r - r_zero) * other, output_min' - zero_point', 255 - zero_point') rounded
//!      + zero_point'
//! ```
//!
//! Rounding adds and takes away 1.5 * 2^23, whose neighbours are 1 apart: the addition rounds to nearest even. Clamping
//! comes first, so numbers are always small enough, and what is not a number becomes the lower end.

use super::{KernelError, LANES};

/// 1.5 * 2^23: where a float this large is added, the lowest bits of the sum are the rounded summand.
const MAGIC_BIAS: f32 = 12_582_912.0;

/// The representable range of an activation, less its zero point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    low: f32,
    high: f32,
    zero_point: u8,
}

impl Range {
    pub(super) fn new(zero_point: u8, output_min: u8) -> Self {
        let zero = f32::from(zero_point);
        Self {
            low: f32::from(output_min) - zero,
            high: 255.0 - zero,
            zero_point,
        }
    }

    /// `value` clamped and moved so that its lowest bits are the rounded number.
    #[inline(always)]
    fn round(&self, value: f32) -> f32 {
        // The same in both forms; each is two instructions on its processors, and more on the others.
        let value = if cfg!(target_arch = "aarch64") {
            value.max(self.low).min(self.high)
        } else {
            let value = if value > self.low { value } else { self.low };
            if value < self.high { value } else { self.high }
        };
        value + MAGIC_BIAS
    }

    #[inline(always)]
    pub(super) fn quantise(&self, value: f32) -> u8 {
        // The lowest byte of `MAGIC_BIAS` is 0.
        (self.round(value).to_bits() as u8).wrapping_add(self.zero_point)
    }
}

/// How 32-bit sums become activations of another scale, after ONNX's `QLinearConv`.
#[derive(Debug, Clone)]
pub struct Requantise {
    multipliers: Vec<[f32; LANES]>,
    range: Range,
}

impl Requantise {
    /// A positive multiplier for each channel, `a_scale * w_scale / scale`; `output_min` is the lowest activation: 0, or
    /// the zero point after a ReLU.
    ///
    /// # Errors
    /// [`KernelError::Scale`] where a multiplier is not positive and finite.
    pub fn new(multipliers: &[f32], zero_point: u8, output_min: u8) -> Result<Self, KernelError> {
        Ok(Self {
            multipliers: panels(multipliers)?,
            range: Range::new(zero_point, output_min),
        })
    }

    pub(super) fn channels(&self) -> usize {
        self.multipliers.len() * LANES
    }

    /// For the channels of one panel.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize) -> Panel {
        Panel {
            multipliers: self.multipliers[panel],
            range: self.range,
        }
    }
}

/// How the sums of a panel become activations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    multipliers: [f32; LANES],
    range: Range,
}

impl Panel {
    /// The sums as activations.
    #[inline(always)]
    pub(super) fn apply(&self, sums: &[i32; LANES]) -> [u8; LANES] {
        let mut out = [0; LANES];
        for lane in 0..LANES {
            out[lane] = self.range.quantise(sums[lane] as f32 * self.multipliers[lane]);
        }
        out
    }

    /// The sums as activations, to which others are added.
    #[inline(always)]
    pub(super) fn apply_residual(
        &self,
        sums: &[i32; LANES],
        residual: &Residual,
        addends: &[u8; LANES],
    ) -> [u8; LANES] {
        let mut out = [0; LANES];
        for lane in 0..LANES {
            let own = self.range.round(sums[lane] as f32 * self.multipliers[lane]) - MAGIC_BIAS;
            let other = (i32::from(addends[lane]) - residual.other_zero) as f32;
            out[lane] = residual.range.quantise(own * residual.own + other * residual.other);
        }
        out
    }
}

/// Addition of activations that were computed before, after `QLinearAdd`.
#[derive(Debug, Clone, Copy)]
pub struct Residual {
    own: f32,
    other: f32,
    other_zero: i32,
    range: Range,
}

impl Residual {
    /// `own` and `other` are the scales of both summands divided by the result's; `output_min` is the lowest activation
    /// of the result.
    ///
    /// # Errors
    /// [`KernelError::Scale`] where a ratio is not positive and finite.
    pub fn new(own: f32, other: f32, other_zero: u8, zero_point: u8, output_min: u8) -> Result<Self, KernelError> {
        check_scale(own)?;
        check_scale(other)?;
        Ok(Self {
            own,
            other,
            other_zero: i32::from(other_zero),
            range: Range::new(zero_point, output_min),
        })
    }
}

/// What becomes of the 32-bit sums of a GEMM before they are stored.
#[derive(Debug, Clone)]
pub enum Epilogue {
    /// Activations of another scale.
    Requantise(Requantise),
    /// Activations, to which a residual is added.
    RequantiseAdd(Requantise, Residual),
    /// Floats, where the quantised part of a network ends.
    Dequantise(Dequantise),
}

/// How sums become real numbers: each is multiplied by the scale of its channel, `a_scale * w_scale`.
#[derive(Debug, Clone)]
pub struct Dequantise(Vec<[f32; LANES]>);

impl Epilogue {
    /// Real numbers, with a positive scale for each channel.
    ///
    /// # Errors
    /// [`KernelError::Scale`] where a scale is not positive and finite.
    pub fn dequantise(scales: &[f32]) -> Result<Self, KernelError> {
        Ok(Self::Dequantise(Dequantise(panels(scales)?)))
    }

    pub(super) fn channels(&self) -> usize {
        match self {
            Self::Requantise(requantise) | Self::RequantiseAdd(requantise, _) => requantise.channels(),
            Self::Dequantise(scales) => scales.0.len() * LANES,
        }
    }
}

impl Dequantise {
    #[inline(always)]
    pub(super) fn apply(&self, panel: usize, sums: &[i32; LANES]) -> [f32; LANES] {
        let mut out = self.0.get(panel).copied().unwrap_or_default();
        for lane in 0..LANES {
            out[lane] *= sums[lane] as f32;
        }
        out
    }
}

/// Numbers of the channels in panels; channels beyond the last have 0.
fn panels(channels: &[f32]) -> Result<Vec<[f32; LANES]>, KernelError> {
    channels.iter().try_for_each(|value| check_scale(*value))?;
    let panels = channels.chunks(LANES).map(|chunk| {
        let mut panel = [0.0; LANES];
        panel[..chunk.len()].copy_from_slice(chunk);
        panel
    });
    Ok(panels.collect())
}

pub(super) fn check_scale(scale: f32) -> Result<(), KernelError> {
    if scale.is_finite() && scale > 0.0 {
        return Ok(());
    }
    Err(KernelError::Scale(scale.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(requantise: &Requantise, sum: i32) -> u8 {
        requantise.panel(0).apply(&[sum; LANES])[0]
    }

    #[test]
    fn rounds_halves_to_even_and_clamps() {
        let plain = Requantise::new(&[0.5; 16], 10, 0).unwrap();
        let cases = [
            (0, 10),
            (1, 10),
            (2, 11),
            (3, 12),
            (5, 12),
            (-1, 10),
            (-3, 8),
            (-21, 0),
            (-999, 0),
        ];
        for (sum, expected) in cases {
            assert_eq!(first(&plain, sum), expected, "{sum}");
        }
        assert_eq!(first(&plain, i32::MAX), 255);
        assert_eq!(first(&plain, i32::MIN), 0);
        let relu = Requantise::new(&[0.5; 16], 10, 10).unwrap();
        assert_eq!(first(&relu, -3), 10);
    }

    #[test]
    fn residual_rounds_before_and_after_the_sum() {
        let requantise = Requantise::new(&[0.5; 16], 100, 0).unwrap();
        let residual = Residual::new(0.5, 2.0, 7, 20, 20).unwrap();
        let sum = |sum, other| {
            requantise
                .panel(0)
                .apply_residual(&[sum; LANES], &residual, &[other; LANES])[0]
        };
        // 5 * 0.5 is 2 when rounded, 2 * 0.5 + (9 - 7) * 2 = 5.
        assert_eq!(sum(5, 9), 25);
        assert_eq!(sum(-50, 7), 20);
        assert_eq!(sum(1000, 255), 255);
    }

    #[test]
    fn refuses_scales_that_are_none() {
        for scale in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(Requantise::new(&[1.0, scale], 0, 0).is_err());
            assert!(Residual::new(1.0, scale, 0, 0, 0).is_err());
        }
    }

    #[test]
    fn channels_beyond_the_last_become_the_zero_point() {
        assert_eq!(
            Requantise::new(&[1.0], 9, 0).unwrap().panel(0).apply(&[5; LANES])[..3],
            [14, 9, 9]
        );
    }
}
