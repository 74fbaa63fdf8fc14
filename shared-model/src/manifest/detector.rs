//! What a manifest says of the network that finds faces.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use super::check::{ManifestError, check_one_a_precision, require};
use super::{MAX_FILES, ModelFile, Precision, Sha256};
use crate::Text;

/// Most output maps of a detector.
pub const MAX_OUTPUTS: usize = 6;
/// Most grids of cells of one output map.
pub const MAX_GRIDS: usize = 3;
/// Most sizes that figures are given for.
pub const MAX_SIZES: usize = 6;
/// Numbers of one cell: score (logit); `dx`, `dy`; logarithms of width and height; `x`, `y` of five points.
///
/// With `s` the side of the cell in pixels of the input and `(x, y)` its centre, the face's probability is
/// `1 / (1 + e^-logit)`, its centre `(x + s dx, y + s dy)`, its width and height `2 s e^log`, and its points (eye, eye,
/// nose, mouth corner, mouth corner, from left to right in an upright picture) `(x + s px, y + s py)`.
pub const CELL_NUMBERS: usize = 15;
/// Points of a face that a detector predicts.
pub const CELL_POINTS: usize = 5;
/// Least and largest side of an input in pixels.
pub const INPUT_SIDES: core::ops::RangeInclusive<u32> = 32..=1024;

/// The network that finds faces.
///
/// Input `input` `[n, 1, height, width]`, a grey picture after [`PixelNormalisation`]; any width and height in
/// [`INPUT_SIDES`]. Outputs: one map `[n, channels, rows, columns]` for each of [`Detector::outputs`], a pixel for each
/// `stride` pixels of the input (rounded up).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// What the network is, as the trainer names it.
    pub architecture: Text<64>,
    /// Number of parameters as trained, running statistics of batch normalisation included.
    pub parameters: u32,
    /// What is done to the grey values before the network sees them.
    pub normalisation: PixelNormalisation,
    /// The output maps, the finest first; at least one.
    pub outputs: Vec<OutputMap, MAX_OUTPUTS>,
    /// Least probability of a face, above 0 and below 1; chosen on pictures held out.
    pub score: f32,
    /// A face that overlaps a better one by more (intersection over union, 0 to 1) is a double of it.
    pub overlap: f32,
    /// Size of the samples that it was trained on.
    pub trained_at: InputSize,
    /// Sizes that it was measured at, the first of which the files' metrics are for; at least one.
    pub measured_at: Vec<InputSize, MAX_SIZES>,
    /// The network in each precision that the bundle holds; at least one, none twice.
    pub files: Vec<ModelFile, MAX_FILES>,
    /// Where the weights come from.
    pub training: DetectorTraining,
}

/// What is done to a grey value of 0 to 255: `(value - mean) / spread`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PixelNormalisation {
    /// Subtracted from the grey value, in grey values.
    pub mean: f32,
    /// What the rest is divided by; above 0.
    pub spread: f32,
}

/// An output map.
///
/// Its channels are those of its grids, one grid after the other. A grid with `split` 1 has one cell of `stride` pixels a
/// pixel of the map; one with `split` `k` divides that into `k` rows of `k` cells, row by row, each of
/// [`CELL_NUMBERS`] channels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputMap {
    /// Name of the output tensor in the file.
    pub name: Text<32>,
    /// Pixels of the input to one pixel of the map: a power of two, 2 to 64.
    pub stride: u32,
    /// The grids, each by its `split`, 1 to 4, which divides `stride`; at least one.
    pub grids: Vec<u32, MAX_GRIDS>,
}

/// Size of an input in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSize {
    /// Width in pixels, in [`INPUT_SIDES`].
    pub width: u32,
    /// Height in pixels, in [`INPUT_SIDES`].
    pub height: u32,
}

/// Where the weights of a detector come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorTraining {
    /// Seed of every random choice of the training.
    pub seed: u64,
    /// Steps of the training that are done.
    pub steps: u64,
    /// Samples composed and learned from.
    pub samples: u64,
    /// Pictures that samples were composed of.
    pub pictures: u32,
    /// SHA-256 over all pictures and annotations, in hexadecimal.
    pub data: Sha256,
    /// SHA-256 over the pictures held out, in hexadecimal: tells whether two figures are comparable.
    pub held_out: Sha256,
}

impl OutputMap {
    /// Channels of the map: [`CELL_NUMBERS`] for each cell of each grid.
    pub fn channels(&self) -> usize {
        self.grids
            .iter()
            .map(|split| CELL_NUMBERS * (*split as usize).pow(2))
            .sum()
    }

    fn check(&self) -> Result<(), ManifestError> {
        require(!self.name.is_empty(), "detector.outputs.name", "a name")?;
        let stride = self.stride.is_power_of_two() && (2..=64).contains(&self.stride);
        require(stride, "detector.outputs.stride", "a power of two in 2..=64")?;
        let grid = |split: &u32| (1..=4).contains(split) && self.stride.is_multiple_of(*split);
        require(
            !self.grids.is_empty() && self.grids.iter().all(grid),
            "detector.outputs.grids",
            "one or more of 1..=4 that divide the stride",
        )
    }
}

impl InputSize {
    fn check(self) -> Result<(), ManifestError> {
        let fits = INPUT_SIDES.contains(&self.width) && INPUT_SIDES.contains(&self.height);
        require(
            fits,
            "detector.measured_at and trained_at",
            "32 to 1024 pixels wide and high",
        )
    }
}

impl Detector {
    /// The file in this precision, if the bundle holds one.
    pub fn file(&self, precision: Precision) -> Option<&ModelFile> {
        self.files.iter().find(|file| file.precision == precision)
    }

    pub(super) fn check(&self) -> Result<(), ManifestError> {
        let PixelNormalisation { mean, spread } = self.normalisation;
        require(
            mean.is_finite() && spread.is_finite() && spread > 0.0,
            "detector.normalisation",
            "a finite mean and a spread above 0",
        )?;
        require(!self.outputs.is_empty(), "detector.outputs", "at least one map")?;
        for (at, output) in self.outputs.iter().enumerate() {
            output.check()?;
            let again = self.outputs[..at].iter().any(|other| other.name == output.name);
            require(!again, "detector.outputs.name", "another one for each map")?;
        }
        require(
            self.score > 0.0 && self.score < 1.0,
            "detector.score",
            "above 0 and below 1",
        )?;
        require((0.0..=1.0).contains(&self.overlap), "detector.overlap", "in 0..=1")?;
        require(
            !self.measured_at.is_empty(),
            "detector.measured_at",
            "at least one size",
        )?;
        self.trained_at.check()?;
        self.measured_at.iter().try_for_each(|size| size.check())?;
        check_one_a_precision(&self.files)
    }
}

#[cfg(test)]
pub(super) mod tests {
    extern crate std;

    use super::*;

    /// One with a file of this name.
    pub(crate) fn detector(file: ModelFile) -> Detector {
        let map = |name, stride, grids: &[u32]| OutputMap {
            name: Text::try_from(name).unwrap(),
            stride,
            grids: Vec::from_slice(grids).unwrap(),
        };
        let size = InputSize {
            width: 160,
            height: 120,
        };
        Detector {
            architecture: Text::try_from("plain").unwrap(),
            parameters: 7,
            normalisation: PixelNormalisation {
                mean: 128.0,
                spread: 128.0,
            },
            outputs: [map("faces0", 8, &[1, 2]), map("faces1", 16, &[1])]
                .into_iter()
                .collect(),
            score: 0.5,
            overlap: 0.4,
            trained_at: size,
            measured_at: [size].into_iter().collect(),
            files: [file].into_iter().collect(),
            training: DetectorTraining {
                seed: 1,
                steps: 2,
                samples: 128,
                pictures: 3,
                data: Sha256::from_bytes(&[1; 32]),
                held_out: Sha256::from_bytes(&[2; 32]),
            },
        }
    }

    fn file() -> ModelFile {
        ModelFile {
            path: Text::try_from("detector.onnx").unwrap(),
            precision: Precision::F32,
            bytes: 10,
            sha256: Sha256::from_bytes(&[3; 32]),
            metrics: Vec::new(),
        }
    }

    #[test]
    fn counts_the_channels_of_all_grids() {
        let channels: std::vec::Vec<usize> = detector(file()).outputs.iter().map(OutputMap::channels).collect();
        assert_eq!(channels, [75, 15]);
    }

    #[test]
    fn survives_json_unchanged() {
        let json = serde_json::to_string(&detector(file())).unwrap();
        let back: Detector = serde_json::from_str(&json).unwrap();
        assert_eq!(back, detector(file()));
        assert_eq!(back.check(), Ok(()));
        assert!(serde_json::from_str::<Detector>(&json.replace("\"overlap\"", "\"iou\"")).is_err());
    }

    #[test]
    fn refuses_each_rule_broken() {
        type Break = fn(&mut Detector);
        let cases: [(&str, Break); 16] = [
            ("normalisation", |d| d.normalisation.spread = 0.0),
            ("normalisation", |d| d.normalisation.mean = f32::NAN),
            ("outputs", |d| d.outputs.clear()),
            ("outputs.name", |d| d.outputs[0].name.clear()),
            ("outputs.name", |d| d.outputs[1].name = d.outputs[0].name.clone()),
            ("outputs.stride", |d| d.outputs[0].stride = 12),
            ("outputs.stride", |d| d.outputs[0].stride = 128),
            ("outputs.grids", |d| d.outputs[0].grids.clear()),
            ("outputs.grids", |d| d.outputs[0].grids[0] = 3),
            ("outputs.grids", |d| d.outputs[0].grids[0] = 0),
            ("score", |d| d.score = 1.0),
            ("score", |d| d.score = f32::NAN),
            ("overlap", |d| d.overlap = -0.1),
            ("measured_at", |d| d.measured_at.clear()),
            ("trained_at", |d| d.trained_at.width = 31),
            ("files", |d| d.files.push(file()).unwrap()),
        ];
        for (expected, broken) in cases {
            let mut detector = detector(file());
            broken(&mut detector);
            let error = std::format!("{}", detector.check().unwrap_err());
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
    }
}
