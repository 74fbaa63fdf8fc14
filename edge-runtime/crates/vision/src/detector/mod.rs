//! Faces by a trained network of the bundle.

mod brighten;
mod changes;
pub mod decode;
mod distinct;
pub mod finder;
mod output;
mod reduce;
mod second_look;
mod sharpen;
mod size;
mod stillness;
pub mod stills;
