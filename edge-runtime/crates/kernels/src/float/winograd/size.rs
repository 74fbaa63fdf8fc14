//! How large the patches of Winograd's method are, and for which maps it pays.

/// How a map of outputs is made of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patches {
    pub(super) size: PatchSize,
    /// Outputs of a row of the map.
    pub(super) columns: usize,
}

/// Rows and columns of outputs that one patch makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchSize {
    /// 2x2 outputs out of 16 products a channel, where 3x3 windows take 36.
    Two,
    /// 4x4 outputs out of 36 products a channel, where 3x3 windows take 144.
    Four,
}

/// What it takes to fetch a weight, in products. Each point has weights of its own, and a small map uses each of them a few
/// times only.
const FETCH: usize = 4;

impl Patches {
    /// Those with the least work for a map of so many rows and columns of outputs; `None` where windows take less.
    pub fn best(rows: usize, columns: usize) -> Option<Self> {
        let windows = 9 * (rows * columns + FETCH);
        let fitting = [PatchSize::Two, PatchSize::Four]
            .into_iter()
            .filter(|size| size.outputs() <= rows.min(columns));
        let works = fitting.map(|size| {
            let patches = size.starts(rows).count() * size.starts(columns).count();
            (size.points() * (patches + FETCH), size)
        });
        let (work, size) = works.min_by_key(|(work, _)| *work)?;
        (work < windows).then_some(Self { size, columns })
    }
}

impl PatchSize {
    /// Outputs of a side.
    pub(super) fn outputs(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Inputs of a side, which are its points too.
    pub(super) fn side(self) -> usize {
        self.outputs() + 2
    }

    /// Points of a patch.
    pub(super) fn points(self) -> usize {
        self.side() * self.side()
    }

    /// The first output of each patch of a side that is no shorter than one; the last patch overlaps the one before it.
    pub(super) fn starts(self, length: usize) -> impl Iterator<Item = usize> {
        let outputs = self.outputs();
        (0..length)
            .step_by(outputs)
            .map(move |start| start.min(length - outputs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_cover_a_side_and_nothing_beyond() {
        assert!(PatchSize::Four.starts(11).eq([0, 4, 7]));
        assert!(PatchSize::Two.starts(5).eq([0, 2, 3]));
        assert!(PatchSize::Four.starts(4).eq([0]));
    }

    #[test]
    fn the_size_with_the_least_work_is_taken() {
        for (rows, columns, expected) in [
            (1, 40, None),
            (2, 2, None),
            (4, 4, Some(PatchSize::Two)),
            (5, 5, Some(PatchSize::Two)),
            (11, 11, Some(PatchSize::Four)),
            (60, 80, Some(PatchSize::Four)),
        ] {
            let size = Patches::best(rows, columns).map(|patches| patches.size);
            assert_eq!(size, expected, "{rows}x{columns}");
        }
    }
}
