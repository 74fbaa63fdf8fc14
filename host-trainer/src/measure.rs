//! Exported networks on labelled faces, run by the code that runs on the device.

use std::ops::Range;
use std::thread;

use anyhow::{Context, Result, anyhow};
use inference::{FaceNetwork, Output, Setup, Views};
use shared_model::emotion::Scores;
use shared_model::image::{GrayView, Normalisation};
use shared_model::keypoints::Keypoints;

use crate::calibrate::Evidence;
use crate::config::Loss;
use crate::data::{EmotionData, Faces, KeypointData};
use crate::evaluate::{EmotionMetrics, KeypointMetrics, MeanShape, MetricError};
use crate::panel::majority;
use crate::target::Target;

/// An exported network, and how it is used.
#[derive(Debug, Clone, Copy)]
pub struct Exported<'a> {
    /// Content of the ONNX file.
    pub onnx: &'a [u8],
    /// What is done to a face before.
    pub normalisation: Normalisation,
    /// What of a face it sees.
    pub views: Views,
}

/// Keypoints that a network finds on these rows, in their order.
pub fn predict(network: Exported<'_>, data: &KeypointData, rows: &[u32]) -> Result<Vec<Keypoints>> {
    let outputs = network.outputs(Output::Keypoints, &data.faces, rows)?;
    outputs
        .iter()
        .map(|output| Keypoints::from_coordinates(output).context("a keypoint network gives 30 values"))
        .collect()
}

/// Figures of a keypoint network on these rows, beside those of the mean shape of the `training` rows, if there are any.
pub fn keypoints(
    network: Exported<'_>,
    data: &KeypointData,
    rows: &[u32],
    training: &[u32],
) -> Result<KeypointMetrics> {
    let mut metrics = keypoint_metrics(&predict(network, data, rows)?, data, rows)?;
    if !training.is_empty() {
        metrics.mean_shape = Some(mean_shape(data, rows, training)?);
    }
    Ok(metrics)
}

/// What the mean shape of the `training` rows comes to on these rows.
pub(crate) fn mean_shape(data: &KeypointData, rows: &[u32], training: &[u32]) -> Result<MeanShape> {
    // In the original's protocol rows are variants of faces.
    let training: Vec<u32> = training.iter().map(|row| row % data.faces.len() as u32).collect();
    let mean = Target::mean_shape(data, &training).mean;
    let mean = Keypoints::from_coordinates(&mean).context("a mean shape has 30 coordinates")?;
    let KeypointMetrics { mse_px2, rmse_px, .. } = keypoint_metrics(&vec![mean; rows.len()], data, rows)?;
    Ok(MeanShape { mse_px2, rmse_px })
}

/// Figures of the keypoints found on these rows.
pub fn keypoint_metrics(
    predicted: &[Keypoints],
    data: &KeypointData,
    rows: &[u32],
) -> Result<KeypointMetrics, MetricError> {
    let judged = predicted.iter().zip(rows.iter().map(|row| *row as usize));
    KeypointMetrics::measure(judged.map(|(predicted, row)| (*predicted, data.points[row], data.present[row])))
}

/// What is taken for the class of a face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    /// The file's label.
    Label,
    /// The label that has more votes than any other, where there are votes.
    Majority,
}

impl Truth {
    /// What a training with this loss takes for it: the votes, where those for no class count.
    pub fn of(loss: Loss) -> Self {
        match loss.outside() {
            None => Self::Label,
            Some(_) => Self::Majority,
        }
    }

    /// `Some(None)` for a face of no class; `None` where nobody knows.
    pub fn class(self, data: &EmotionData, row: usize) -> Option<Option<u8>> {
        let voted = data.votes.as_ref().is_some_and(|votes| votes[row].is_some());
        match self {
            Self::Majority if voted => majority(data, row, 0.0),
            _ => data.labelled[row].then_some(Some(data.labels[row])),
        }
    }

    /// Those of these rows that are of a class.
    pub fn of_a_class(self, data: &EmotionData, rows: &[u32]) -> Vec<u32> {
        let known = |row: &u32| self.class(data, *row as usize).flatten().is_some();
        rows.iter().copied().filter(known).collect()
    }
}

/// Logits of an emotion network on some rows, and what is true of these.
pub struct Judged {
    logits: Vec<Vec<f32>>,
    #[allow(
        clippy::option_option,
        reason = "a face of no class is not a face of which nothing is known"
    )]
    truths: Vec<Option<Option<u8>>>,
    /// Data set and person of each.
    sources: Vec<(usize, u32)>,
}

impl Judged {
    /// Runs the network; the class of a face is its label.
    pub fn new(network: Exported<'_>, data: &EmotionData, rows: &[u32]) -> Result<Self> {
        Self::by(Truth::Label, network, data, rows)
    }

    /// Runs the network on the faces of these rows; `truth` says what counts as right.
    pub fn by(truth: Truth, network: Exported<'_>, data: &EmotionData, rows: &[u32]) -> Result<Self> {
        let classes = data.classes.len();
        let source = |row: &u32| {
            let set = data.sets.iter().rposition(|start| start <= row).unwrap_or(0);
            (set, data.groups[*row as usize])
        };
        Ok(Self {
            logits: network.outputs(Output::Emotion { classes }, &data.faces, rows)?,
            truths: rows.iter().map(|row| truth.class(data, *row as usize)).collect(),
            sources: rows.iter().map(source).collect(),
        })
    }

    /// Logits of every row, in their order.
    pub fn logits(&self) -> &[Vec<f32>] {
        &self.logits
    }

    /// What calibration goes by: the rows of which somebody knows the class, or that they are of none.
    pub fn evidence(&self) -> Vec<Evidence<'_>> {
        let known = self.logits.iter().zip(&self.truths).zip(&self.sources);
        known
            .filter_map(|((logits, truth), (set, person))| {
                Some(Evidence {
                    logits,
                    truth: (*truth)?,
                    set: *set,
                    person: *person,
                })
            })
            .collect()
    }

    /// Probabilities of every face of a class at this temperature, with the class.
    pub fn scores(&self, temperature: f32) -> Result<Vec<(Scores, u8)>> {
        let judged = self.logits.iter().zip(self.truths.iter().copied().map(Option::flatten));
        judged
            .filter_map(|(logits, truth)| Some((logits, truth?)))
            .map(|(logits, label)| {
                let scores = Scores::from_logits(logits, temperature).context("the network gave no finite logits")?;
                Ok((scores, label))
            })
            .collect()
    }

    /// Figures at this temperature over the faces of a class.
    pub fn metrics(&self, data: &EmotionData, temperature: f32) -> Result<EmotionMetrics> {
        let scores = self.scores(temperature)?;
        Ok(EmotionMetrics::measure(
            &data.classes,
            scores.iter().map(|(scores, label)| (scores.as_slice(), *label)),
        )?)
    }
}

impl Exported<'_> {
    /// Outputs for these faces, each of which already is the crop, in their order.
    fn outputs(self, output: Output, faces: &Faces, rows: &[u32]) -> Result<Vec<Vec<f32>>> {
        self.each(output, rows.len(), &|at| faces.view(rows[at] as usize))
    }

    /// Outputs for `count` pictures, each of which already is the crop, in their order.
    pub(crate) fn each<'f>(
        self,
        output: Output,
        count: usize,
        picture: &(dyn Fn(usize) -> GrayView<'f> + Sync),
    ) -> Result<Vec<Vec<f32>>> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = count.div_ceil(threads).max(1);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..count)
                .step_by(share)
                .map(|start| {
                    let part = start..(start + share).min(count);
                    scope.spawn(move || self.some(output, part, picture))
                })
                .collect();
            let parts = threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("an evaluation thread stopped"))?);
            Ok(parts.collect::<Result<Vec<_>>>()?.concat())
        })
    }

    fn some<'f>(
        self,
        output: Output,
        part: Range<usize>,
        picture: &(dyn Fn(usize) -> GrayView<'f> + Sync),
    ) -> Result<Vec<Vec<f32>>> {
        let setup = Setup {
            output,
            normalisation: self.normalisation,
            views: self.views,
        };
        let mut network = FaceNetwork::load(self.onnx.to_vec(), setup)?;
        let mut outputs = Vec::with_capacity(part.len());
        for at in part {
            let face = picture(at);
            outputs.push(network.infer(face, &face.bounds())?.to_vec());
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use shared_model::image::INPUT_LEN;
    use shared_model::keypoints::COUNT;

    use super::*;

    #[test]
    fn the_mean_shape_is_that_of_the_training_rows_and_measured_on_the_others() {
        let points = |at: f32| Keypoints([[at; 2]; COUNT]);
        let data = KeypointData {
            faces: Faces::new(96, vec![0; 3 * INPUT_LEN]).unwrap(),
            points: vec![points(10.0), points(20.0), points(18.0)],
            present: vec![[true; COUNT]; 3],
            groups: vec![0, 1, 2],
            rows: vec![1, 2, 3],
        };
        // The mean is 15, the face measured at 18.
        let found = mean_shape(&data, &[2], &[0, 1]).unwrap();
        assert!((found.mse_px2 - 9.0).abs() < 1e-9, "{found:?}");
        assert!((found.rmse_px - 3.0).abs() < 1e-9, "{found:?}");
    }
}
