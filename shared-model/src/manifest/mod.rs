//! What a bundle says about itself: `manifest.json`.
//!
//! A bundle is a directory with this manifest and the files it names. The manifest says what goes into
//! each network and what comes out ([`CONTRACT`]), with which classes, and which bytes the files must
//! have. [`Manifest::check`] holds every rule that needs no file; the runtime compares sizes and hashes.

mod check;
mod detector;

use core::fmt;

pub use check::ManifestError;
pub use detector::{
    CELL_NUMBERS, CELL_POINTS, Detector, DetectorTraining, INPUT_SIDES, InputSize, MAX_GRIDS, MAX_OUTPUTS, MAX_SIZES,
    OutputMap, PixelNormalisation,
};
use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::Text;
use crate::emotion::ClassSet;
use crate::image::{CropRule, Normalisation};

/// Form of `manifest.json` that this code reads and writes.
///
/// Schema 2 added the golden vectors, without which nobody can tell whether a network still computes what it did.
pub const SCHEMA: u32 = 2;

/// What goes into the networks and comes out of them.
///
/// Contract 1: input `input` `[n, 1, 96, 96]`, a grey crop in 0..=1 after the network's
/// [`Normalisation`]; output `keypoints` `[n, 30]`, `x` and `y` in turn in pixels of the crop
/// (0..=96, origin at its top left corner), and `emotion` `[n, classes]`, logits.
pub const CONTRACT: u32 = 1;

/// As [`CONTRACT`], and a [`Detector`] beside the two networks.
///
/// Only bundles with a detector say so: those without one go on working with programs that do not know it.
pub const DETECTOR_CONTRACT: u32 = 2;

/// Whether this program can use a bundle that follows `contract`.
pub fn is_known_contract(contract: u32) -> bool {
    (CONTRACT..=DETECTOR_CONTRACT).contains(&contract)
}

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

/// The content of a bundle's `manifest.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of the manifest; must be [`SCHEMA`].
    pub schema: u32,
    /// Contract of the networks; must be [`DETECTOR_CONTRACT`] where there is a [`Manifest::detector`], else [`CONTRACT`].
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
    /// A few inputs with the outputs that each network file must give.
    pub golden: GoldenFile,
    /// Both networks in one file, for callers whose pictures already are the crop of both; only where
    /// both normalise alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combined: Option<ModelFile>,
    /// The network that finds faces; a runtime without one has another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<Detector>,
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
    /// Whether the network also sees the mirror image of the crop, its outputs are mirrored back (keypoints change
    /// places by [`crate::keypoints::MIRROR`]), and the mean of both counts.
    #[serde(default)]
    pub mirrored: bool,
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
    /// Number of epochs that it was trained.
    pub epochs: u32,
    /// Number of faces that it was trained on.
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

/// The file with the golden vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenFile {
    /// Plain file name inside the bundle, as in [`ModelFile::path`].
    pub path: Text<64>,
    /// Size in bytes, above 0.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: Sha256,
}

/// What every file of a bundle has, whatever it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileRef<'a> {
    /// Plain file name inside the bundle.
    pub path: &'a Text<64>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file's content.
    pub sha256: &'a Sha256,
}

impl<'a> From<&'a ModelFile> for FileRef<'a> {
    fn from(file: &'a ModelFile) -> Self {
        Self {
            path: &file.path,
            bytes: file.bytes,
            sha256: &file.sha256,
        }
    }
}

impl<'a> From<&'a GoldenFile> for FileRef<'a> {
    fn from(file: &'a GoldenFile) -> Self {
        Self {
            path: &file.path,
            bytes: file.bytes,
            sha256: &file.sha256,
        }
    }
}

/// The numbers that a network computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Floating point of 32 bits.
    F32,
    /// 8-bit integers: `u8` activations, `s8` weights.
    Int8,
}

impl Precision {
    /// As it stands in the manifest: `f32` or `int8`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One figure that was measured in the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Name as in `host-trainer evaluate`.
    pub name: Text<32>,
    /// Value of the figure; always finite.
    pub value: f64,
}

/// A SHA-256 in lower case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Text<64>", into = "Text<64>")]
pub struct Sha256(Text<64>);

impl Sha256 {
    /// Writes the 32 bytes of a digest in hexadecimal.
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

impl Manifest {
    /// Every network file that the bundle holds.
    pub fn networks(&self) -> impl Iterator<Item = &ModelFile> {
        self.keypoints
            .files
            .iter()
            .chain(&self.emotion.files)
            .chain(&self.combined)
            .chain(self.detector.iter().flat_map(|detector| &detector.files))
    }

    /// Every file that the bundle holds beside the manifest.
    pub fn files(&self) -> impl Iterator<Item = FileRef<'_>> {
        self.networks()
            .map(FileRef::from)
            .chain(core::iter::once(FileRef::from(&self.golden)))
    }
}

impl Network {
    /// The file in this precision, if the bundle holds one.
    pub fn file(&self, precision: Precision) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.precision == precision)
    }
}
