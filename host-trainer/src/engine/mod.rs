//! Training passes of the residual trunk on one CPU core: forward with batch statistics, and backward.
//!
//! The trunk is a stem (7x7 convolution with stride 2, batch norm, `ReLU`, 3x3 max pool with stride 2) and a number of
//! stages; a stage is one convolution block, which halves the side and widens the channels, and two identity blocks.
//!
//! Terms:
//! - *map*: `[images * side * side, channels]`, row major: one row a pixel, channels last;
//! - *window order*: the rows of a map sorted so that the four pixels of each 2x2 pool window follow one another
//!   (pixels that a floor pool drops are left out), which makes the pool a reduction over neighbouring rows;
//! - *tile*: the rows of a few images, as many as stay in the second-level cache from one pass to the next.
//!
//! A 1x1 convolution is then one matrix product a tile, a 3x3 one a product over patches (*im2col*); element-wise
//! passes run over tiles that the product has just left in cache. All workspaces are allocated once.
//!
//! Left out: the heads behind the trunk, the loss, the optimiser, running averages of the statistics, and threads: an
//! instance uses one thread, several instances train on parts of a batch and their gradients are averaged outside.

mod block;
mod branch;
mod clock;
mod dispatch;
mod matrix;
mod moments;
mod norm;
mod params;
mod patches;
mod pool;
mod stem;
mod trunk;
mod workspace;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use clock::{Pass, Timings};
pub(crate) use dispatch::vectorised;
pub use params::{LayerGrads, LayerParams, LayerShape, Running};
pub use trunk::Trunk;

/// Side of the input image in pixels.
pub const SIDE: usize = 96;

/// Channels that one step of an element-wise loop handles; every channel count of the trunk is a multiple.
const BLOCK: usize = 64;
