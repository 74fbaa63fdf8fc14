//! Network files with their figures on the faces held out.

use anyhow::{Context, Result, bail};
use inference::{FaceNetwork, Golden, Output, Setup};
use shared_model::image::CropRule;
use shared_model::manifest::{Network, Precision};

use super::{Identity, Source, Trained};
use crate::calibrate::{Calibrated, Calibration, calibrate, calibration};
use crate::crop::measure;
use crate::evaluate::{EmotionMetrics, KeypointMetrics, MeanShape};
use crate::measure::{Exported, Judged, Truth, keypoints};
use crate::onnx::quantise::check_origin;
use crate::panel::{Panel, panels};
use crate::portraits::{PortraitFigures, Portraits};
use crate::train::prepare::Prepared;
use crate::train::samples::Data;

/// Name of the metric that says what the mean shape comes to.
pub(super) const MEAN_SHAPE: &str = "mean_shape.mse_px2";

/// All that was measured for a bundle.
pub(crate) struct Measurements {
    pub(crate) keypoints: Measured<KeypointMetrics>,
    pub(crate) emotion: Measured<EmotionMetrics>,
    pub(crate) told: Told,
}

/// What the emotion network tells with its scores calibrated, all of the file that the runtime prefers.
pub(crate) struct Told {
    /// How scores become a verdict.
    pub(crate) calibrated: Calibrated,
    /// How well the scores fit on the test part.
    pub(crate) calibration: Calibration,
    /// On the kinds of faces of the test part.
    pub(crate) panels: Vec<Panel>,
    /// On portraits, where some were given.
    pub(crate) portraits: Option<PortraitFigures>,
}

/// What was measured for one network.
pub(crate) struct Measured<M> {
    /// As trained.
    pub(crate) float: NetworkFile<M>,
    /// What was quantised from it.
    pub(crate) int8: Option<NetworkFile<M>>,
    /// The square around a face box that is shown to the network.
    pub(crate) crop: CropRule,
}

/// A network in one precision.
pub(crate) struct NetworkFile<M> {
    pub(crate) precision: Precision,
    pub(crate) onnx: Vec<u8>,
    /// On the test part.
    pub(crate) metrics: M,
}

impl<M> Measured<M> {
    fn new(prepared: &Prepared, float: NetworkFile<M>, int8: Option<NetworkFile<M>>) -> Result<Self> {
        let faces = prepared.samples.data().faces();
        let rows = prepared.split.train.iter().copied();
        let rows: Vec<u32> = rows.filter(|row| (*row as usize) < faces.len()).collect();
        Ok(Self {
            float,
            int8,
            crop: measure(faces, &rows)?.rule,
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
pub(super) fn measure_keypoints(source: &Source<'_>, prepared: &Prepared) -> Result<Measured<KeypointMetrics>> {
    let (Data::Keypoints(data), split) = (prepared.samples.data(), &prepared.split) else {
        bail!("bundle: the data sets do not belong to the networks")
    };
    let file = |precision, onnx: Vec<u8>| {
        Ok::<_, anyhow::Error>(NetworkFile {
            metrics: keypoints(source.exported(&onnx), data, &split.test, &split.train)?,
            precision,
            onnx,
        })
    };
    let (float, int8) = source.onnx()?;
    let int8 = int8.map(|onnx| file(Precision::Int8, onnx)).transpose()?;
    Measured::new(prepared, file(Precision::F32, float)?, int8)
}

/// What the bundle that a keypoint network comes from says of it: totals, without the single points.
pub(super) fn kept_keypoints(source: &Source<'_>, entry: &Network) -> Result<Measured<KeypointMetrics>> {
    let file = |precision, onnx: Vec<u8>| {
        let own = entry
            .file(precision)
            .context("bundle: the old bundle has no such file")?;
        let value = |name: &str| {
            own.metrics
                .iter()
                .find(|own| own.name.as_str() == name)
                .map(|own| own.value)
        };
        let known = |name: &str| value(name).with_context(|| format!("bundle: the old bundle does not tell {name}"));
        let metrics = KeypointMetrics {
            faces: known("faces")? as u64,
            mse_px2: known("mse_px2")?,
            rmse_px: known("rmse_px")?,
            mean_error_px: known("mean_error_px")?,
            normalised_error: value("normalised_error"),
            mean_shape: value(MEAN_SHAPE).map(|mse_px2| MeanShape {
                mse_px2,
                rmse_px: mse_px2.sqrt(),
            }),
            ..KeypointMetrics::default()
        };
        Ok::<_, anyhow::Error>(NetworkFile {
            precision,
            onnx,
            metrics,
        })
    };
    let (float, int8) = source.onnx()?;
    Ok(Measured {
        float: file(Precision::F32, float)?,
        int8: int8.map(|onnx| file(Precision::Int8, onnx)).transpose()?,
        crop: entry.crop,
    })
}

/// Measures an emotion network in each of its precisions, once the scores of the preferred one are calibrated: verdicts
/// must be right in `accepted_accuracy` of the cases on the validation part.
pub(super) fn measure_emotion(
    source: &Source<'_>,
    prepared: &Prepared,
    identity: &Identity,
) -> Result<(Measured<EmotionMetrics>, Told)> {
    let (Data::Emotion(data), split) = (prepared.samples.data(), &prepared.split) else {
        bail!("bundle: the data sets do not belong to the networks")
    };
    let (float, int8) = source.onnx()?;
    let config = &source.trained.config;
    let truth = Truth::of(config.loss);
    let judge = |onnx: &[u8], rows: &[u32]| Judged::by(truth, source.exported(onnx), data, rows);
    let validation = judge(int8.as_ref().unwrap_or(&float), &split.validation)?;
    let calibrated = calibrate(&validation.evidence(), identity.accepted_accuracy)?;
    let decision = calibrated.decision;
    let file = |precision, onnx: Vec<u8>| {
        let judged = judge(&onnx, &split.test)?;
        let file = NetworkFile {
            precision,
            onnx,
            metrics: judged.metrics(data, decision.temperature)?,
        };
        Ok::<_, anyhow::Error>((file, judged))
    };
    let (float, mut preferred) = file(Precision::F32, float)?;
    let mut quantised = None;
    if let Some(onnx) = int8 {
        let (file, own) = file(Precision::Int8, onnx)?;
        (quantised, preferred) = (Some(file), own);
    }
    let measured = Measured::new(prepared, float, quantised)?;
    let names: Vec<String> = config.sets.iter().map(|set| set.name.clone()).collect();
    let portraits = identity.portraits.as_ref().map(|portraits| {
        let network = source.exported(&measured.preferred().onnx);
        let seen = Portraits::classify(network, &data.classes, &measured.crop, &portraits.dir)?;
        seen.figures(decision, &portraits.people)
    });
    let told = Told {
        calibration: calibration(&preferred.evidence(), decision.temperature)?,
        panels: panels(preferred.logits(), data, &split.test, &names, decision)?,
        portraits: portraits.transpose()?,
        calibrated,
    };
    Ok((measured, told))
}
