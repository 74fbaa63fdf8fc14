//! A few neighbouring channels, as a register of each instruction set holds them.

use crate::LANES;

/// Values that are computed side by side.
///
/// # Safety
/// The processor has the register's instructions wherever a method is called.
pub(crate) unsafe trait Register: Copy {
    /// Values of a register.
    const WIDTH: usize;

    /// All of one value.
    unsafe fn all(value: f32) -> Self;
    /// There are as many values as a register has.
    unsafe fn load(from: *const f32) -> Self;
    /// There is room for as many values as a register has.
    unsafe fn store(self, to: *mut f32);
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn sub(self, other: Self) -> Self;
    /// `factor * self + other`, rounded once.
    unsafe fn fused(self, factor: f32, other: Self) -> Self;
    /// At least `min`; what is not a number stays so.
    unsafe fn at_least(self, min: Self) -> Self;
}

// SAFETY: it needs no instructions of its own.
unsafe impl Register for [f32; LANES] {
    const WIDTH: usize = LANES;

    unsafe fn all(value: f32) -> Self {
        [value; LANES]
    }

    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: as the caller promises; an array asks no other alignment than its values.
        unsafe { from.cast::<Self>().read() }
    }

    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as the caller promises; an array asks no other alignment than its values.
        unsafe { to.cast::<Self>().write(self) }
    }

    unsafe fn add(self, other: Self) -> Self {
        std::array::from_fn(|at| self[at] + other[at])
    }

    unsafe fn sub(self, other: Self) -> Self {
        std::array::from_fn(|at| self[at] - other[at])
    }

    unsafe fn fused(self, factor: f32, other: Self) -> Self {
        std::array::from_fn(|at| factor.mul_add(self[at], other[at]))
    }

    unsafe fn at_least(self, min: Self) -> Self {
        std::array::from_fn(|at| if min[at] > self[at] { min[at] } else { self[at] })
    }
}

/// Writes a register's methods as calls of vector instructions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! register {
    ($type:ident, $width:literal, $all:ident, $load:ident, $store:ident, $add:ident, $sub:ident, $fused:ident, $most:ident) => {
        // SAFETY: whoever calls a method promises that the processor has its instructions.
        unsafe impl Register for $type {
            const WIDTH: usize = $width;

            #[inline(always)]
            unsafe fn all(value: f32) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $all(value) }
            }

            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as the caller promises.
                unsafe { $store(to, self) }
            }

            #[inline(always)]
            unsafe fn add(self, other: Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $add(self, other) }
            }

            #[inline(always)]
            unsafe fn sub(self, other: Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $sub(self, other) }
            }

            #[inline(always)]
            unsafe fn fused(self, factor: f32, other: Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $fused($all(factor), self, other) }
            }

            #[inline(always)]
            unsafe fn at_least(self, min: Self) -> Self {
                // SAFETY: as the caller promises.
                unsafe { $most(min, self) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Register;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps,
        _mm256_storeu_ps, _mm256_sub_ps, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_max_ps,
        _mm512_set1_ps, _mm512_storeu_ps, _mm512_sub_ps,
    };

    // The larger of two is the second where one is not a number.
    register!(
        __m256,
        8,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_fmadd_ps,
        _mm256_max_ps
    );
    register!(
        __m512,
        16,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_fmadd_ps,
        _mm512_max_ps
    );
}

#[cfg(target_arch = "aarch64")]
mod arm {
    use super::Register;
    use std::arch::aarch64::{
        float32x4_t, vaddq_f32, vbslq_f32, vcgtq_f32, vdupq_n_f32, vfmaq_f32, vld1q_f32, vst1q_f32, vsubq_f32,
    };

    #[inline(always)]
    unsafe fn fused(factor: float32x4_t, value: float32x4_t, other: float32x4_t) -> float32x4_t {
        // SAFETY: as the caller promises.
        unsafe { vfmaq_f32(other, factor, value) }
    }

    /// Not the instruction for it, which knows no zero that is negative.
    #[inline(always)]
    unsafe fn most(min: float32x4_t, value: float32x4_t) -> float32x4_t {
        // SAFETY: as the caller promises.
        unsafe { vbslq_f32(vcgtq_f32(min, value), min, value) }
    }

    register!(
        float32x4_t,
        4,
        vdupq_n_f32,
        vld1q_f32,
        vst1q_f32,
        vaddq_f32,
        vsubq_f32,
        fused,
        most
    );
}
