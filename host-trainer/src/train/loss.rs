//! What a training minimises, as a sum over a batch.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};

use super::batch::Batch;
use crate::config::Loss;

/// Sum of the weighted losses of a batch.
pub(super) fn loss_sum(loss: Loss, outputs: Tensor<2>, batch: &Batch, device: &Device) -> Tensor<1> {
    let shape = outputs.dims();
    let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), shape), device);
    let (targets, weights) = (tensor(&batch.targets), tensor(&batch.weights));
    match loss {
        Loss::MeanSquaredError => {
            let error = outputs - targets;
            (error.clone() * error * weights).sum()
        }
        Loss::SmoothL1 { beta } => {
            let error = (outputs - targets).abs();
            let quadratic = error.clone().clamp_max(beta);
            // beta * (|e|/beta - 1/2) above, e^2 / (2 beta) below: both are q * (2|e| - q) / (2 beta).
            (quadratic.clone() * (error.mul_scalar(2.0) - quadratic) * weights)
                .sum()
                .div_scalar(2.0 * beta)
        }
        Loss::CrossEntropy { .. } => {
            let outputs = if batch.offsets.is_empty() {
                outputs
            } else {
                let offsets = TensorData::new(batch.offsets.clone(), [1, batch.offsets.len()]);
                outputs + Tensor::<2>::from_data(offsets, device)
            };
            (log_softmax(outputs, 1) * targets * weights).sum().neg()
        }
    }
}
