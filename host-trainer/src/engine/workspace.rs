//! Buffers that all blocks of a trunk share: contents last no longer than one block's pass.

use super::clock::Timings;

/// Rows that a tile should have: some hundred kilobytes of map, and enough rows for the product to be efficient.
const TILE_ROWS: usize = 256;

/// Images a tile holds if each has `rows` rows.
pub(super) fn tile_images(rows: usize) -> usize {
    (TILE_ROWS / rows).max(1)
}

/// Sizes a block needs of the shared buffers, in values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    pub wide: usize,
    pub narrow: usize,
    pub patches: usize,
    pub gradient: usize,
    pub branch_gradient: usize,
}

impl Needs {
    /// The larger of both, buffer by buffer.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            wide: self.wide.max(other.wide),
            narrow: self.narrow.max(other.narrow),
            patches: self.patches.max(other.patches),
            gradient: self.gradient.max(other.gradient),
            branch_gradient: self.branch_gradient.max(other.branch_gradient),
        }
    }
}

/// The shared buffers, and the clock.
pub(super) struct Workspace {
    /// One tile of a block's widest map.
    pub wide: Vec<f32>,
    /// One tile of a map, next to `wide`.
    pub narrow: Vec<f32>,
    /// One tile of patch rows.
    pub patches: Vec<f32>,
    /// Gradient of the map between blocks, whole batch.
    pub gradient: Vec<f32>,
    /// Gradient of a convolution block's input in window order, whole batch.
    pub window_gradient: Vec<f32>,
    /// Gradient behind the first norm of a block's branch, whole batch.
    pub gradient_a: Vec<f32>,
    /// Gradient behind the second norm of a block's branch, whole batch.
    pub gradient_b: Vec<f32>,
    pub clock: Timings,
}

impl Workspace {
    pub(super) fn new(needs: Needs) -> Self {
        let zeros = |size| vec![0.0; size];
        Self {
            wide: zeros(needs.wide),
            narrow: zeros(needs.narrow),
            patches: zeros(needs.patches),
            gradient: zeros(needs.gradient),
            window_gradient: zeros(needs.gradient),
            gradient_a: zeros(needs.branch_gradient),
            gradient_b: zeros(needs.branch_gradient),
            clock: Timings::default(),
        }
    }
}
