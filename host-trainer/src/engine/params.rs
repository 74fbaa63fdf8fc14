//! Parameters and gradients of one layer: a convolution followed by batch norm.

/// Sizes of a layer's convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerShape {
    /// Channels that the convolution gives.
    pub outputs: usize,
    /// Channels that the convolution takes.
    pub inputs: usize,
    /// Side of the square kernel: 1, 3, or 7.
    pub kernel: usize,
}

impl LayerShape {
    /// Values in the convolution's weight.
    #[must_use]
    pub fn weights(self) -> usize {
        self.outputs * self.inputs * self.kernel * self.kernel
    }
}

/// Parameters of one convolution with its batch normalisation.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerParams {
    /// Convolution weight `[outputs, inputs, kernel, kernel]`.
    pub weight: Vec<f32>,
    /// Bias of the convolution, `[outputs]`.
    pub bias: Vec<f32>,
    /// Scale of the batch normalisation, `[outputs]`.
    pub gamma: Vec<f32>,
    /// Shift of the batch normalisation, `[outputs]`.
    pub beta: Vec<f32>,
    /// What a frozen layer normalises with; `None` for the statistics of the batch.
    pub running: Option<Running>,
}

/// Statistics that a layer has gathered over its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Running {
    /// Mean of each channel, the convolution's bias included, `[outputs]`.
    pub mean: Vec<f32>,
    /// Biased variance of each channel, `[outputs]`.
    pub variance: Vec<f32>,
}

/// Gradients of one layer, in the shapes of [`LayerParams`].
///
/// The bias gradient is always zero: batch norm subtracts the mean of its batch, so that the bias has no effect on the
/// loss, and what automatic differentiation finds there is rounding error.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerGrads {
    /// Gradient of the convolution weight.
    pub weight: Vec<f32>,
    /// Gradient of the convolution bias: zero.
    pub bias: Vec<f32>,
    /// Gradient of batch norm's scale.
    pub gamma: Vec<f32>,
    /// Gradient of batch norm's shift.
    pub beta: Vec<f32>,
}

impl LayerGrads {
    /// Zero gradients of a layer.
    #[must_use]
    pub fn zeros(shape: LayerShape) -> Self {
        let channels = vec![0.0; shape.outputs];
        Self {
            weight: vec![0.0; shape.weights()],
            bias: channels.clone(),
            gamma: channels.clone(),
            beta: channels,
        }
    }
}

/// Reorders a 3x3 weight from `[outputs, inputs, 9]` to `[outputs, 9, inputs]`, the order of patch rows.
pub(super) fn pack_kernel(packed: &mut [f32], weight: &[f32], inputs: usize) {
    for (packed, weight) in packed.chunks_exact_mut(9 * inputs).zip(weight.chunks_exact(9 * inputs)) {
        for (tap, packed) in packed.chunks_exact_mut(inputs).enumerate() {
            for (value, taps) in packed.iter_mut().zip(weight.chunks_exact(9)) {
                *value = taps[tap];
            }
        }
    }
}

/// Reorders a 3x3 weight from `[outputs, inputs, 9]` to `[9, outputs, inputs]` with the taps reversed: the convolution
/// with this *turned* kernel over output gradients gives the input gradients.
pub(super) fn turn_kernel(turned: &mut [f32], weight: &[f32]) {
    let kernels = weight.len() / 9;
    for (index, taps) in weight.as_chunks::<9>().0.iter().enumerate() {
        for (tap, value) in taps.iter().rev().enumerate() {
            turned[tap * kernels + index] = *value;
        }
    }
}

/// Undoes [`turn_kernel`].
pub(super) fn turn_back(weight: &mut [f32], turned: &[f32]) {
    let kernels = weight.len() / 9;
    for (index, taps) in weight.as_chunks_mut::<9>().0.iter_mut().enumerate() {
        for (tap, value) in taps.iter_mut().rev().enumerate() {
            *value = turned[tap * kernels + index];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_taps_before_inputs() {
        let weight: Vec<f32> = (0..18u8).map(f32::from).collect();
        let mut packed = vec![0.0; 18];
        pack_kernel(&mut packed, &weight, 2);
        assert_eq!(packed[..4], [0.0, 9.0, 1.0, 10.0]);
    }

    #[test]
    fn turning_back_restores_the_kernel() {
        let weight: Vec<f32> = (0..54u8).map(f32::from).collect();
        let (mut turned, mut restored) = (vec![0.0; 54], vec![0.0; 54]);
        turn_kernel(&mut turned, &weight);
        assert_eq!(turned[..2], [8.0, 17.0]);
        turn_back(&mut restored, &turned);
        assert_eq!(restored, weight);
    }
}
