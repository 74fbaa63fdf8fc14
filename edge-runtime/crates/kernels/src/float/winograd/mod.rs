//! Convolutions of 3x3 windows by Winograd's method: a patch of outputs takes fewer multiplications than its windows.
//!
//! Inputs and weights are transformed to values of polynomials at some points, multiplied there, and transformed back. At each
//! point the products of all patches are one GEMM. Weights are transformed when a network is loaded. The sums have
//! another order than that of the windows, so results differ by rounding: for patches of 2x2 about as much as the
//! windows' own, for those of 4x4 several times that. Every instruction set gives the same bits here too.

mod instructions;
mod patch;
mod size;
#[cfg(test)]
mod tests;
mod transform;

use std::ops::Range;

pub use size::Patches;

use crate::float::OutputMin;
use crate::float::tile::{Destination, GemmArgs};
use crate::{Aligned, Arena, Gather, Isa, KernelError, LANES, ResidualInput, check_eq, check_len};
use patch::{Backward, Forward};
use size::PatchSize;

/// Most values of a block of patches in the domain of products: small enough to stay in a near cache.
const BLOCK_VALUES: usize = 1 << 16;

/// Weights and places of a convolution of 3x3 windows, one pixel apart, for one instruction set.
#[derive(Debug, Clone)]
pub struct FloatWinograd {
    isa: Isa,
    size: PatchSize,
    /// Values of a pixel of the input.
    depth: usize,
    /// Distance of the input's rows.
    row: usize,
    min_input_len: usize,
    /// Output pixels, and those of a row.
    pixels: usize,
    columns: usize,
    /// First value of the input and first output pixel of every patch.
    patches: Vec<u32>,
    firsts: Vec<u32>,
    /// Of patches that are computed together: most blocks, and the last one.
    blocks: [Block; 2],
    /// `[point][panel][k][channel % 16]`
    weights: Aligned<f32>,
    /// The first summand of each channel. At the point 1 it becomes one of every output.
    bias: Vec<f32>,
    no_bias: Vec<f32>,
    output_min: OutputMin,
}

/// Where the values of some patches lie at one point.
#[derive(Debug, Clone)]
struct Block {
    inputs: Gather,
    products: Vec<u32>,
}

impl Block {
    fn new(patches: usize, depth: usize, channels: usize) -> Self {
        let places = |step: usize| (0..patches).map(|patch| (patch * step) as u32).collect();
        Self {
            inputs: Gather::new(places(depth), vec![0], depth),
            products: places(channels),
        }
    }
}

/// Room for what is computed on the way; grows to what the largest layer needs, and can serve them all.
#[derive(Debug, Default)]
pub struct WinogradRoom {
    inputs: Aligned<f32>,
    products: Aligned<f32>,
}

impl WinogradRoom {
    /// At least so many values of each.
    fn grow(&mut self, inputs: usize, products: usize) {
        for (room, length) in [(&mut self.inputs, inputs), (&mut self.products, products)] {
            if room.len() < length {
                *room = Aligned::new(0.0, length);
            }
        }
    }
}

impl FloatWinograd {
    /// For the windows of a gather: three runs each, of three pixels. `weight(channel, k)` is
    /// that of position `k` in the runs, one after the other.
    ///
    /// # Errors
    /// [`KernelError::Isa`] where this processor lacks the instructions, [`KernelError::Shape`] where windows do not lie so,
    /// or a patch is larger than the map.
    pub fn new(
        arena: &mut Arena,
        isa: Isa,
        gather: &Gather,
        Patches { size, columns }: Patches,
        bias: &[f32],
        weight: impl Fn(usize, usize) -> f32,
        output_min: OutputMin,
    ) -> Result<Self, KernelError> {
        if !isa.is_available() {
            return Err(KernelError::Isa(isa));
        }
        let Windows { row, depth, rows } = Windows::of(gather, columns)?;
        check_eq(
            "rows and columns that a patch has",
            rows.min(columns).min(size.outputs()),
            size.outputs(),
        )?;
        let starts = || {
            size.starts(rows)
                .flat_map(|y| size.starts(columns).map(move |x| (y, x)))
        };
        let firsts: Vec<u32> = starts().map(|(y, x)| (y * columns + x) as u32).collect();
        let channels = bias.len().next_multiple_of(LANES);
        let most = (BLOCK_VALUES / (size.points() * (depth + channels))).max(LANES);
        let blocks = firsts.len().div_ceil(most);
        let each = firsts.len().div_ceil(blocks);
        let mut padded = bias.to_vec();
        padded.resize(channels, 0.0);
        Ok(Self {
            isa,
            size,
            depth,
            row,
            min_input_len: gather.min_input_len(),
            pixels: rows * columns,
            columns,
            patches: firsts
                .iter()
                .map(|pixel| gather.pixel_offsets()[*pixel as usize])
                .collect(),
            blocks: [each, firsts.len() - (blocks - 1) * each].map(|patches| Block::new(patches, depth, channels)),
            firsts,
            weights: packed(arena, size, depth, bias.len(), weight),
            bias: padded,
            no_bias: vec![0.0; channels],
            output_min,
        })
    }

    /// Writes the [`FloatWinograd::channels`] values of output pixel `p` from `out[pixel_offsets[p]]` on. A `residual` is
    /// added to them.
    ///
    /// # Errors
    /// [`KernelError::Buffer`] where a buffer is too short, [`KernelError::Shape`] where the number of pixels does not
    /// fit.
    pub fn run(
        &self,
        input: &[f32],
        residual: Option<ResidualInput<'_, f32>>,
        out: &mut [f32],
        pixel_offsets: &[u32],
        room: &mut WinogradRoom,
    ) -> Result<(), KernelError> {
        check_len(input.len(), self.min_input_len)?;
        self.check_pixels(out.len(), pixel_offsets)?;
        if let Some(residual) = residual {
            self.check_pixels(residual.values.len(), residual.pixel_offsets)?;
        }
        let transforms = self.isa.transforms(self.size);
        for (block, patches) in self.blocks() {
            let [inputs, products] = [self.depth, self.channels()].map(|values| patches.len() * values);
            room.grow(inputs * self.size.points(), products * self.size.points());
            let mut forward = Forward {
                input,
                patches: &self.patches[patches.clone()],
                row: self.row,
                channels: self.depth,
                point: inputs,
                out: &mut room.inputs,
            };
            // SAFETY: `new` has checked the processor and that patches lie within the gather's windows, which end within
            // the input; `grow` has made room for their points.
            unsafe { (transforms.forward)(&mut forward) };
            for point in 0..self.size.points() {
                self.multiply(
                    block,
                    point,
                    &room.inputs[point * inputs..],
                    &mut room.products[point * products..],
                );
            }
            let mut backward = Backward {
                products: &room.products,
                point: products,
                channels: self.channels(),
                pixels: &self.firsts[patches],
                columns: self.columns,
                residual,
                output_min: self.output_min,
                out,
                pixel_offsets,
            };
            // SAFETY: as above; patches lie within the output pixels, whose places were checked.
            unsafe { (transforms.backward)(&mut backward) };
        }
        Ok(())
    }

    /// Blocks with the numbers of their patches.
    fn blocks(&self) -> impl Iterator<Item = (&Block, Range<usize>)> {
        let [most, last] = &self.blocks;
        let each = most.products.len();
        (0..self.firsts.len()).step_by(each.max(1)).map(move |start| {
            let end = (start + each).min(self.firsts.len());
            (if end == self.firsts.len() { last } else { most }, start..end)
        })
    }

    fn multiply(&self, block: &Block, point: usize, input: &[f32], out: &mut [f32]) {
        let length = self.depth * self.channels();
        // The point 1 of rows and columns.
        let is_one = point == self.size.side() + 1;
        let mut args = GemmArgs {
            input,
            gather: &block.inputs,
            weights: &self.weights[point * length..][..length],
            depth: self.depth,
            bias: if is_one { &self.bias } else { &self.no_bias },
            pools: false,
            destination: Destination {
                residual: None,
                output_min: OutputMin {
                    gemm: f32::NEG_INFINITY,
                    residual_sum: f32::NEG_INFINITY,
                },
                out,
                pixel_offsets: &block.products,
            },
        };
        // SAFETY: `new` has checked the processor; weights, inputs and products of a point have the block's sizes.
        unsafe { self.isa.float_kernel().run(&mut args) };
    }

    /// Output channels, a multiple of [`LANES`].
    pub fn channels(&self) -> usize {
        self.bias.len()
    }

    fn check_pixels(&self, length: usize, pixel_offsets: &[u32]) -> Result<(), KernelError> {
        check_eq("output pixels", pixel_offsets.len(), self.pixels)?;
        let last = pixel_offsets.iter().copied().max().unwrap_or(0) as usize;
        check_len(length, last + self.channels())
    }
}

/// How 3x3 windows lie in the input.
struct Windows {
    /// Distance of rows, values of a pixel, and rows of windows.
    row: usize,
    depth: usize,
    rows: usize,
}

impl Windows {
    fn of(gather: &Gather, columns: usize) -> Result<Self, KernelError> {
        let depth = gather.run_len() / 3;
        check_eq(
            "values of a pixel beyond a multiple of 16",
            gather.run_len() % (3 * LANES),
            0,
        )?;
        let [first, second, third] = gather.run_offsets() else {
            check_eq("rows of a window", gather.run_offsets().len(), 3)?;
            return Err(KernelError::Shape {
                what: "rows of a window",
                found: 0,
                expected: 3,
            });
        };
        let row = second.saturating_sub(*first) as usize;
        check_eq("first row of a window", *first as usize, 0)?;
        check_eq("third row of a window", *third as usize, 2 * row)?;
        let pixels = gather.pixel_offsets();
        let rows = pixels.len() / columns.max(1);
        check_eq("pixels", pixels.len(), rows * columns)?;
        let start = pixels.first().copied().unwrap_or(0) as usize;
        for (at, place) in pixels.iter().enumerate() {
            let (y, x) = (at / columns, at % columns);
            check_eq("place of a window", *place as usize, start + y * row + x * depth)?;
        }
        Ok(Self { row, depth, rows })
    }
}

/// The weights at all points, as [`FloatWinograd`] holds them.
fn packed(
    arena: &mut Arena,
    size: PatchSize,
    depth: usize,
    channels: usize,
    weight: impl Fn(usize, usize) -> f32,
) -> Aligned<f32> {
    let point = channels.next_multiple_of(LANES) * depth;
    let mut values = arena.take(0.0, size.points() * point);
    for channel in 0..channels {
        let place = channel / LANES * LANES * depth + channel % LANES;
        for k in 0..depth {
            let window =
                std::array::from_fn(|y| std::array::from_fn(|x| f64::from(weight(channel, (3 * y + x) * depth + k))));
            let (two, four);
            let points = match size {
                PatchSize::Two => {
                    two = transform::weights(transform::weights_2, window);
                    two.as_flattened()
                }
                PatchSize::Four => {
                    four = transform::weights(transform::weights_4, window);
                    four.as_flattened()
                }
            };
            for (at, value) in points.iter().enumerate() {
                values[at * point + place + k * LANES] = *value as f32;
            }
        }
    }
    values
}
