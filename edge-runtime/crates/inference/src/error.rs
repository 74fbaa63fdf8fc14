//! Why a network cannot be loaded or run.

use std::path::PathBuf;

use shared_model::image::{INPUT_LEN, Rect};
use shared_model::manifest::Precision;

use crate::bundle::BundleError;
use crate::{StructureError, Unsupported};

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// The file is no ONNX protobuf.
    #[error("read network: not an ONNX file: {0}")]
    NotOnnx(String),
    /// The file is ONNX, but has not the structure of a network of contract 1.
    #[error("check network: {0}")]
    Structure(StructureError),
    /// The file is quantised, but not in the form that the integer kernels compute.
    #[error("build network: {0}")]
    Unsupported(Unsupported),
    /// The kernels do not compute the network, and this program was built without tract.
    #[error(
        "build network: {0}; this program computes the trainer's networks alone: export the network with `host-trainer`, \
         or build this program with the feature `tract`"
    )]
    NeedsTract(Unsupported),
    /// tract cannot build the network; its chain of causes.
    #[error("build network: {0}")]
    Load(String),
    /// tract panicked; the message of the panic.
    #[error("build network: the file is damaged or uses what tract does not support: {0}")]
    Panic(String),
    /// An output has another shape or type than asked for.
    #[error("check network: output `{name}` must be [1, {length}] of 32-bit floats, not {found}")]
    Output {
        /// Name of the output tensor.
        name: String,
        /// The length that was asked for.
        length: usize,
        /// Shape and type that the network gives.
        found: String,
    },
    /// An input has not [`INPUT_LEN`] values; the number that it has.
    #[error("run network: an input of {0} values instead of {INPUT_LEN}")]
    Input(usize),
    /// A picture of another size than the network was built for; its number of values.
    #[error("run network: an input of {found} values instead of {expected}")]
    InputSize {
        /// The number that it has.
        found: usize,
        /// The number that is needed.
        expected: usize,
    },
    /// A kernel refuses its operands.
    #[error("run network: {0}")]
    Kernel(Unsupported),
    /// tract cannot run the network, or a thread cannot be started; the chain of causes.
    #[error("run network: {0}")]
    Run(String),
    /// An input or output, by its name, holds a value that is infinite or not a number.
    #[error("run network: output `{0}` is not finite")]
    NotFinite(String),
    /// The bundle has no file of the precision that was asked for.
    #[error("load network `{network}`: the bundle has no {precision} file of it; choose the precision `auto`")]
    Precision {
        /// Name of the network's output tensor.
        network: &'static str,
        /// The precision that was asked for.
        precision: Precision,
    },
    /// The golden vectors of a bundle cannot be used.
    #[error("check {path}: {reason}; make the bundle again")]
    GoldenFile {
        /// Path of the golden vectors.
        path: PathBuf,
        /// The rule that they break.
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
        /// Name of the network's output tensor.
        network: &'static str,
        /// Precision of the network file.
        precision: Precision,
        /// The difference, and how much is allowed.
        reason: String,
    },
    /// A crop whose width or height is not above 0, or that is not finite.
    #[error("crop face: {0:?} is no rectangle")]
    Crop(Rect),
    /// A file of the bundle cannot be read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
}

// Not `#[from]`: the message already holds the cause, and a source would be printed a second time.
impl From<StructureError> for PredictError {
    fn from(error: StructureError) -> Self {
        Self::Structure(error)
    }
}

impl From<Unsupported> for PredictError {
    fn from(error: Unsupported) -> Self {
        Self::Unsupported(error)
    }
}
