//! One step of the original keypoint head, over a whole batch.
//!
//! Its dense layers hold 16.8 of the network's 18 million weights, and a step is mostly the way from and to memory.
//! Automatic differentiation makes tensors of all gradients in each replica, and then adds them up. Here each gradient is
//! written once, into memory that is kept from step to step.

use std::ops::Range;

use anyhow::{Context, Result};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::batch::Batch;
use super::loss::loss_sum;
use super::outcome::Outcome;
use super::spare::Spare;
use crate::config::Loss;
use crate::model::dropout::Dropout;
use crate::model::head::OriginalHead;
use crate::model::trunk::values;

/// Rows of a weight gradient that a thread computes at a time. Fixed, so that the sums do not depend on the number of cores.
const ROWS: usize = 512;

/// Losses, and gradients of the head's values in the order of `params::read`; and the gradient of `features`,
/// `[n, c, h, w]`.
///
/// The head has no gradients, the device keeps some. The features' faces are those of the batches, one after the other.
pub(super) fn step(
    head: &OriginalHead,
    features: TensorData,
    batches: &[&Batch],
    loss: Loss,
    dropout: &mut Dropout,
    (spare, device): (&Spare, &Device),
) -> Result<(Outcome, Vec<f32>)> {
    let features = Tensor::<4>::from_data(features, device).require_grad();
    let pooled = head.pool(features.clone());
    let (mut passed, mut slopes) = (Vec::new(), Vec::new());
    let mut x = pooled.clone().inner();
    for (layer, drops) in head.hidden() {
        let y = layer.forward(x.clone());
        let slope = dropout.apply(y.clone().greater_elem(0.0).float(), drops);
        passed.push((layer, x));
        x = y * slope.clone();
        slopes.push(slope);
    }
    let outputs = Tensor::from_inner(head.last().forward(x.clone())).require_grad();
    passed.push((head.last(), x));
    let (mut outcome, mut dy) = losses(head, &outputs, batches, loss, device)?;
    for (layer, x) in passed.into_iter().rev() {
        let weight = layer.weight.val();
        let bias = values(dy.clone().sum_dim(0));
        let gradient = weight_gradient(&values(x), &values(dy.clone()), weight.dims(), spare);
        outcome.gradients.splice(0..0, [Some(gradient), Some(bias)]);
        dy = dy.matmul(weight.transpose());
        if let Some(slope) = slopes.pop() {
            dy = dy * slope;
        }
    }
    let mut gradients = (pooled * Tensor::from_inner(dy)).sum().backward();
    let of_features = features
        .grad_remove(&mut gradients)
        .context("no gradient reached the trunk")?;
    Ok((outcome, values(of_features)))
}

/// The losses of all batches as an outcome without gradients, and the gradient of the outputs, `[n, 30]`.
fn losses(
    head: &OriginalHead,
    outputs: &Tensor<2>,
    batches: &[&Batch],
    loss: Loss,
    device: &Device,
) -> Result<(Outcome, Tensor<2>)> {
    let ended = if head.relu_end() {
        relu(outputs.clone())
    } else {
        outputs.clone()
    };
    let mut outcome = Outcome::none();
    let mut sum: Option<Tensor<1>> = None;
    let mut first = 0;
    for batch in batches {
        let faces: Range<usize> = first..first + batch.len;
        first = faces.end;
        let own = ended.clone().slice([faces]);
        let [worth, count] = batch.measure(&values(own.clone().inner()));
        outcome.worth = [outcome.worth[0] + worth, outcome.worth[1] + count];
        outcome.weight += batch.total_weight;
        let own = loss_sum(loss, own, batch, device);
        sum = Some(match sum {
            None => own,
            Some(sum) => sum + own,
        });
    }
    let sum = sum.context("a step needs at least one face")?;
    outcome.loss = values(sum.clone().inner())
        .first()
        .map_or(f64::NAN, |loss| f64::from(*loss));
    let gradient = outputs
        .grad_remove(&mut sum.backward())
        .context("no gradient reached the outputs")?;
    Ok((outcome, gradient))
}

/// `x^T dy` for `x: [n, inputs]` and `dy: [n, outputs]`.
fn weight_gradient(x: &[f32], dy: &[f32], [inputs, outputs]: [usize; 2], spare: &Spare) -> Vec<f32> {
    let faces = x.len() / inputs;
    let x = MatRef::from_row_major_slice(x, faces, inputs);
    let dy = MatRef::from_row_major_slice(dy, faces, outputs);
    let mut gradient = spare.take(inputs * outputs);
    gradient
        .par_chunks_mut(ROWS * outputs)
        .enumerate()
        .for_each(|(part, gradient)| {
            let rows = gradient.len() / outputs;
            let gradient = MatMut::from_row_major_slice_mut(gradient, rows, outputs);
            let x = x.subcols(part * ROWS, rows);
            matmul(gradient, Accum::Replace, x.transpose(), dy, 1.0, Par::Seq);
        });
    gradient
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use rand::RngExt;
    use shared_model::keypoints::COORDINATES;

    use super::*;
    use crate::augment::sample_rng;
    use crate::device::{Backend, Devices};
    use crate::model::head::{End, Head, HeadConfig};
    use crate::train::replicas::head_step;

    /// Faces of one batch and of the next.
    const FACES: [usize; 2] = [2, 3];

    fn batch(faces: std::ops::Range<usize>) -> Batch {
        let values = faces.start * COORDINATES..faces.end * COORDINATES;
        Batch {
            targets: values.clone().map(|at| (at * 37 % 96) as f32).collect(),
            weights: values.map(|at| f32::from(u8::from(at % 7 > 0))).collect(),
            total_weight: 10.0,
            unit_px: Some(1.0),
            len: faces.len(),
            ..Batch::default()
        }
    }

    #[test]
    fn a_step_is_that_of_automatic_differentiation() {
        let on = Devices::local(Backend::Flex).unwrap().of_replica(0);
        let mut rng = sample_rng(1, 2, 3);
        let all = FACES[0] + FACES[1];
        for end in [End::Relu, End::Linear] {
            let mut config = crate::model::Architecture::original(crate::model::Task::Keypoints, 5);
            config.head = HeadConfig::KeypointsOriginal { end };
            let network = config.init(&on.device);
            let (channels, side) = config.feature_map();
            let shape = [all, channels, side, side];
            let features: Vec<f32> = (0..shape.iter().product())
                .map(|_| rng.random_range(-1.0..2.0))
                .collect();
            let features = TensorData::new(features, shape);
            let dropout = || Dropout::seeded(4, 5, 0);
            let asked = Tensor::<4>::from_data(features.clone(), &on.device).require_grad();
            let loss = Loss::SmoothL1 { beta: 3.0 };
            let (burns, burns_gradient) =
                head_step(&network.head, &asked, &batch(0..all), loss, &mut dropout(), &on).unwrap();
            let plain = network.valid();
            let Head::KeypointsOriginal(head) = &plain.head else {
                unreachable!()
            };
            let (first, second) = (batch(0..FACES[0]), batch(FACES[0]..all));
            let (own, own_gradient) = step(
                head,
                features,
                &[&first, &second],
                loss,
                &mut dropout(),
                (&Spare::default(), &on.device),
            )
            .unwrap();
            assert!((own.loss / burns.loss - 1.0).abs() < 1e-6);
            assert_eq!((own.weight, own.worth[1]), (20.0, burns.worth[1]));
            assert!((own.worth[0] / burns.worth[0] - 1.0).abs() < 1e-6);
            assert_eq!((own.gradients.len(), burns.gradients.len()), (6, 6));
            close(&own_gradient, &burns_gradient.unwrap());
            for (own, burns) in own.gradients.iter().zip(&burns.gradients) {
                close(own.as_ref().unwrap(), burns.as_ref().unwrap());
            }
        }
    }

    fn close(own: &[f32], burns: &[f32]) {
        assert_eq!(own.len(), burns.len());
        let largest = burns.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let apart = own.iter().zip(burns).map(|(own, burns)| (own - burns).abs());
        assert!(largest > 0.0 && apart.fold(0.0, f32::max) < 1e-5 * largest);
    }

    #[test]
    fn weight_gradients_are_sums_over_faces_in_memory_of_any_values() {
        let spare = Spare::default();
        let [inputs, outputs] = [ROWS + 3, 2048];
        spare.put(vec![f32::NAN; inputs * outputs]);
        // Two faces: 1 and 2 at every input; 3 at the first output and 5 at the last.
        let x = [vec![1.0; inputs], vec![2.0; inputs]].concat();
        let mut dy = vec![0.0; 2 * outputs];
        (dy[0], dy[2 * outputs - 1]) = (3.0, 5.0);
        let gradient = weight_gradient(&x, &dy, [inputs, outputs], &spare);
        for row in gradient.chunks_exact(outputs) {
            assert_eq!((row[0], row[outputs - 1]), (3.0, 10.0));
            assert!(row[1..outputs - 1].iter().all(|value| *value == 0.0));
        }
    }
}
