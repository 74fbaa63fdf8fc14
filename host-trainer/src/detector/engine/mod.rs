//! Training and running of plain convolutional networks on one CPU core.
//!
//! A network is a list of [`Layer`]s, each a convolution of 3x3 or 1x1 with stride 1 or 2, and behind it batch norm, an
//! optional residual and `ReLU`, or nothing but a bias. Maps are `[images, rows, columns, channels]`, row major.
//! A convolution is a product of *patches* (one row a pixel of the output, *im2col*) with the weights; patches are laid
//! out line by line in tiles that stay in the second-level cache. All workspaces are allocated once.
//!
//! Left out: loss, optimiser, threads.

mod conv;
mod folded;
mod layer;
mod norm;
mod trained;

#[cfg(test)]
mod tests;

pub(crate) use folded::{Folded, FoldedLayer};
pub(crate) use layer::{After, Layer, Plane, param_ranges};
pub(crate) use norm::EPSILON as NORM_EPSILON;
pub(crate) use trained::Trained;
