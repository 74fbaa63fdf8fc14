//! Golden vectors: a few pictures with the outputs that each network file gave when the bundle was made.
//!
//! At load the networks run on the pictures again. A hash tells that a file has the bytes that were shipped; the
//! golden vectors tell that this program, on this processor, computes from them what the trainer measured.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use shared_model::emotion::ClassSet;
use shared_model::image::{GrayView, INPUT_LEN, SIDE};
use shared_model::manifest::{Decision, FileRef, Precision, Sha256};

use super::{Arithmetic, DETECTOR_NAME, DetectorNetwork, FaceNetwork, PredictError};
use crate::bundle::Bundle;

/// Most bytes that a file of golden vectors may have.
const MAX_BYTES: u64 = 1 << 20;
/// Most pictures: each costs a run of each network at load.
const MAX_PICTURES: usize = 16;

/// The file, JSON: `{"pictures": [{"name", "pixels"}], "outputs": [{"network", "precision", "values"}]}`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What the networks are shown; at least one.
    pub pictures: Vec<GoldenPicture>,
    /// What each network file gives; at most one for each network and precision.
    pub outputs: Vec<GoldenOutputs>,
    /// What the scores mean; bundles that were made before it was kept lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meaning: Option<Meaning>,
    /// The [seal](crate::bundle::seal) of the manifest: its hash holds this file, and this file its hash. Bundles that were
    /// made before it was kept lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Sha256>,
}

/// What the emotion's scores mean, as it was when the outputs were recorded. The networks cannot tell: with two names of
/// classes exchanged, or another limit, they give the same outputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The classes, in the order of the outputs.
    pub classes: ClassSet,
    /// How scores become a verdict.
    pub decision: Decision,
}

impl Meaning {
    fn check(&self, bundle: &Bundle) -> Result<(), PredictError> {
        let manifest = bundle.manifest();
        let names = |classes: &ClassSet| classes.iter().collect::<Vec<_>>().join(", ");
        let other =
            |what: &'static str, golden: String, manifest: String| PredictError::Meaning { what, golden, manifest };
        let (decision, own) = (&self.decision, &manifest.decision);
        if self.classes != manifest.classes {
            return Err(other("classes", names(&self.classes), names(&manifest.classes)));
        }
        if decision.temperature != own.temperature {
            return Err(other(
                "temperature",
                decision.temperature.to_string(),
                own.temperature.to_string(),
            ));
        }
        if decision.abstain_below != own.abstain_below {
            return Err(other(
                "abstain_below",
                decision.abstain_below.to_string(),
                own.abstain_below.to_string(),
            ));
        }
        Ok(())
    }
}

/// Which golden pictures are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of them: whenever somebody wants to know whether a bundle is good.
    All,
    /// The first one alone, for a start: it tells that this processor computes what others compute.
    First,
}

/// A picture that is the crop of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenPicture {
    /// Name of the picture in messages.
    pub name: String,
    /// Grey values of [`SIDE`] x [`SIDE`] pixels row by row, two hexadecimal digits each.
    pub pixels: String,
}

/// The outputs of one network file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenOutputs {
    /// Name of the output tensor.
    pub network: String,
    /// Precision of the network file.
    pub precision: Precision,
    /// For each picture the outputs as [`FaceNetwork::infer`] gives them; of a detector some of them.
    pub values: Vec<Vec<f32>>,
}

impl GoldenPicture {
    /// A picture of [`INPUT_LEN`] pixels.
    pub fn new(name: &str, pixels: &[u8]) -> Self {
        let mut text = String::with_capacity(2 * pixels.len());
        for pixel in pixels {
            // Writing to a string cannot fail.
            let _ = write!(text, "{pixel:02x}");
        }
        Self {
            name: name.to_owned(),
            pixels: text,
        }
    }

    /// Whether it has as many grey values as it must have.
    fn is_complete(&self) -> bool {
        self.pixels.len() == 2 * INPUT_LEN && self.pixels.bytes().all(|digit| digit.is_ascii_hexdigit())
    }

    /// The grey values; `None` if they are not [`INPUT_LEN`] pairs of hexadecimal digits.
    fn decode(&self) -> Option<Vec<u8>> {
        let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or(0);
        let pixel = |pair: &[u8; 2]| (digit(pair[0]) * 16 + digit(pair[1])) as u8;
        let (pairs, _) = self.pixels.as_bytes().as_chunks::<2>();
        self.is_complete().then(|| pairs.iter().map(pixel).collect())
    }
}

impl Golden {
    /// Reads the golden vectors of a bundle.
    ///
    /// # Errors
    /// [`PredictError::GoldenFile`] where they are too large or damaged, [`PredictError::Bundle`] where the file is not as
    /// the manifest says.
    pub fn of(bundle: &Bundle) -> Result<Self, PredictError> {
        let file = FileRef::from(&bundle.manifest().golden);
        let refused = |reason: String| PredictError::GoldenFile {
            path: bundle.dir().join(file.path.as_str()),
            reason,
        };
        if file.bytes > MAX_BYTES {
            return Err(refused(format!(
                "{} bytes are more than the limit of {MAX_BYTES}",
                file.bytes
            )));
        }
        let golden: Self =
            serde_json::from_slice(&bundle.read(file)?).map_err(|error| refused(format!("parse: {error}")))?;
        if golden.pictures.is_empty() || golden.pictures.len() > MAX_PICTURES {
            return Err(refused(format!("1 to {MAX_PICTURES} pictures are needed")));
        }
        match golden.pictures.iter().find(|picture| !picture.is_complete()) {
            Some(picture) => Err(refused(format!(
                "picture `{}` must be {INPUT_LEN} pairs of hexadecimal digits",
                picture.name
            ))),
            None => Ok(golden),
        }
    }

    /// Refuses a manifest that says anything else than when the outputs were recorded.
    ///
    /// # Errors
    /// [`PredictError::Meaning`], which names what differs.
    pub fn check_manifest(&self, bundle: &Bundle) -> Result<(), PredictError> {
        if let Some(meaning) = &self.meaning {
            meaning.check(bundle)?;
        }
        match &self.seal {
            Some(seal) if seal != bundle.seal() => Err(PredictError::Meaning {
                what: "the digest",
                golden: seal.as_str().to_owned(),
                manifest: bundle.seal().as_str().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Adds what a network gives for the pictures now.
    ///
    /// # Errors
    /// Those of [`FaceNetwork::infer`].
    pub fn record(&mut self, network: &mut FaceNetwork, precision: Precision) -> Result<(), PredictError> {
        let values = self.pictures.iter().map(|picture| outputs_for(network, picture));
        let values = values.collect::<Result<_, _>>()?;
        self.outputs.push(GoldenOutputs {
            network: network.setup().output.name().to_owned(),
            precision,
            values,
        });
        Ok(())
    }

    /// Adds what a detector gives for the pictures now, in the precision that it was loaded in.
    ///
    /// # Errors
    /// Those of [`DetectorNetwork::run`].
    pub fn record_detector(&mut self, network: &mut DetectorNetwork) -> Result<(), PredictError> {
        let values = self
            .pictures
            .iter()
            .map(|picture| detector_outputs_for(network, picture));
        let values = values.collect::<Result<_, _>>()?;
        self.outputs.push(GoldenOutputs {
            network: DETECTOR_NAME.to_owned(),
            precision: network.precision(),
            values,
        });
        Ok(())
    }

    /// [`Golden::check`] of a detector.
    ///
    /// # Errors
    /// As of [`Golden::check`].
    pub(crate) fn check_detector(&self, network: &mut DetectorNetwork, extent: Extent) -> Result<(), PredictError> {
        let subject = Subject {
            network: DETECTOR_NAME,
            precision: network.precision(),
            arithmetic: network.model().arithmetic(),
            count: None,
        };
        self.compare(&subject, extent, |picture| detector_outputs_for(network, picture))
    }

    /// Compares what a network gives for the pictures with what it gave when the bundle was made.
    ///
    /// Differences count as a share of the largest value; how much is allowed depends on how the network computes.
    ///
    /// # Errors
    /// [`PredictError::Golden`] where a difference is larger, or there is nothing to compare with.
    pub(crate) fn check(
        &self,
        network: &mut FaceNetwork,
        precision: Precision,
        extent: Extent,
    ) -> Result<(), PredictError> {
        let subject = Subject {
            network: network.setup().output.name(),
            precision,
            arithmetic: network.model().arithmetic(),
            count: Some(network.setup().output.count()),
        };
        self.compare(&subject, extent, |picture| outputs_for(network, picture))
    }

    fn compare(
        &self,
        subject: &Subject,
        extent: Extent,
        mut infer: impl FnMut(&GoldenPicture) -> Result<Vec<f32>, PredictError>,
    ) -> Result<(), PredictError> {
        let Subject {
            network,
            precision,
            arithmetic,
            count,
        } = *subject;
        let refused = |reason: String| PredictError::Golden {
            network,
            precision,
            reason,
        };
        let own = |outputs: &&GoldenOutputs| outputs.network == network && outputs.precision == precision;
        let expected = self.outputs.iter().find(own);
        let expected = expected.ok_or_else(|| refused("the golden vectors do not have it".to_owned()))?;
        let fits = |values: &Vec<f32>| count.is_none_or(|count| values.len() == count) && all_finite(values);
        if expected.values.len() != self.pictures.len() || !expected.values.iter().all(fits) {
            return Err(refused(
                "its golden vectors are no finite outputs for each picture".to_owned(),
            ));
        }
        let all = expected.values.iter().flatten();
        let largest = all.fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
        let allowed = tolerance(arithmetic, precision);
        let compared = match extent {
            Extent::All => self.pictures.len(),
            Extent::First => 1,
        };
        for (picture, expected) in self.pictures.iter().zip(&expected.values).take(compared) {
            let got = infer(picture).map_err(|error| refused(error.to_string()))?;
            if got.len() != expected.len() || !all_finite(&got) {
                return Err(refused(format!(
                    "for the golden picture `{}` it gives {} numbers, or one that is none, instead of {}",
                    picture.name,
                    got.len(),
                    expected.len()
                )));
            }
            let pairs = got.iter().zip(expected);
            let off = pairs.fold(0.0f32, |most, (got, expected)| most.max((got - expected).abs())) / largest;
            if off > allowed {
                return Err(refused(format!(
                    "for the golden picture `{}` its output is off by {:.4} % of the largest value, and {:.4} % is allowed",
                    picture.name,
                    100.0 * off,
                    100.0 * allowed
                )));
            }
        }
        Ok(())
    }
}

/// Largest difference that is no error, as a share of the largest value.
fn tolerance(arithmetic: Arithmetic, precision: Precision) -> f32 {
    match (arithmetic, precision) {
        // Sums of integers are exact in any order; only the last step is in floats.
        (Arithmetic::Integers, _) => 1e-5,
        // The order of sums depends on the processor; that is about 1e-6 after all layers.
        (Arithmetic::Floats, Precision::F32) => 1e-3,
        // Where some layers of a quantised file kept their floats, such a difference can turn a rounding over, and
        // an activation moves by one step of its 255.
        (Arithmetic::Floats, Precision::Int8) => 2e-2,
    }
}

/// A network file whose outputs are compared.
struct Subject {
    network: &'static str,
    precision: Precision,
    arithmetic: Arithmetic,
    /// Values of an output, where that is known beforehand.
    count: Option<usize>,
}

/// Numbers of the maps for a picture, which is the whole input.
fn detector_outputs_for(network: &mut DetectorNetwork, picture: &GoldenPicture) -> Result<Vec<f32>, PredictError> {
    let pixels = picture.decode().unwrap_or_default();
    let view = GrayView::new(&pixels, SIDE, SIDE).map_err(|_| PredictError::Input(pixels.len()))?;
    network.golden_values(view)
}

/// Outputs for a picture that already is the crop.
fn outputs_for(network: &mut FaceNetwork, picture: &GoldenPicture) -> Result<Vec<f32>, PredictError> {
    let pixels = picture.decode().unwrap_or_default();
    let view = GrayView::new(&pixels, SIDE, SIDE).map_err(|_| PredictError::Input(pixels.len()))?;
    Ok(network.infer(view, &view.bounds())?.to_vec())
}

fn all_finite(values: &[f32]) -> bool {
    values.iter().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
