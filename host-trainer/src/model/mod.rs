//! The two networks, as burn modules.
//!
//! [`trunk`] is the residual network that both share in form (never in weights), [`head`] what turns
//! its feature map into keypoints or logits, [`network`] the two together. Layers, their order and
//! their initial values are those of the Keras original; where a configuration departs from it, the
//! configuration says so.

pub(crate) mod dropout;
pub mod head;
pub mod network;
mod task;
pub mod trunk;

pub(crate) use network::drawing;
pub use network::{Architecture, Freeze, Network};
pub use task::Task;
