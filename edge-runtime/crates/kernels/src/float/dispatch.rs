//! Which kernel of floats an instruction set has.

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::portable;
use super::tile::Kernel;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::Isa;

impl Isa {
    /// Like [`Isa::peak`], for MACs of 32-bit floats.
    pub fn float_peak(self, rounds: u32) -> Option<u64> {
        self.run_peak(self.float_kernel().peak.as_ref(), rounds)
    }

    pub(super) fn float_kernel(self) -> &'static Kernel {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => &avx2::KERNEL,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => &avx512::KERNEL,
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => &neon::KERNEL,
            _ => &portable::KERNEL,
        }
    }
}
