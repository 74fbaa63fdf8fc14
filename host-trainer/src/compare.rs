//! Trained networks side by side: settings that differ, figures, and a paired test on the same faces.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, bail};
use inference::Views;
use serde::Serialize;

use crate::data::{EmotionData, KeypointData};
use crate::evaluate::{Figure, Guess, McNemar, MeanShape, Units, point_distances};
use crate::measure::{Exported, Judged, Truth, keypoint_metrics, mean_shape, predict};
use crate::train::history::EpochRecord;
use crate::train::prepare::Prepared;
use crate::train::samples::Data;
use crate::train::shipped::Shipped;

/// A trained run among those compared.
pub struct Run {
    /// How it was named on the command line.
    pub name: String,
    /// Its best weights, settings and history.
    pub shipped: Shipped,
}

impl Run {
    /// Opens the directory of a run.
    pub fn open(dir: &Path) -> Result<Self> {
        Ok(Self {
            name: dir.display().to_string(),
            shipped: Shipped::of_run(dir)?,
        })
    }

    /// What the epoch of its weights came to; `None` where no epoch was finished.
    pub fn best(&self) -> Option<&EpochRecord> {
        let mut history = self.shipped.history.iter();
        history.find(|at| at.epoch == self.shipped.epoch)
    }

    /// Mean time of an epoch in seconds; `None` where none was finished.
    pub fn seconds_an_epoch(&self) -> Option<f64> {
        let history = &self.shipped.history;
        let seconds: f64 = history.iter().map(|at| at.seconds).sum();
        (!history.is_empty()).then(|| seconds / history.len() as f64)
    }

    /// Number of parameters that the training changed: not the running statistics, nor what was frozen.
    pub fn trained_parameters(&self) -> usize {
        let Shipped { network, state, .. } = &self.shipped;
        network.trained_parameters(state.config.freeze)
    }

    fn truth(&self) -> Truth {
        Truth::of(self.shipped.state.config.loss)
    }
}

/// A setting that not all runs have alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Which, with the tables around it: `optimiser.learning_rate`.
    pub key: String,
    /// Its value in each run; `-` where it is not set.
    pub values: Vec<String>,
}

/// The settings that not all runs have alike, in the order of their keys.
pub fn settings(runs: &[Run]) -> Vec<Setting> {
    let config = |run: usize| &runs[run].shipped.state.config;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for other in 1..runs.len() {
        for difference in config(0).differences(config(other)) {
            let values = found.entry(difference.key);
            values.or_insert_with(|| vec![difference.own; runs.len()])[other] = difference.other;
        }
    }
    let settings = found.into_iter();
    settings.map(|(key, values)| Setting { key, values }).collect()
}

/// Whether all runs were trained on the same data with the same faces held out, so that figures mean the same.
pub fn same_data(runs: &[Run]) -> bool {
    let of = |run: &Run| {
        let state = &run.shipped.state;
        (state.data.clone(), state.held_out.clone(), run.truth())
    };
    runs.windows(2).all(|pair| of(&pair[0]) == of(&pair[1]))
}

/// Figures of runs on the faces held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Test {
    /// Number of faces that were held out.
    pub faces: u64,
    /// Of each run, in their order.
    pub runs: Vec<Figures>,
    /// What guessing comes to on these faces; `None` where no class or no face for training is known.
    pub guessing: Option<Guessing>,
    /// Each run but the first against the first, on the same faces.
    pub against_first: Vec<Paired>,
}

/// What a network is worth on the faces held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Figures {
    /// Of an emotion network, as trained (temperature 1).
    Emotion {
        /// Share of faces whose top class is the true one, 0 to 1.
        accuracy: f64,
        /// Plain mean of the classes' F1, 0 to 1.
        macro_f1: f64,
        /// Mean of -ln(probability of the true class), in nats.
        log_loss: f64,
    },
    /// Of a keypoint network, in pixels of the crop.
    Keypoints {
        /// Mean squared error of a coordinate, in px².
        mse_px2: f64,
        /// Its root, in px.
        rmse_px: f64,
        /// Mean distance of a point, in px.
        mean_error_px: f64,
    },
}

/// What a network must beat to be worth anything.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Guessing {
    /// Whoever always says the most frequent class of these faces.
    Majority(Guess),
    /// Whoever always gives the mean shape of the training part.
    MeanShape(MeanShape),
}

/// A run against the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Paired {
    /// Emotion networks: which of them is right on which faces.
    Emotion(McNemar),
    /// Keypoint networks.
    Keypoints {
        /// Mean error of the run less that of the first, in px, with its interval (paired bootstrap over people).
        mean_error_difference_px: Figure,
    },
}

/// Measures all runs on the test part of their common data.
pub fn test(runs: &[Run], prepared: &Prepared) -> Result<Test> {
    let Some(first) = runs.first() else {
        bail!("compare: name the runs");
    };
    let state = &first.shipped.state;
    if !same_data(runs) || [&state.data, &state.held_out] != [&prepared.data, &prepared.held_out] {
        bail!("compare: this is not the data that was trained on, so the faces held out are not known");
    }
    let rows = &prepared.split.test;
    let faces = prepared.samples.data().faces().len();
    if rows.is_empty() || rows.iter().any(|row| *row as usize >= faces) {
        bail!("compare: these trainings held no faces out for a test, so leave --data out");
    }
    match prepared.samples.data() {
        Data::Emotion(data) => emotion(runs, data, rows),
        Data::Keypoints(data) => keypoints(runs, data, rows, &prepared.split.train),
    }
}

fn emotion(runs: &[Run], data: &EmotionData, rows: &[u32]) -> Result<Test> {
    let (mut figures, mut right) = (Vec::new(), Vec::<Vec<bool>>::new());
    let mut guessing = None;
    for run in runs {
        let onnx = run.shipped.onnx()?;
        let judged = Judged::by(run.truth(), exported(run, &onnx), data, rows)?;
        let metrics = judged.metrics(data, 1.0)?;
        let scores = judged.scores(1.0)?.into_iter();
        right.push(
            scores
                .map(|(scores, label)| scores.top().is_some_and(|(top, _)| top == usize::from(label)))
                .collect(),
        );
        guessing = metrics.majority().map(Guessing::Majority);
        figures.push(Figures::Emotion {
            accuracy: metrics.accuracy,
            macro_f1: metrics.macro_average.f1,
            log_loss: metrics.log_loss,
        });
    }
    let against = |own: &Vec<bool>| McNemar::of(right[0].iter().copied().zip(own.iter().copied()));
    Ok(Test {
        faces: right[0].len() as u64,
        runs: figures,
        guessing,
        against_first: right[1..].iter().map(|own| Paired::Emotion(against(own))).collect(),
    })
}

fn keypoints(runs: &[Run], data: &KeypointData, rows: &[u32], training: &[u32]) -> Result<Test> {
    let (mut figures, mut errors) = (Vec::new(), Vec::<Vec<Vec<f64>>>::new());
    for run in runs {
        let onnx = run.shipped.onnx()?;
        let predicted = predict(exported(run, &onnx), data, rows)?;
        let metrics = keypoint_metrics(&predicted, data, rows)?;
        let faces = predicted.iter().zip(rows.iter().map(|row| *row as usize));
        errors.push(
            faces
                .map(|(found, row)| point_distances(found, &data.points[row], &data.present[row]).collect())
                .collect(),
        );
        figures.push(Figures::Keypoints {
            mse_px2: metrics.mse_px2,
            rmse_px: metrics.rmse_px,
            mean_error_px: metrics.mean_error_px,
        });
    }
    let guessing = (!training.is_empty())
        .then(|| mean_shape(data, rows, training))
        .transpose()?;
    let guessing = guessing.map(Guessing::MeanShape);
    let people = Units::new(rows.iter().map(|row| data.groups[*row as usize]));
    let against = |own: &Vec<Vec<f64>>| difference(&people, &errors[0], own);
    Ok(Test {
        faces: rows.len() as u64,
        runs: figures,
        guessing,
        against_first: errors[1..].iter().filter_map(against).collect(),
    })
}

/// Mean error of the second less that of the first; errors are those of the known points, face by face.
fn difference(people: &Units, first: &[Vec<f64>], second: &[Vec<f64>]) -> Option<Paired> {
    let sums = |errors: &Vec<f64>| errors.iter().sum::<f64>();
    let by_face: Vec<(f64, usize)> = (first.iter().zip(second))
        .map(|(first, second)| (sums(second) - sums(first), first.len()))
        .collect();
    let figure = people.figure(|faces| {
        let own = faces.iter().map(|face| by_face[*face]);
        let (sum, points) = own.fold((0.0, 0), |(sum, points), own| (sum + own.0, points + own.1));
        (points > 0).then(|| sum / points as f64)
    });
    figure.map(|mean_error_difference_px| Paired::Keypoints {
        mean_error_difference_px,
    })
}

/// The network as it was trained: it sees each face once.
fn exported<'a>(run: &Run, onnx: &'a [u8]) -> Exported<'a> {
    Exported {
        onnx,
        normalisation: run.shipped.state.config.normalisation,
        views: Views::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_of_two_mean_errors_is_over_points_and_drawn_face_by_face() {
        let first: Vec<Vec<f64>> = (0..400).map(|face| vec![f64::from(face % 7), 1.0]).collect();
        let second: Vec<Vec<f64>> = first.iter().map(|errors| vec![errors[0] + 0.5, errors[1]]).collect();
        let units = Units::new(0..400);
        let Some(Paired::Keypoints {
            mean_error_difference_px: found,
        }) = difference(&units, &first, &second)
        else {
            panic!("there are points");
        };
        // Each face is worse by the same, so pairing leaves no width at all.
        assert!((found.value - 0.25).abs() < 1e-9, "{found:?}");
        assert!((found.high - found.low).abs() < 1e-9, "{found:?}");
    }
}
