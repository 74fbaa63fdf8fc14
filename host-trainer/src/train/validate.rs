//! Loss and metric of a network on rows as training has them, run by the code that runs on the device.
//!
//! Rows are faces, or variants of faces in the original's protocol.

use std::thread;

use anyhow::{Result, anyhow, bail};
use inference::Model;
use shared_model::image::INPUT_LEN;

use super::batch::Batch;
use super::prepare::Prepared;
use super::samples::{Data, View};

/// Faces prepared at once.
const BATCH: usize = 32;

/// Loss and metric of an exported network: cross entropy in nats and accuracy, or mean squared error in
/// px² and its root.
pub fn validate(onnx: &[u8], output: &str, prepared: &Prepared, rows: &[u32], threads: usize) -> Result<(f64, f64)> {
    let share = rows.len().div_ceil(threads).max(1);
    let sums: Vec<[f64; 3]> = thread::scope(|scope| {
        let parts = rows.chunks(share);
        let threads: Vec<_> = parts
            .map(|rows| scope.spawn(move || sums(onnx, output, prepared, rows)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("validation stopped"))?)
            .collect::<Result<_>>()
    })?;
    let [loss, metric, count] = sums
        .iter()
        .fold([0.0; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
    if count <= 0.0 {
        bail!("there is nothing to validate on: no row with a label");
    }
    let (loss, metric) = (loss / count, metric / count);
    Ok(match prepared.samples.data() {
        Data::Keypoints(_) => (loss, loss.sqrt()),
        Data::Emotion(_) => (loss, metric),
    })
}

/// Sums of loss, metric and count.
fn sums(onnx: &[u8], output: &str, prepared: &Prepared, rows: &[u32]) -> Result<[f64; 3]> {
    let samples = &prepared.samples;
    let mut model = Model::load(onnx, &[(output, samples.outputs())])?;
    let mut batch = Batch::default();
    let mut total = [0.0; 3];
    for rows in rows.chunks(BATCH) {
        samples.fill(rows, View::Plain, &mut batch);
        for (face, row) in rows.iter().enumerate() {
            model.run(&batch.inputs[face * INPUT_LEN..(face + 1) * INPUT_LEN])?;
            let outputs = model.output(0);
            let [loss, metric, count] = match samples.data() {
                Data::Keypoints(_) => {
                    let part = face * outputs.len()..(face + 1) * outputs.len();
                    let target = samples.target();
                    let pixels = batch.targets[part.clone()]
                        .iter()
                        .zip(&target.mean)
                        .map(|(t, m)| m + target.scale * t);
                    squared_error(outputs, pixels, &batch.weights[part])
                }
                Data::Emotion(_) => {
                    let (class, weight) = samples.judged_class(*row);
                    cross_entropy(outputs, class).map(|sum| sum * f64::from(weight))
                }
            };
            if !(loss.is_finite() && metric.is_finite()) {
                bail!(
                    "the loss of row {:?} of the data file is not a number",
                    samples.data().file_rows(&[*row])
                );
            }
            total = [total[0] + loss, total[1] + metric, total[2] + count];
        }
    }
    Ok(total)
}

/// Squared errors of one face in px², and how many coordinates they are.
fn squared_error(outputs: &[f32], truth: impl Iterator<Item = f32>, weights: &[f32]) -> [f64; 3] {
    let errors = outputs.iter().zip(truth).zip(weights).map(|((output, truth), weight)| {
        let error = f64::from(output - truth);
        [error * error * f64::from(*weight), f64::from(*weight)]
    });
    let [loss, count] = errors.fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    [loss, loss, count]
}

/// Cross entropy of one face in nats, 1 if the label has the highest logit, and 1.
fn cross_entropy(logits: &[f32], label: usize) -> [f64; 3] {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - top).exp()).sum();
    let loss = sum.ln() - f64::from(logits[label] - top);
    [loss, f64::from(u8::from(logits[label] >= top)), 1.0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cross_entropy_of_known_logits() {
        // -ln(e^2 / (e^1 + e^2)) = ln(1 + 1/e).
        let [loss, right, count] = cross_entropy(&[1.0, 2.0], 1);
        assert!((loss - 0.313_261_687).abs() < 1e-6);
        assert_eq!([right, count], [1.0, 1.0]);
        assert_eq!(cross_entropy(&[1.0, 2.0], 0)[1], 0.0);
    }

    #[test]
    fn missing_points_count_nothing() {
        assert_eq!(
            squared_error(&[5.0, 9.0], [0.0, 1.0].into_iter(), &[1.0, 0.0]),
            [25.0, 25.0, 1.0]
        );
    }
}
