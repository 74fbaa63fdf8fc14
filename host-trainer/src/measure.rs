//! Exported networks on labelled faces, run by the code that runs on the device.

use std::thread;

use anyhow::{Context, Result, anyhow};
use edge_runtime::predict::Model;
use shared_model::emotion::Scores;
use shared_model::image::{GrayView, INPUT_LEN, Normalisation, SIDE, sample};
use shared_model::keypoints::{COORDINATES, Keypoints};
use shared_model::manifest::{EMOTION_NAME, KEYPOINTS_NAME};

use crate::data::{EmotionData, Faces, KeypointData};
use crate::evaluate::{EmotionMetrics, KeypointMetrics};

/// Figures of a keypoint network on these rows.
pub fn keypoints(
    onnx: &[u8],
    normalisation: Normalisation,
    data: &KeypointData,
    rows: &[u32],
) -> Result<KeypointMetrics> {
    let outputs = outputs(onnx, (KEYPOINTS_NAME, COORDINATES), normalisation, &data.faces, rows)?;
    let judged = rows.iter().zip(&outputs).map(|(row, output)| {
        let row = *row as usize;
        let predicted = Keypoints::from_coordinates(output).context("a keypoint network gives 30 values")?;
        Ok((predicted, data.points[row], data.present[row]))
    });
    Ok(KeypointMetrics::measure(judged.collect::<Result<Vec<_>>>()?)?)
}

/// Logits of an emotion network on these rows, and their labels.
pub struct Judged {
    logits: Vec<Vec<f32>>,
    labels: Vec<u8>,
}

impl Judged {
    /// Runs the network.
    pub fn new(onnx: &[u8], normalisation: Normalisation, data: &EmotionData, rows: &[u32]) -> Result<Self> {
        let logits = outputs(
            onnx,
            (EMOTION_NAME, data.classes.len()),
            normalisation,
            &data.faces,
            rows,
        )?;
        Ok(Self {
            logits,
            labels: rows.iter().map(|row| data.labels[*row as usize]).collect(),
        })
    }

    /// Probabilities of every face at this temperature, with its label.
    pub fn scores(&self, temperature: f32) -> Result<Vec<(Scores, u8)>> {
        let judged = self.logits.iter().zip(&self.labels);
        judged
            .map(|(logits, label)| {
                let scores = Scores::from_logits(logits, temperature).context("the network gave no finite logits")?;
                Ok((scores, *label))
            })
            .collect()
    }

    /// Figures at this temperature.
    pub fn metrics(&self, data: &EmotionData, temperature: f32) -> Result<EmotionMetrics> {
        let scores = self.scores(temperature)?;
        Ok(EmotionMetrics::measure(
            &data.classes,
            scores.iter().map(|(scores, label)| (scores.as_slice(), *label)),
        )?)
    }
}

/// Outputs of a network for these faces, in their order.
fn outputs(
    onnx: &[u8],
    output: (&str, usize),
    normalisation: Normalisation,
    faces: &Faces,
    rows: &[u32],
) -> Result<Vec<Vec<f32>>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let share = rows.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let threads: Vec<_> = rows
            .chunks(share)
            .map(|rows| {
                scope.spawn(move || {
                    let mut model = Model::load(onnx, &[output])?;
                    rows.iter()
                        .map(|row| run(&mut model, normalisation, faces.view(*row as usize)))
                        .collect::<Result<Vec<_>>>()
                })
            })
            .collect();
        let parts = threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("an evaluation thread stopped"))?);
        Ok(parts.collect::<Result<Vec<_>>>()?.concat())
    })
}

/// Output for a picture that already is the crop.
fn run(model: &mut Model, normalisation: Normalisation, face: GrayView<'_>) -> Result<Vec<f32>> {
    let mut input = vec![0.0; INPUT_LEN];
    sample(face, &face.bounds(), SIDE, &mut input);
    normalisation.apply(&mut input);
    model.run(&input)?;
    Ok(model.output(0).to_vec())
}
