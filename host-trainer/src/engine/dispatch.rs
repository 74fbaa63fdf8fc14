//! Choice of the widest vector instructions at run time, so that one build is fast on old and new processors.

use pulp::{Arch, Simd, WithSimd};

/// Calls the kernel it holds. Kernels are `FnMut`, not `FnOnce`: the adapter that makes the one into the other is not
/// inlined, and what is not inlined is compiled for the oldest processor.
struct Kernel<F>(F);

impl<R, F: FnMut() -> R> WithSimd for Kernel<F> {
    type Output = R;

    #[expect(
        clippy::inline_always,
        reason = "only what is inlined is compiled for the chosen instructions"
    )]
    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> R {
        (self.0)()
    }
}

/// Runs `kernel`, an `#[inline(always)]` closure, compiled for the widest vector instructions of this processor.
pub(crate) fn vectorised<R>(kernel: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Kernel(kernel))
}
