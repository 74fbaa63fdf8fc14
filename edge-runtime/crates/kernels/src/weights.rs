//! Weights in the order in which the kernels read them.
//!
//! [`LANES`] output channels form a panel, four products of a channel a group:
//!
//! ```text
//! bytes[panel][k / 4][channel % 16][k % 4]        k = position in the runs, one after the other
//! ```
//!
//! That is one 512-bit register of `vpdpbusd`, four 128-bit registers of `SDOT`, and eight halves for the kernels that
//! multiply pairs.
//!
//! Four products of a channel, `k`, `k + 4`, `k + 8` and `k + 12` fit 16 bits where the sum of their weights, all taken
//! positive, is at most 255: activations less 128 are at most 128, and `128 * 255 < 2^15`. A panel of which that is true
//! throughout may lie in the quad layout, in which the registers that are added up are neighbours:
//!
//! ```text
//! bytes[panel][k / 16][channel % 16 / 4][k % 16 / 4][channel % 4][k % 4]
//! ```
//!
//! Channels and run positions beyond the last have weight 0, so that kernels know no edges.

use super::memory::Aligned;
use super::{Gather, KernelError, LANES, check_eq};

/// A run's length is a multiple of this: two groups, one 64-bit register, on ARM, and elsewhere a group.
pub const RUN_STEP: usize = if cfg!(target_arch = "aarch64") { 8 } else { 4 };

/// Most values of a dot product: `2^16 * 255 * 127 < 2^31`.
pub(super) const MAX_DEPTH: usize = 1 << 16;

/// Largest sum of the magnitudes of four weights whose products with activations add up in 16 bits without overflow:
/// `128 * 255 < 2^15`. The quantiser chooses scales by it, so that the [quad layout](Weights::use_quad_layout) is used.
pub const NO_OVERFLOW_4: u16 = 255;

/// Values of a channel that the quad layout keeps together.
pub const QUAD_BLOCK: usize = 16;

/// Distance of two of them that are added up in a row.
pub const QUAD_STEP: usize = 4;

/// Packed weights and biases of a quantised GEMM.
#[derive(Debug, Clone)]
pub struct Weights {
    bytes: Aligned<i8>,
    biases: Vec<i32>,
    /// Sum of the weights of each channel, to fold zero points into the biases.
    weight_sums: Vec<i32>,
    /// Of each panel, whether it lies in the quad layout.
    quad_panels: Vec<bool>,
    depth: usize,
}

impl Weights {
    /// Packs the weights of `biases.len()` channels over the runs of a gather.
    ///
    /// `weights(k)` gives the weights of position `k` in the runs, one after the other, by channel; also for positions
    /// beyond the end of a run's meaning, where they have to be 0. `biases` are in units of activation scale times weight
    /// scale.
    ///
    /// # Errors
    /// [`KernelError::Depth`] for more products than 32 bits hold, [`KernelError::Shape`] where runs are no multiple of
    /// [`RUN_STEP`] long, [`KernelError::Weight`] for a weight of -128.
    pub fn pack<C: Fn(usize) -> i8>(
        gather: &Gather,
        biases: &[i32],
        weights: impl Fn(usize) -> C,
    ) -> Result<Self, KernelError> {
        let depth = gather.run_len() * gather.run_offsets().len();
        if depth > MAX_DEPTH {
            return Err(KernelError::Depth(depth));
        }
        check_eq(
            "bytes of a run beyond a multiple of `RUN_STEP`",
            gather.run_len() % RUN_STEP,
            0,
        )?;
        let channels = biases.len();
        let panels = channels.div_ceil(LANES);
        let mut packed = Self {
            bytes: Aligned::new(0, panels * LANES * depth),
            biases: biases.to_vec(),
            weight_sums: vec![0; panels * LANES],
            quad_panels: vec![false; panels],
            depth,
        };
        packed.biases.resize(panels * LANES, 0);
        for panel in 0..panels {
            let first = panel * LANES;
            let lanes = LANES.min(channels - first);
            packed.pack_panel(first..first + lanes, &weights)?;
        }
        Ok(packed)
    }

    fn pack_panel<C: Fn(usize) -> i8>(
        &mut self,
        channels: std::ops::Range<usize>,
        weights: &impl Fn(usize) -> C,
    ) -> Result<(), KernelError> {
        let first = channels.start;
        let groups = &mut self.bytes[first * self.depth..(first + LANES) * self.depth];
        let weight_sums = &mut self.weight_sums[first..first + LANES];
        let mut smallest = [0; 4 * LANES];
        for (at, group) in groups.as_chunks_mut::<{ 4 * LANES }>().0.iter_mut().enumerate() {
            let columns = [0, 1, 2, 3].map(|k| weights(4 * at + k));
            let lanes = group.as_chunks_mut::<4>().0;
            for (lane, channel) in lanes.iter_mut().zip(channels.clone()) {
                *lane = [0, 1, 2, 3].map(|k| columns[k](channel));
            }
            for (sum, lane) in weight_sums.iter_mut().zip(&*lanes) {
                *sum += lane.iter().map(|value| i32::from(*value)).sum::<i32>();
            }
            for (least, value) in smallest.iter_mut().zip(&*group) {
                *least = (*least).min(*value);
            }
        }
        match smallest.iter().position(|least| *least == i8::MIN) {
            Some(at) => Err(KernelError::Weight(first + at / 4)),
            None => Ok(()),
        }
    }

    /// The first summand of each channel, where activations have this zero point and kernels see them less `offset`.
    pub(super) fn bias(&self, zero_point: u8, offset: i32) -> Vec<i32> {
        let shift = offset - i32::from(zero_point);
        let pairs = self.biases.iter().zip(&self.weight_sums);
        pairs
            .map(|(bias, sum)| bias.wrapping_add(shift.wrapping_mul(*sum)))
            .collect()
    }

    /// Puts every panel whose weights stay within [`NO_OVERFLOW_4`] into the quad layout, if runs of `run_len` values
    /// are a multiple of 16; gives the number of those panels.
    pub fn use_quad_layout(&mut self, run_len: usize) -> usize {
        if !run_len.is_multiple_of(QUAD_BLOCK) {
            return 0;
        }
        let panels = self.bytes.chunks_exact_mut((LANES * self.depth).max(1));
        for (panel, quad) in panels.zip(&mut self.quad_panels) {
            let (blocks, _) = panel.as_chunks_mut::<{ QUAD_BLOCK * LANES }>();
            *quad = blocks.iter().all(fits_16_bits);
            if *quad {
                blocks.iter_mut().for_each(to_quad_layout);
            }
        }
        self.quad_panels.iter().filter(|quad| **quad).count()
    }

    /// Of each panel, whether it lies in the quad layout.
    pub(super) fn quad_panels(&self) -> &[bool] {
        &self.quad_panels
    }

    /// In the order of this module.
    pub(super) fn bytes(&self) -> &[i8] {
        &self.bytes
    }

    /// Values of a dot product.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// Output channels, a multiple of [`LANES`].
    pub fn channels(&self) -> usize {
        self.biases.len()
    }
}

/// Whether 16 bits hold the sums of four products of these weights.
fn fits_16_bits(block: &[i8; QUAD_BLOCK * LANES]) -> bool {
    let mut sums = [0; 4 * LANES];
    for group in block.as_chunks::<{ 4 * LANES }>().0 {
        for (sum, value) in sums.iter_mut().zip(group) {
            *sum += u16::from(value.unsigned_abs());
        }
    }
    sums.into_iter().max() <= Some(NO_OVERFLOW_4)
}

/// Puts the registers that are added up beside each other.
fn to_quad_layout(block: &mut [i8; QUAD_BLOCK * LANES]) {
    let old = *block;
    let (registers, _) = old.as_chunks::<16>();
    let (places, _) = block.as_chunks_mut::<16>();
    for (at, place) in places.iter_mut().enumerate() {
        let (part, group) = (at / 4, at % 4);
        *place = registers[4 * group + part];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_groups_of_four_within_panels_of_sixteen() {
        let gather = Gather::new(vec![0], vec![0, 100], 8);
        let weight = |k: usize| move |channel: usize| (channel * 4 + k / 8 * 2 + k % 2) as i8;
        let packed = Weights::pack(&gather, &[7; 17], weight).unwrap();
        assert_eq!((packed.channels(), packed.depth()), (32, 16));
        // Channel 16 is the first of the second panel; position 9 is position 1 of run 1, in group 2.
        assert_eq!(packed.bytes()[16 * 16 + 2 * 64 + 1], 16 * 4 + 2 + 1);
        assert_eq!(packed.bytes()[16 * 16 + 4..16 * 16 + 64], [0; 60]);
        assert_eq!(packed.weight_sums[1], 16 * 4 + 8 * 2 + 8);
        assert_eq!(packed.bias(3, 128)[1], 7 + 125 * 88);
        assert_eq!(packed.bias(3, 128)[17..], [0; 15]);
    }

    #[test]
    fn panels_without_overflow_take_the_quad_layout() {
        let gather = Gather::new(vec![0], vec![0], 32);
        // Channel 20 of the second panel has one weight too much, in the second block.
        let weight = |k: usize| {
            move |channel: usize| {
                let value = if k % 16 < 12 { 64 } else { 63 };
                value + i8::from(channel == 20 && k == 29)
            }
        };
        let mut packed = Weights::pack(&gather, &[0; 32], weight).unwrap();
        let before = packed.bytes().to_vec();
        assert_eq!(packed.use_quad_layout(24), 0);
        assert_eq!(
            (packed.quad_panels(), packed.bytes()),
            (&[false, false][..], &before[..])
        );
        assert_eq!(packed.use_quad_layout(32), 1);
        assert_eq!(packed.quad_panels(), [true, false]);
        assert_eq!(packed.bytes()[16 * 32..], before[16 * 32..]);
        // Channels 4 to 7 of the second block: the second part, groups 0 to 3, of which the last is less.
        assert_eq!(packed.bytes()[256 + 64..256 + 64 + 48], [64; 48]);
        assert_eq!(packed.bytes()[256 + 64 + 48..256 + 128], [63; 16]);
    }

    #[test]
    fn refuses_what_the_kernels_cannot_sum() {
        let gather = Gather::new(vec![0], vec![0], 8);
        let error = Weights::pack(&gather, &[0; 3], |_| |channel| if channel == 2 { -128 } else { 1 });
        assert_eq!(error.unwrap_err(), KernelError::Weight(2));
        let long = Gather::new(vec![0], vec![0], MAX_DEPTH + 8);
        assert!(matches!(
            Weights::pack(&long, &[0], |_| |_| 0),
            Err(KernelError::Depth(_))
        ));
        assert!(Weights::pack(&Gather::new(vec![0], vec![0], 7), &[0], |_| |_| 0).is_err());
    }
}
