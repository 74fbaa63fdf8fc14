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

/// The most frequent class of these rows and the accuracy of whoever always gives it, as [`validate`] counts; `None` of
/// keypoints, or where no row counts.
pub fn majority(prepared: &Prepared, rows: &[u32]) -> Option<(usize, f64)> {
    let samples = &prepared.samples;
    if !matches!(samples.data(), Data::Emotion(_)) {
        return None;
    }
    let mut weights = vec![0.0; samples.outputs()];
    for (class, weight) in rows.iter().map(|row| samples.judged_class(*row)) {
        weights[class] += f64::from(weight);
    }
    let all: f64 = weights.iter().sum();
    // The last of equals is taken, so the first one has to come last.
    let most = weights.iter().copied().enumerate().rev();
    let (class, most) = most.max_by(|(_, one), (_, other)| one.total_cmp(other))?;
    (all > 0.0).then(|| (class, most / all))
}

/// Mean squared error in px² of the mean shape of the rows `training` on these rows, and its root, as [`validate`] gives
/// those of a network; `None` without a known point in either, or of emotions.
pub fn mean_shape(prepared: &Prepared, training: &[u32], rows: &[u32]) -> Option<(f64, f64)> {
    let mut sums = vec![[0.0; 2]; prepared.samples.outputs()];
    each_point(prepared, training, |at, pixels| {
        sums[at] = [sums[at][0] + pixels, sums[at][1] + 1.0];
    });
    let mut squared = [0.0; 2];
    each_point(prepared, rows, |at, pixels| {
        let [sum, count] = sums[at];
        if count > 0.0 {
            squared = [squared[0] + (pixels - sum / count).powi(2), squared[1] + 1.0];
        }
    });
    let mse = squared[0] / squared[1];
    mse.is_finite().then(|| (mse, mse.sqrt()))
}

/// Calls `tell` with each known coordinate of these rows: which one it is, and its pixels.
fn each_point(prepared: &Prepared, rows: &[u32], mut tell: impl FnMut(usize, f64)) {
    let samples = &prepared.samples;
    if !matches!(samples.data(), Data::Keypoints(_)) {
        return;
    }
    let (target, mut batch) = (samples.target(), Batch::default());
    for rows in rows.chunks(BATCH) {
        samples.fill(rows, View::Plain, &mut batch);
        for (at, (value, weight)) in batch.targets.iter().zip(&batch.weights).enumerate() {
            let at = at % samples.outputs();
            if *weight > 0.0 {
                tell(at, f64::from(target.mean[at] + target.scale * value));
            }
        }
    }
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
    use shared_model::image::SIDE;
    use shared_model::keypoints::{COUNT, Keypoints};

    use super::super::divide::tests::emotions;
    use super::*;
    use crate::config::TrainConfig;
    use crate::data::{Faces, KeypointData};
    use crate::model::Task;

    #[test]
    fn always_the_most_frequent_class_is_right_as_often_as_it_is_there() {
        let mut config = TrainConfig::original(Task::Emotion);
        config.classes = emotions().classes;
        let prepared = Prepared::undivided(Data::Emotion(emotions()), &config);
        // Faces 0 and 20 are Sad.
        assert_eq!(majority(&prepared, &[0, 20, 1]), Some((1, 2.0 / 3.0)));
        assert_eq!(majority(&prepared, &[0, 1]), Some((0, 0.5)), "the first of equals");
        assert_eq!(majority(&prepared, &[]), None);
        assert_eq!(mean_shape(&prepared, &[0], &[1]), None);
    }

    #[test]
    fn the_mean_shape_is_measured_on_known_points_and_on_variants_as_they_are_shown() {
        let mut present = [[true; COUNT]; 3];
        present[1][3] = false;
        let data = || KeypointData {
            faces: Faces::new(SIDE, vec![0; 3 * INPUT_LEN]).unwrap(),
            points: [20.0, 40.0, 60.0].map(|x| Keypoints([[x, 30.0]; COUNT])).to_vec(),
            present: present.to_vec(),
            groups: vec![0, 1, 2],
            rows: vec![1, 2, 3],
        };
        let config = TrainConfig::original(Task::Keypoints);
        let prepared = Prepared::undivided(Data::Keypoints(data()), &config);
        let found = |training: &[u32], rows: &[u32]| mean_shape(&prepared, training, rows).unwrap().0;
        // The mean of x is 30; point 3 is only known to be at 20. Half of the coordinates are y, which is the same.
        let expected = (14.0 * 900.0 + 1600.0) / 30.0;
        assert!((found(&[0, 1], &[2]) - expected).abs() < 1e-3);
        assert!(
            (found(&[2], &[1]) - 200.0).abs() < 1e-3,
            "an unknown point does not count"
        );
        assert_eq!(majority(&prepared, &[0]), None);
        assert_eq!(mean_shape(&prepared, &[], &[0]), None);
        let original = config.with_original_protocol();
        let prepared = Prepared::undivided(Data::Keypoints(data()), &original);
        // The first face mirrored has x = 76.
        let (mse, root) = mean_shape(&prepared, &[0], &[3]).unwrap();
        assert!((mse - 56.0 * 56.0 / 2.0).abs() < 1e-3 && (root * root - mse).abs() < 1e-9);
    }

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
