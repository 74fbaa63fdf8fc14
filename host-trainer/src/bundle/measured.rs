//! Network files with their figures on the faces held out.

use anyhow::{Context, Result};
use inference::{FaceNetwork, Golden, Output, Setup};
use shared_model::manifest::{Decision, Precision};

use super::{Source, Trained};
use crate::calibrate::{temperature, threshold};
use crate::crop::{self, measure};
use crate::data::{EmotionData, KeypointData};
use crate::evaluate::{EmotionMetrics, KeypointMetrics};
use crate::measure::{Exported, Judged, keypoints};
use crate::onnx::quantise::check_origin;

/// Used where no threshold is accurate enough: as good as always uncertain, which the card shows.
const NEVER_SURE: f32 = 0.99;

/// All that was measured for a bundle.
pub(crate) struct Measurements {
    pub(crate) keypoints: Measured<KeypointMetrics>,
    pub(crate) emotion: Measured<EmotionMetrics>,
    /// How scores become a verdict, found with the file that the runtime prefers.
    pub(crate) decision: Decision,
    /// Calibration error of that file on the test part before and after the temperature.
    pub(crate) calibration: [f64; 2],
}

/// What was measured for one network.
pub(crate) struct Measured<M> {
    /// As trained.
    pub(crate) float: NetworkFile<M>,
    /// What was quantised from it.
    pub(crate) int8: Option<NetworkFile<M>>,
    pub(crate) crop: crop::Measured,
}

/// A network in one precision.
pub(crate) struct NetworkFile<M> {
    pub(crate) precision: Precision,
    pub(crate) onnx: Vec<u8>,
    /// On the test part.
    pub(crate) metrics: M,
}

impl<M> Measured<M> {
    fn new(source: &Source<'_>, float: NetworkFile<M>, int8: Option<NetworkFile<M>>) -> Result<Self> {
        let faces = source.prepared.samples.data().faces();
        let rows = source.prepared.split.train.iter().copied();
        let rows: Vec<u32> = rows.filter(|row| (*row as usize) < faces.len()).collect();
        Ok(Self {
            float,
            int8,
            crop: measure(faces, &rows)?,
        })
    }

    /// The files in each precision.
    pub(crate) fn files(&self) -> impl Iterator<Item = &NetworkFile<M>> {
        std::iter::once(&self.float).chain(&self.int8)
    }

    /// The file that the runtime prefers: integers where there are any.
    pub(crate) fn preferred(&self) -> &NetworkFile<M> {
        self.int8.as_ref().unwrap_or(&self.float)
    }

    /// Adds what each file gives for the golden pictures.
    pub(super) fn record(&self, golden: &mut Golden, source: &Source<'_>, output: Output) -> Result<()> {
        for file in self.files() {
            let setup = Setup {
                output,
                normalisation: source.trained.config.normalisation,
                views: source.views,
            };
            golden.record(&mut FaceNetwork::load(file.onnx.clone(), setup)?, file.precision)?;
        }
        Ok(())
    }
}

impl Source<'_> {
    /// The network in each precision, checked to be the same one.
    fn onnx(&self) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
        let Trained { onnx, int8, .. } = self.trained;
        if let Some(int8) = int8 {
            check_origin(int8, onnx).context("bundle: use a quantised network")?;
        }
        Ok((onnx.clone(), int8.clone()))
    }

    fn exported<'a>(&self, onnx: &'a [u8]) -> Exported<'a> {
        Exported {
            onnx,
            normalisation: self.trained.config.normalisation,
            views: self.views,
        }
    }
}

/// Measures a keypoint network in each of its precisions.
pub(super) fn measure_keypoints(source: &Source<'_>, data: &KeypointData) -> Result<Measured<KeypointMetrics>> {
    let file = |precision, onnx: Vec<u8>| {
        Ok::<_, anyhow::Error>(NetworkFile {
            metrics: keypoints(source.exported(&onnx), data, &source.prepared.split.test)?,
            precision,
            onnx,
        })
    };
    let (float, int8) = source.onnx()?;
    let int8 = int8.map(|onnx| file(Precision::Int8, onnx)).transpose()?;
    Measured::new(source, file(Precision::F32, float)?, int8)
}

/// Measures an emotion network in each of its precisions, once the scores of the preferred one are calibrated: verdicts
/// must be right in `accepted_accuracy` of the cases on the validation part.
///
/// Gives the calibration error of that one on the test part, before and after, too.
pub(super) fn measure_emotion(
    source: &Source<'_>,
    data: &EmotionData,
    accepted_accuracy: f64,
) -> Result<(Measured<EmotionMetrics>, Decision, [f64; 2])> {
    let (float, int8) = source.onnx()?;
    let judge = |onnx: &[u8], rows: &[u32]| Judged::new(source.exported(onnx), data, rows);
    let decision = decision(
        &judge(int8.as_ref().unwrap_or(&float), &source.prepared.split.validation)?,
        data,
        accepted_accuracy,
    )?;
    // With the calibration error as it would be without the temperature.
    let file = |precision, onnx: Vec<u8>| {
        let judged = judge(&onnx, &source.prepared.split.test)?;
        let metrics = judged.metrics(data, decision.temperature)?;
        let before = judged.metrics(data, 1.0)?.calibration_error;
        let file = NetworkFile {
            precision,
            onnx,
            metrics,
        };
        Ok::<_, anyhow::Error>((file, before))
    };
    let (float, mut before) = file(Precision::F32, float)?;
    let mut quantised = None;
    if let Some(onnx) = int8 {
        let (file, own) = file(Precision::Int8, onnx)?;
        (quantised, before) = (Some(file), own);
    }
    let measured = Measured::new(source, float, quantised)?;
    let after = measured.preferred().metrics.calibration_error;
    Ok((measured, decision, [before, after]))
}

/// Temperature and threshold by the faces of the validation part.
fn decision(validation: &Judged, data: &EmotionData, accepted_accuracy: f64) -> Result<Decision> {
    let loss = |t: f32| {
        validation
            .metrics(data, t)
            .map_or(f64::INFINITY, |metrics| metrics.log_loss)
    };
    let temperature = temperature(loss);
    Ok(Decision {
        temperature,
        abstain_below: threshold(&validation.scores(temperature)?, accepted_accuracy).unwrap_or(NEVER_SURE),
    })
}
