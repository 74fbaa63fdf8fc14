//! Faces by a trained network of the bundle.

mod changes;
pub mod decode;
pub mod finder;
mod reduce;
mod size;
mod stillness;
pub mod stills;
