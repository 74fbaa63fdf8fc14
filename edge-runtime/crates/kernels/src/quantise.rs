//! Floats to activations and back, as ONNX's `QuantizeLinear` and `DequantizeLinear` define it.

use super::KernelError;
use super::requantise::{Range, check_scale};

/// Scale and zero point of a tensor: a value is `scale * (q - zero_point)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantisation {
    scale: f32,
    zero_point: u8,
}

impl Quantisation {
    /// `scale` is the real value of one step.
    ///
    /// # Errors
    /// [`KernelError::Scale`] where it is not positive and finite.
    pub fn new(scale: f32, zero_point: u8) -> Result<Self, KernelError> {
        check_scale(scale)?;
        Ok(Self { scale, zero_point })
    }

    /// Real value of one step of an activation, above 0.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Activation that stands for the real value 0.
    pub fn zero_point(&self) -> u8 {
        self.zero_point
    }
}

/// ONNX's `QuantizeLinear`: `q = clamp(value / scale, -zero_point, 255 - zero_point) rounded to nearest even + zero_point`; what is not a number
/// becomes 0.
pub fn quantise(values: &[f32], quantisation: Quantisation, out: &mut [u8]) {
    let range = Range::new(quantisation.zero_point, 0);
    for (place, value) in out.iter_mut().zip(values) {
        *place = range.quantise(value / quantisation.scale);
    }
}

/// ONNX's `DequantizeLinear`: the real values `scale * (q - zero_point)`, as many as both slices have.
pub fn dequantise(values: &[u8], quantisation: Quantisation, out: &mut [f32]) {
    let zero_point = i32::from(quantisation.zero_point);
    for (place, value) in out.iter_mut().zip(values) {
        *place = (i32::from(*value) - zero_point) as f32 * quantisation.scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_even_and_back() {
        let quantisation = Quantisation::new(0.5, 100).unwrap();
        let values = [0.0, 0.25, 0.75, -0.25, 1e9, -1e9, f32::NAN, f32::INFINITY];
        let mut bytes = [1; 8];
        quantise(&values, quantisation, &mut bytes);
        assert_eq!(bytes, [100, 100, 102, 100, 255, 0, 0, 255]);
        let mut back = [0.0; 3];
        dequantise(&bytes, quantisation, &mut back);
        assert_eq!(back, [0.0, 0.0, 1.0]);
    }
}
