//! Faces by a trained network of the bundle.

pub mod decode;
