//! What is wrong with a network.

use std::path::PathBuf;

use shared_model::image::{INPUT_LEN, Rect};
use shared_model::manifest::Precision;

use crate::bundle::BundleError;

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The file is no ONNX protobuf.
    #[error("read network: not an ONNX file: {0}")]
    NotOnnx(String),
    /// The file is ONNX, but not a network of contract 1.
    #[error("check network: {0}")]
    Structure(String),
    /// tract cannot build the network.
    #[error("build network: {0}")]
    Load(String),
    /// tract gave up altogether.
    #[error("build network: the file is damaged or uses what tract does not support: {0}")]
    Panic(String),
    /// An output has another shape or type than asked for.
    #[error("check network: output `{name}` must be [1, {length}] of 32-bit floats, not {found}")]
    Output {
        /// Which one.
        name: String,
        /// Expected length.
        length: usize,
        /// What the network gives.
        found: String,
    },
    /// An input has the wrong length.
    #[error("run network: an input of {0} values instead of {INPUT_LEN}")]
    Input(usize),
    /// tract cannot run the network.
    #[error("run network: {0}")]
    Run(String),
    /// The network gave a value that is no finite number.
    #[error("run network: output `{0}` is not finite")]
    NotFinite(String),
    /// The bundle has no file of the precision that was asked for.
    #[error("load network `{network}`: the bundle has no {precision} file of it; choose the precision `auto`")]
    Precision {
        /// Name of the output.
        network: &'static str,
        /// What was asked for.
        precision: Precision,
    },
    /// The golden vectors of a bundle cannot be used.
    #[error("check {path}: {reason}; make the bundle again")]
    GoldenFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The manifest says of the outputs something else than when they were recorded.
    #[error("check bundle: the manifest has {what} {manifest} instead of {golden}; copy the bundle again")]
    Meaning {
        /// What differs.
        what: &'static str,
        /// What the golden vectors were recorded with.
        golden: String,
        /// What the manifest says.
        manifest: String,
    },
    /// A network does not give its golden outputs.
    #[error(
        "check network `{network}` ({precision}): {reason}; the file is damaged, or this program computes it wrongly: \
         install the bundle again, or choose another precision"
    )]
    Golden {
        /// Name of the output.
        network: &'static str,
        /// Of the file.
        precision: Precision,
        /// What is wrong.
        reason: String,
    },
    /// A crop is empty or not finite.
    #[error("crop face: {0:?} is no rectangle")]
    Crop(Rect),
    /// A file of the bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}
