//! Which instructions the kernels use.

use super::portable;
use super::schedule::Peak;
use super::tile::Kernel;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
#[cfg(target_arch = "aarch64")]
use super::{neon, neon_dot};

/// An instruction set with kernels of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, on every processor.
    Portable,
    /// x86-64 with AVX2 and FMA: products of 16-bit numbers.
    Avx2,
    /// x86-64 with AVX-512 and VNNI: sums of four 8-bit products.
    Avx512Vnni,
    /// 64-bit ARM (Raspberry Pi 3, 4, Zero 2 W): pairs of 8-bit products in 16 bits.
    Neon,
    /// 64-bit ARM with the dot-product extension (Raspberry Pi 5): sums of four 8-bit products.
    NeonDot,
}

impl Isa {
    /// All instruction sets, the fastest last.
    pub const ALL: [Self; 5] = [Self::Portable, Self::Avx2, Self::Avx512Vnni, Self::Neon, Self::NeonDot];

    /// The name that users write, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512Vnni => "avx512-vnni",
            Self::Neon => "neon",
            Self::NeonDot => "neon-dot",
        }
    }

    /// The fastest instruction set of this processor.
    pub fn detect() -> Self {
        let mut available = Self::ALL.into_iter().rev().filter(|isa| isa.is_available());
        available.next().unwrap_or(Self::Portable)
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            _ => false,
        }
    }

    /// Multiplies integers in registers for so many rounds and gives the number of multiply-accumulates (MACs); divided by
    /// the time that it takes, that is the peak of one core. `None` where there are no vector instructions.
    pub fn peak(self, rounds: u32) -> Option<u64> {
        self.run_peak(self.kernel().peak.as_ref(), rounds)
    }

    pub(super) fn run_peak(self, peak: Option<&Peak>, rounds: u32) -> Option<u64> {
        let peak = peak.filter(|_| self.is_available())?;
        // SAFETY: the processor has the instructions.
        std::hint::black_box(unsafe { (peak.run)(rounds) });
        Some(peak.macs * u64::from(rounds))
    }

    pub(super) fn kernel(self) -> &'static Kernel {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => &avx2::KERNEL,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => &avx512::KERNEL,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => &neon::KERNEL,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => &neon_dot::KERNEL,
            _ => &portable::KERNEL,
        }
    }
}
