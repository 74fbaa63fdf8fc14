//! What a bundle says about itself: `manifest.json`.
//!
//! A bundle is a directory with this manifest and the files it names. The manifest says what goes into
//! each network and what comes out ([`CONTRACT`]), with which classes, and which bytes the files must
//! have. [`Manifest::check`] holds every rule that needs no file; the runtime compares sizes and hashes.

use core::fmt;

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::Text;
use crate::emotion::ClassSet;
use crate::image::{CropRule, Normalisation};

/// Form of `manifest.json` that this code reads and writes.
pub const SCHEMA: u32 = 1;

/// What goes into the networks and comes out of them.
///
/// Contract 1: input `input` `[n, 1, 96, 96]`, a grey crop in 0..=1 after the network's
/// [`Normalisation`]; output `keypoints` `[n, 30]`, `x` and `y` in turn in pixels of the crop
/// (0..=96, origin at its top left corner), and `emotion` `[n, classes]`, logits.
pub const CONTRACT: u32 = 1;

/// Name of the manifest's file in a bundle.
pub const FILE_NAME: &str = "manifest.json";

/// Name of the input tensor in every network file.
pub const INPUT_NAME: &str = "input";
/// Name of the output tensor with the keypoints.
pub const KEYPOINTS_NAME: &str = "keypoints";
/// Name of the output tensor with the logits of the classes.
pub const EMOTION_NAME: &str = "emotion";

/// Most files that one network can have, one a precision.
pub const MAX_FILES: usize = 2;
/// Most metrics that can be stored for one file.
pub const MAX_METRICS: usize = 16;

/// `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Must be [`SCHEMA`].
    pub schema: u32,
    /// Must be [`CONTRACT`].
    pub contract: u32,
    /// What people call the bundle.
    pub name: Text<64>,
    /// Grows with every release; an update never goes back. At least 1.
    pub version: u32,
    /// Commit of the trainer that made the bundle, or `unknown`.
    pub commit: Text<64>,
    /// The classes of the emotion network, in the order of its outputs.
    pub classes: ClassSet,
    /// How scores become a verdict.
    pub decision: Decision,
    /// The network that finds the keypoints.
    pub keypoints: Network,
    /// The network that tells the emotion.
    pub emotion: Network,
    /// Both networks in one file, for callers whose pictures already are the crop of both; only where
    /// both normalise alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<ModelFile>,
}

/// How scores become a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Logits are divided by this before the softmax; above 0, 1 where nothing was calibrated.
    pub temperature: f32,
    /// A top score below this is no verdict but `uncertain`; 0 to 1.
    pub abstain_below: f32,
}

/// One of the two networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// What the network is, as the trainer names it.
    pub architecture: Text<64>,
    /// Number of parameters as trained, running statistics of batch normalisation included.
    pub parameters: u32,
    /// What is done to the crop before the network sees it.
    pub normalisation: Normalisation,
    /// How the crop lies relative to the detector's box.
    pub crop: CropRule,
    /// The network in each precision that the bundle holds; at least one, none twice.
    pub files: Vec<ModelFile, MAX_FILES>,
    /// Where the weights come from.
    pub training: Training,
}

/// Where the weights of a network come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// Seed of every random choice of the training.
    pub seed: u64,
    /// Epochs trained.
    pub epochs: u32,
    /// Faces trained on.
    pub rows: u32,
    /// SHA-256 over all rows of the data, in hexadecimal.
    pub data: Sha256,
    /// SHA-256 over the rows held out, in hexadecimal: tells whether two figures are comparable.
    pub held_out: Sha256,
    /// How rows were divided, so that the held out rows can be found again.
    pub split: Split,
}

/// How rows were divided; what the words mean is the trainer's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// By what rows were kept together: `group`, `usage` or `variants`.
    pub by: Text<16>,
    /// Share of the rows held out, where `by` leaves it open.
    pub test: f64,
    /// Share of the remaining rows that validated.
    pub validation: f64,
}

/// A file with one network, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Plain file name inside the bundle: ASCII letters, digits, `.`, `-`, `_`; no leading dot.
    pub path: Text<64>,
    /// Numbers that the network computes with.
    pub precision: Precision,
    /// Size in bytes, above 0.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Sha256,
    /// Figures measured on the rows held out, each with the name that `host-trainer evaluate` gives it.
    #[serde(default)]
    pub metrics: Vec<Metric, MAX_METRICS>,
}

/// The numbers that a network computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// 8-bit integers: `u8` activations, `s8` weights.
    Int8,
}

/// One measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name as in `host-trainer evaluate`.
    pub name: Text<32>,
    /// Its value, finite.
    pub value: f64,
}

/// A SHA-256 in lower case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text<64>", into = "Text<64>")]
pub struct Sha256(Text<64>);

impl Sha256 {
    /// From 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = Text::new();
        for byte in bytes {
            for digit in [byte >> 4, byte & 15] {
                // 64 digits fill the text exactly.
                let _ = text.push(char::from(DIGITS[usize::from(digit)]));
            }
        }
        Self(text)
    }

    /// 64 lower case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<Text<64>> for Sha256 {
    type Error = &'static str;

    fn try_from(text: Text<64>) -> Result<Self, Self::Error> {
        let digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if text.len() == 64 && text.chars().all(digit) {
            Ok(Self(text))
        } else {
            Err("a SHA-256 has 64 lower case hexadecimal digits")
        }
    }
}

impl From<Sha256> for Text<64> {
    fn from(hash: Sha256) -> Self {
        hash.0
    }
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestError {
    /// The manifest has another form than this program reads.
    Schema {
        /// What the manifest says.
        found: u32,
    },
    /// The networks take or give something else than this program understands.
    Contract {
        /// What the manifest says.
        found: u32,
    },
    /// A value is out of its range.
    Value {
        /// Which one.
        field: &'static str,
        /// Its range.
        expected: &'static str,
    },
    /// A file name could leave the bundle, or stands twice.
    Path {
        /// The name.
        path: Text<64>,
    },
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { found } => {
                write!(
                    f,
                    "manifest has schema {found}, this program reads schema {SCHEMA}: update one of them"
                )
            }
            Self::Contract { found } => {
                write!(
                    f,
                    "bundle follows contract {found}, this program follows contract {CONTRACT}: update one of them"
                )
            }
            Self::Value { field, expected } => write!(f, "manifest value `{field}` must be {expected}"),
            Self::Path { path } => {
                write!(
                    f,
                    "manifest names the file {path:?}: each name must be plain and stand once"
                )
            }
        }
    }
}

impl core::error::Error for ManifestError {}

impl Manifest {
    /// Checks everything that can be told without the files.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.schema != SCHEMA {
            return Err(ManifestError::Schema { found: self.schema });
        }
        if self.contract != CONTRACT {
            return Err(ManifestError::Contract { found: self.contract });
        }
        require(self.version >= 1, "version", "at least 1")?;
        self.decision.check()?;
        self.keypoints.check()?;
        self.emotion.check()?;
        require(
            self.combined.is_none() || self.keypoints.normalisation == self.emotion.normalisation,
            "combined",
            "absent where the two networks normalise differently",
        )?;
        self.check_files()
    }

    /// Every file that the bundle holds.
    pub fn files(&self) -> impl Iterator<Item = &ModelFile> {
        self.keypoints
            .files
            .iter()
            .chain(&self.emotion.files)
            .chain(&self.combined)
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        for (at, file) in self.files().enumerate() {
            let again = self
                .files()
                .take(at)
                .any(|other| other.path.eq_ignore_ascii_case(&file.path));
            if again || !is_plain(&file.path) {
                return Err(ManifestError::Path {
                    path: file.path.clone(),
                });
            }
            require(file.bytes > 0, "bytes", "above 0")?;
            let finite = file.metrics.iter().all(|metric| metric.value.is_finite());
            require(finite, "metrics", "finite numbers")?;
        }
        Ok(())
    }
}

impl Decision {
    fn check(self) -> Result<(), ManifestError> {
        let warm = self.temperature.is_finite() && self.temperature > 0.0;
        require(warm, "decision.temperature", "a number above 0")?;
        require(
            (0.0..=1.0).contains(&self.abstain_below),
            "decision.abstain_below",
            "in 0..=1",
        )
    }
}

impl Network {
    /// The file in this precision, if the bundle holds one.
    pub fn file(&self, precision: Precision) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.precision == precision)
    }

    fn check(&self) -> Result<(), ManifestError> {
        require(
            self.normalisation.is_valid(),
            "normalisation.epsilon",
            "a number above 0",
        )?;
        require(self.crop.is_valid(), "crop", "a scale in 0.1..=10 and shifts in -1..=1")?;
        require(!self.files.is_empty(), "files", "at least one file")?;
        let twice = self.files.len() == 2 && self.files[0].precision == self.files[1].precision;
        require(!twice, "files", "one file a precision")
    }
}

fn require(holds: bool, field: &'static str, expected: &'static str) -> Result<(), ManifestError> {
    if holds {
        Ok(())
    } else {
        Err(ManifestError::Value { field, expected })
    }
}

fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !path.is_empty() && !path.starts_with('.') && path.chars().all(plain) && !path.eq_ignore_ascii_case(FILE_NAME)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;

    fn file(path: &str, precision: Precision) -> ModelFile {
        ModelFile {
            path: Text::try_from(path).unwrap(),
            precision,
            bytes: 10,
            sha256: Sha256::from_bytes(&[0xa5; 32]),
            metrics: Vec::new(),
        }
    }

    fn network(path: &str) -> Network {
        let mut files = Vec::new();
        files.push(file(path, Precision::F32)).unwrap();
        Network {
            architecture: Text::try_from("resnet").unwrap(),
            parameters: 7,
            normalisation: Normalisation::Unit,
            crop: CropRule::IDENTITY,
            files,
            training: Training {
                seed: 1,
                epochs: 2,
                rows: 3,
                data: Sha256::from_bytes(&[1; 32]),
                held_out: Sha256::from_bytes(&[2; 32]),
                split: Split {
                    by: Text::try_from("group").unwrap(),
                    test: 0.2,
                    validation: 0.05,
                },
            },
        }
    }

    fn manifest() -> Manifest {
        Manifest {
            schema: SCHEMA,
            contract: CONTRACT,
            name: Text::try_from("test").unwrap(),
            version: 1,
            commit: Text::try_from("unknown").unwrap(),
            classes: ClassSet::product(),
            decision: Decision {
                temperature: 1.0,
                abstain_below: 0.4,
            },
            keypoints: network("keypoints.onnx"),
            emotion: network("emotion.onnx"),
            combined: Some(file("combined.onnx", Precision::F32)),
        }
    }

    #[test]
    fn survives_json_unchanged() {
        let json = serde_json::to_string(&manifest()).unwrap();
        let back: Manifest = serde_json::from_str(&json).unwrap();
        assert_eq!(back, manifest());
        assert_eq!(back.check(), Ok(()));
    }

    #[test]
    fn refuses_unknown_fields_and_malformed_hashes() {
        let json = serde_json::to_string(&manifest()).unwrap();
        assert!(serde_json::from_str::<Manifest>(&json.replacen("\"name\"", "\"nmae\"", 1)).is_err());
        let hash = String::from(Sha256::from_bytes(&[0xa5; 32]).as_str());
        assert_eq!(&hash[..4], "a5a5");
        for wrong in [hash.to_uppercase(), String::from("a5"), hash.replace('a', "g")] {
            assert!(
                serde_json::from_str::<Manifest>(&json.replace(&hash, &wrong)).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn refuses_each_rule_broken() {
        type Break = fn(&mut Manifest);
        let cases: [(&str, Break); 13] = [
            ("schema", |m| m.schema = 9),
            ("contract", |m| m.contract = 9),
            ("version", |m| m.version = 0),
            ("temperature", |m| m.decision.temperature = 0.0),
            ("temperature", |m| m.decision.temperature = f32::NAN),
            ("abstain", |m| m.decision.abstain_below = 1.1),
            ("normalisation", |m| {
                m.emotion.normalisation = Normalisation::Standardise { epsilon: 0.0 }
            }),
            ("combined", |m| {
                m.emotion.normalisation = Normalisation::Standardise { epsilon: 0.1 }
            }),
            ("crop", |m| m.keypoints.crop.scale = 0.0),
            ("files", |m| m.emotion.files.clear()),
            ("files", |m| {
                m.emotion.files.push(file("b.onnx", Precision::F32)).unwrap();
            }),
            ("bytes", |m| m.emotion.files[0].bytes = 0),
            ("stand once", |m| {
                m.emotion.files[0].path = m.keypoints.files[0].path.clone();
            }),
        ];
        for (expected, broken) in cases {
            let mut manifest = manifest();
            broken(&mut manifest);
            let error = std::format!("{}", manifest.check().unwrap_err());
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
    }

    #[test]
    fn refuses_names_that_leave_the_bundle() {
        for path in [
            "../x.onnx",
            "/x.onnx",
            "a/b.onnx",
            "a\\b",
            "",
            ".hidden",
            "..",
            "a b",
            "Manifest.json",
            "ä.onnx",
        ] {
            let mut manifest = manifest();
            manifest.emotion.files[0].path = Text::try_from(path).unwrap();
            assert!(matches!(manifest.check(), Err(ManifestError::Path { .. })), "{path}");
        }
    }
}
