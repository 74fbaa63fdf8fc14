//! Which sizes of faces each grid of cells learns.

use vision::detector::decode::{FIELDS, Grid};

/// Output maps of the network.
pub(crate) const HEADS: usize = 3;
/// Stride of each output map, in pixels of the input.
pub(crate) const STRIDES: [usize; HEADS] = [8, 16, 32];
/// Grids of each output map, by the parts that a pixel's side is divided into.
pub(crate) const SPLITS: [&[usize]; HEADS] = [&[1, 2], &[1], &[1]];
/// Channels of each output map.
pub(crate) const CHANNELS: [usize; HEADS] = [5 * FIELDS, FIELDS, FIELDS];

/// The predictions for one range of face sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// The cells.
    pub(crate) grid: Grid,
    /// Sizes, as the root of the area in pixels of the input, that it learns: from, to.
    pub(crate) sizes: [f32; 2],
}

/// All levels, the finest first. Their ranges overlap, so that no size falls between two.
pub(crate) const LEVELS: [Level; 4] = [
    level(0, FIELDS, 2, 4.0, [0.0, 17.0]),
    level(0, 0, 1, 8.0, [14.0, 36.0]),
    level(1, 0, 1, 16.0, [30.0, 72.0]),
    level(2, 0, 1, 32.0, [60.0, f32::INFINITY]),
];

/// The cells of all levels.
pub(crate) const GRIDS: [Grid; LEVELS.len()] = [LEVELS[0].grid, LEVELS[1].grid, LEVELS[2].grid, LEVELS[3].grid];

const fn level(head: usize, first: usize, split: usize, stride: f32, sizes: [f32; 2]) -> Level {
    let grid = Grid {
        head,
        first,
        split,
        stride,
    };
    Level { grid, sizes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_fill_the_channels_of_their_maps() {
        for head in 0..HEADS {
            let mut first = 0;
            for split in SPLITS[head] {
                let fits = |grid: &&Grid| grid.head == head && grid.first == first && grid.split == *split;
                let grid = GRIDS.iter().find(fits).unwrap();
                assert_eq!(grid.stride * *split as f32, STRIDES[head] as f32);
                first += split * split * FIELDS;
            }
            assert_eq!(first, CHANNELS[head]);
        }
        assert!(GRIDS.windows(2).all(|pair| pair[0].stride < pair[1].stride));
    }
}
