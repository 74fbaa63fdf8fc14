//! What the unit tests share: tiny networks written as real ONNX files, and a bundle of them.

pub(crate) mod bundle;
pub(crate) mod network;
