//! Where a kernel finds the activations that belong to one output pixel: the offsets of an indirect convolution.
//!
//! Activations lie in channels-last order (NHWC), `[row][column][channel]`, with a border wide enough for the padding of
//! whoever reads them. So what a kernel of `h x w` covers is `h` runs of adjacent values, and the runs lie at the same
//! distances from each other at every pixel.

/// Value `k` of run `r` at output pixel `p` is `activations[pixel_offsets[p] + run_offsets[r] + k]`, for `k <
/// run_len`. Offsets count values, not bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    pixel_offsets: Vec<u32>,
    run_offsets: Vec<u32>,
    run_len: usize,
    /// One past the last value of all, so that one comparison checks a buffer.
    min_input_len: usize,
}

impl Gather {
    /// Runs of `run_len` values each.
    pub fn new(pixel_offsets: Vec<u32>, run_offsets: Vec<u32>, run_len: usize) -> Self {
        let last = |offsets: &[u32]| offsets.iter().copied().max().map(|offset| offset as usize);
        let min_input_len = match (last(&pixel_offsets), last(&run_offsets)) {
            (Some(pixel), Some(run)) => pixel + run + run_len,
            _ => 0,
        };
        Self {
            pixel_offsets,
            run_offsets,
            run_len,
            min_input_len,
        }
    }

    /// Index of the first value of each output pixel.
    pub fn pixel_offsets(&self) -> &[u32] {
        &self.pixel_offsets
    }

    /// Distance of each run from the first value of a pixel.
    pub fn run_offsets(&self) -> &[u32] {
        &self.run_offsets
    }

    /// Number of adjacent values in a run.
    pub fn run_len(&self) -> usize {
        self.run_len
    }

    /// Length of the shortest buffer that it can read.
    pub fn min_input_len(&self) -> usize {
        self.min_input_len
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_to_the_last_value() {
        assert_eq!(Gather::new(vec![4, 0], vec![0, 100, 50], 8).min_input_len(), 112);
        assert_eq!(Gather::new(vec![], vec![0], 8).min_input_len(), 0);
    }
}
