//! Patches of a map into the domain of products and back, for whatever registers an instruction set has.

use super::transform::Line;
use crate::ResidualInput;
use crate::float::OutputMin;
use crate::float::register::Register;

/// Some patches of an input, and where their transforms go: value `c` at point `p` of patch `t` to `out[p * point + t *
/// channels + c]`.
pub(crate) struct Forward<'a> {
    pub(super) input: &'a [f32],
    /// First value of each patch.
    pub(super) patches: &'a [u32],
    /// Distance of rows, and of pixels, which is the number of channels too.
    pub(super) row: usize,
    pub(super) channels: usize,
    pub(super) point: usize,
    pub(super) out: &'a mut [f32],
}

/// Products of some patches, and where the outputs go.
pub(crate) struct Backward<'a> {
    /// Value `c` at point `p` of patch `t` is `products[p * point + t * channels + c]`.
    pub(super) products: &'a [f32],
    pub(super) point: usize,
    pub(super) channels: usize,
    /// First output pixel of each patch, and pixels of a row.
    pub(super) pixels: &'a [u32],
    pub(super) columns: usize,
    pub(super) residual: Option<ResidualInput<'a, f32>>,
    pub(super) output_min: OutputMin,
    pub(super) out: &'a mut [f32],
    pub(super) pixel_offsets: &'a [u32],
}

/// The transforms of one size of patch.
#[derive(Clone, Copy)]
pub(crate) struct Transforms {
    /// # Safety
    /// The processor has the instructions, and the input has all patches, the output all points of them.
    pub(super) forward: unsafe fn(&mut Forward<'_>),
    /// # Safety
    /// The processor has the instructions, and the products have all patches, the output and a residual all pixels.
    pub(super) backward: unsafe fn(&mut Backward<'_>),
}

/// Defines `TWO` and `FOUR`, the transforms with some instructions and their registers.
macro_rules! transforms {
    ($(#[target_feature(enable = $features:literal)])? $register:ty) => {
        use $crate::float::winograd::patch::{Backward, Forward, Transforms, backward, forward};
        use $crate::float::winograd::transform::{Input2, Input4, Output2, Output4};

        pub(crate) static TWO: Transforms = Transforms { forward: forward_2, backward: backward_2 };
        pub(crate) static FOUR: Transforms = Transforms { forward: forward_4, backward: backward_4 };

        $(#[target_feature(enable = $features)])?
        unsafe fn forward_2(args: &mut Forward<'_>) {
            // SAFETY: as the caller promises.
            unsafe { forward::<4, $register, Input2>(args) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn backward_2(args: &mut Backward<'_>) {
            // SAFETY: as the caller promises.
            unsafe { backward::<4, 2, $register, Output2>(args) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn forward_4(args: &mut Forward<'_>) {
            // SAFETY: as the caller promises.
            unsafe { forward::<6, $register, Input4>(args) }
        }

        $(#[target_feature(enable = $features)])?
        unsafe fn backward_4(args: &mut Backward<'_>) {
            // SAFETY: as the caller promises.
            unsafe { backward::<6, 4, $register, Output4>(args) }
        }
    };
}
pub(super) use transforms;

/// Transforms patches of `A` rows and columns, a register of channels at a time.
///
/// # Safety
/// The input has all patches, the output all points of them, and channels are a multiple of a register's.
#[allow(clippy::needless_range_loop, reason = "columns are read across")]
#[inline(always)]
pub(super) unsafe fn forward<const A: usize, R: Register, L: Line<A, A>>(args: &mut Forward<'_>) {
    // SAFETY: as the caller promises.
    let mut columns = unsafe { [[R::all(0.0); A]; A] };
    for (patch, start) in args.patches.iter().enumerate() {
        for channel in (0..args.channels).step_by(R::WIDTH) {
            // SAFETY: as the caller promises.
            unsafe {
                let from = args.input.as_ptr().add(*start as usize + channel);
                let to = args.out.as_mut_ptr().add(patch * args.channels + channel);
                for (x, place) in columns.iter_mut().enumerate() {
                    let from = from.add(x * args.channels);
                    *place = L::line(std::array::from_fn(|y| R::load(from.add(y * args.row))));
                }
                for y in 0..A {
                    let values = L::line(std::array::from_fn(|x| columns[x][y]));
                    for (x, value) in values.iter().enumerate() {
                        value.store(to.add((y * A + x) * args.point));
                    }
                }
            }
        }
    }
}

/// Makes `M` rows and columns of outputs of `A` rows and columns of products, a register of channels at a time.
///
/// # Safety
/// The products have all patches, the output and a residual all pixels, and channels are a multiple of a register's.
#[allow(clippy::needless_range_loop, reason = "columns are read across")]
#[inline(always)]
pub(super) unsafe fn backward<const A: usize, const M: usize, R: Register, L: Line<A, M>>(args: &mut Backward<'_>) {
    // SAFETY: as the caller promises.
    let mut columns = unsafe { [[R::all(0.0); M]; A] };
    for (patch, first) in args.pixels.iter().enumerate() {
        for channel in (0..args.channels).step_by(R::WIDTH) {
            // SAFETY: as the caller promises.
            unsafe {
                let from = args.products.as_ptr().add(patch * args.channels + channel);
                for (x, place) in columns.iter_mut().enumerate() {
                    *place = L::line(std::array::from_fn(|y| R::load(from.add((y * A + x) * args.point))));
                }
                for y in 0..M {
                    let values = L::line(std::array::from_fn(|x| columns[x][y]));
                    for (x, value) in values.iter().enumerate() {
                        args.store(*first as usize + y * args.columns + x, channel, *value);
                    }
                }
            }
        }
    }
}

impl Backward<'_> {
    /// # Safety
    /// The pixel and the channels exist.
    #[inline(always)]
    unsafe fn store<R: Register>(&mut self, pixel: usize, channel: usize, value: R) {
        // SAFETY: as the caller promises.
        unsafe {
            let mut value = value.at_least(R::all(self.output_min.gemm));
            if let Some(residual) = self.residual {
                let first = *residual.pixel_offsets.get_unchecked(pixel) as usize + channel;
                let other = R::load(residual.values.as_ptr().add(first));
                value = value.add(other).at_least(R::all(self.output_min.residual_sum));
            }
            let first = *self.pixel_offsets.get_unchecked(pixel) as usize + channel;
            value.store(self.out.as_mut_ptr().add(first));
        }
    }
}
