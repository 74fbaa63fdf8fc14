//! From a face in a picture to scores and keypoints.
//!
//! Everything of tract stays in this crate, behind the feature `tract`. [`Model`] is one network, [`FaceNetwork`] a network with what is
//! done to a crop before and to the outputs after it, [`Predictor`] holds the two of a [bundle] and knows which crop each
//! of them sees; a bundle may have a [`DetectorNetwork`] as well, which sees whole pictures. A bundle whose networks do not give their [`Golden`] outputs is not used. Where the face is comes from
//! outside; cameras, clocks and sockets are none of this crate's business.
#![forbid(unsafe_code)]

pub mod bundle;
mod detector_network;
mod error;
mod face_network;
mod floats;
#[cfg(test)]
mod fuzz;
mod golden;
mod graph;
mod input;
pub mod jpeg;
mod layer;
mod model;
pub mod picture;
mod predictor;
mod quantised;
mod seal;
mod signature;
mod structure;
mod threads;
#[cfg(feature = "tract")]
mod tract_backend;
mod unsupported;

pub use detector_network::{DETECTOR_NAME, DetectorNetwork};
pub use error::PredictError;
pub use face_network::{FaceNetwork, Look, Output, Setup, Views};
pub use golden::{Golden, GoldenOutputs, GoldenPicture, Meaning};
pub use input::{Input, LEVELS};
pub use layer::Layer;
pub use model::{Arithmetic, Engine, Model};
pub use predictor::{Crops, FrameLook, Loaded, PrecisionChoice, Precisions, Prediction, Predictor};
pub use signature::{InputSize, OutputMap};
pub use structure::{NodeFault, StructureError, TensorFault};
pub use threads::Threads;
pub use unsupported::{Subject, Unsupported, Why};
