//! Where a kernel finds the activations that belong to one output pixel.
//!
//! Activations lie in channels-last order, `[row][column][channel]`, with a border wide enough for the padding of
//! whoever reads them. So what a kernel of `h x w` covers is `h` runs of adjacent values, and the runs lie at the same
//! distances from each other at every pixel.

/// Value `k` of run `r` at output pixel `p` is `activations[pixels[p] + runs[r] + k]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gather {
    pixels: Vec<u32>,
    runs: Vec<u32>,
    run: usize,
    /// One past the last value of all, so that one comparison checks a buffer.
    reach: usize,
}

impl Gather {
    /// Runs of `run` values each.
    pub fn new(pixels: Vec<u32>, runs: Vec<u32>, run: usize) -> Self {
        let last = |starts: &[u32]| starts.iter().copied().max().map(|start| start as usize);
        let reach = match (last(&pixels), last(&runs)) {
            (Some(pixel), Some(start)) => pixel + start + run,
            _ => 0,
        };
        Self {
            pixels,
            runs,
            run,
            reach,
        }
    }

    /// First value of each output pixel.
    pub fn pixels(&self) -> &[u32] {
        &self.pixels
    }

    /// Distance of each run from the first value.
    pub fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// Values of a run.
    pub fn run(&self) -> usize {
        self.run
    }

    /// Shortest buffer that it can be used with.
    pub fn reach(&self) -> usize {
        self.reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reaches_to_the_last_value() {
        assert_eq!(Gather::new(vec![4, 0], vec![0, 100, 50], 8).reach(), 112);
        assert_eq!(Gather::new(vec![], vec![0], 8).reach(), 0);
    }
}
