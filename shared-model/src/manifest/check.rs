//! The rules of a manifest that need no file.

use core::fmt;

use super::{
    CONTRACT, DETECTOR_CONTRACT, Decision, FILE_NAME, Manifest, ModelFile, Network, SCHEMA, is_known_contract,
};
use crate::Text;

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub enum ManifestError {
    /// The manifest has another form than this program reads.
    Schema {
        /// The number that the manifest gives.
        found: u32,
    },
    /// The networks take or give something else than this program understands.
    Contract {
        /// The number that the manifest gives.
        found: u32,
    },
    /// A value is out of its range.
    Value {
        /// Name of the field in the manifest.
        field: &'static str,
        /// The range that it must lie in.
        expected: &'static str,
    },
    /// A file name could leave the bundle, or stands twice.
    Path {
        /// The file name that the manifest gives.
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
                    "bundle follows contract {found}, this program follows contracts {CONTRACT} to {DETECTOR_CONTRACT}: update \
                     one of them"
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
    ///
    /// # Errors
    ///
    /// The first rule that is broken, and by what.
    pub fn check(&self) -> Result<(), ManifestError> {
        if self.schema != SCHEMA {
            return Err(ManifestError::Schema { found: self.schema });
        }
        if !is_known_contract(self.contract) {
            return Err(ManifestError::Contract { found: self.contract });
        }
        require(
            self.detector.is_some() == (self.contract == DETECTOR_CONTRACT),
            "detector",
            "there with contract 2 alone",
        )?;
        require(self.version >= 1, "version", "at least 1")?;
        self.decision.check()?;
        self.keypoints.check()?;
        self.emotion.check()?;
        if let Some(detector) = &self.detector {
            detector.check()?;
        }
        require(
            self.combined.is_none() || self.keypoints.normalisation == self.emotion.normalisation,
            "combined",
            "absent where the two networks normalise differently",
        )?;
        self.check_files()
    }

    fn check_files(&self) -> Result<(), ManifestError> {
        for (at, file) in self.files().enumerate() {
            let again = self
                .files()
                .take(at)
                .any(|other| other.path.eq_ignore_ascii_case(file.path));
            if again || !is_plain(file.path) {
                return Err(ManifestError::Path {
                    path: file.path.clone(),
                });
            }
            require(file.bytes > 0, "bytes", "above 0")?;
        }
        let mut metrics = self.networks().flat_map(|file| &file.metrics);
        require(
            metrics.all(|metric| metric.value.is_finite()),
            "metrics",
            "finite numbers",
        )
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
    fn check(&self) -> Result<(), ManifestError> {
        require(
            self.normalisation.is_valid(),
            "normalisation.epsilon",
            "a number above 0",
        )?;
        require(self.crop.is_valid(), "crop", "a scale in 0.1..=10 and shifts in -1..=1")?;
        check_one_a_precision(&self.files)
    }
}

/// The files of one network.
pub(super) fn check_one_a_precision(files: &[ModelFile]) -> Result<(), ManifestError> {
    require(!files.is_empty(), "files", "at least one file")?;
    let twice = files.len() == 2 && files[0].precision == files[1].precision;
    require(!twice, "files", "one file a precision")
}

pub(super) fn require(holds: bool, field: &'static str, expected: &'static str) -> Result<(), ManifestError> {
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

    use heapless::Vec;

    use super::*;
    use crate::emotion::ClassSet;
    use crate::image::{CropRule, Normalisation};
    use crate::manifest::detector::tests::detector;
    use crate::manifest::{GoldenFile, Metric, ModelFile, Precision, Sha256, Split, Training};

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
            mirrored: false,
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
            golden: GoldenFile {
                path: Text::try_from("golden.json").unwrap(),
                bytes: 10,
                sha256: Sha256::from_bytes(&[7; 32]),
            },
            combined: Some(file("combined.onnx", Precision::F32)),
            detector: None,
        }
    }

    fn with_detector() -> Manifest {
        Manifest {
            contract: DETECTOR_CONTRACT,
            detector: Some(detector(file("detector.onnx", Precision::F32))),
            ..manifest()
        }
    }

    #[test]
    fn a_detector_and_its_contract_come_together() {
        let json = serde_json::to_string(&with_detector()).unwrap();
        let back: Manifest = serde_json::from_str(&json).unwrap();
        assert_eq!(back, with_detector());
        assert_eq!(back.check(), Ok(()));
        assert!(back.files().any(|file| file.path == "detector.onnx"));
        assert!(!serde_json::to_string(&manifest()).unwrap().contains("detector"));
        let older = Manifest {
            contract: CONTRACT,
            ..with_detector()
        };
        let newer = Manifest {
            contract: DETECTOR_CONTRACT,
            ..manifest()
        };
        for wrong in [&older, &newer] {
            let error = std::format!("{}", wrong.check().unwrap_err());
            assert!(error.contains("detector"), "{error}");
        }
        let mut damaged = with_detector();
        damaged.detector.as_mut().unwrap().score = 2.0;
        assert!(damaged.check().is_err());
    }

    #[test]
    fn survives_json_unchanged() {
        let json = serde_json::to_string(&manifest()).unwrap();
        let back: Manifest = serde_json::from_str(&json).unwrap();
        assert_eq!(back, manifest());
        assert_eq!(back.check(), Ok(()));
    }

    #[test]
    fn a_network_sees_no_mirror_image_unless_told() {
        let json = serde_json::to_string(&manifest()).unwrap();
        assert_eq!(json.matches(",\"mirrored\":false").count(), 2);
        let back: Manifest = serde_json::from_str(&json.replace(",\"mirrored\":false", "")).unwrap();
        assert_eq!(back, manifest());
    }

    #[test]
    fn refuses_a_manifest_without_golden_vectors() {
        let json = serde_json::to_string(&manifest()).unwrap();
        let (before, rest) = json.split_once("\"golden\":").unwrap();
        let (_, after) = rest.split_once("},").unwrap();
        let text = std::format!("{before}{after}");
        let error = std::format!("{}", serde_json::from_str::<Manifest>(&text).unwrap_err());
        assert!(error.contains("missing field `golden`"), "{error}");
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
        let cases: [(&str, Break); 16] = [
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
            ("bytes", |m| m.golden.bytes = 0),
            ("stand once", |m| m.golden.path = m.emotion.files[0].path.clone()),
            ("metrics", |m| {
                let metric = Metric {
                    name: Text::new(),
                    value: f64::NAN,
                };
                m.emotion.files[0].metrics.push(metric).unwrap();
            }),
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
