//! The transforms with each instruction set's registers.

use super::patch::{Transforms, transforms};
use super::size::PatchSize;
use crate::Isa;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    super::transforms!(
        #[target_feature(enable = "avx2,fma")]
        std::arch::x86_64::__m256
    );
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    super::transforms!(
        #[target_feature(enable = "avx512f")]
        std::arch::x86_64::__m512
    );
}

#[cfg(target_arch = "aarch64")]
mod neon {
    super::transforms!(
        #[target_feature(enable = "neon")]
        std::arch::aarch64::float32x4_t
    );
}

mod portable {
    super::transforms!([f32; crate::LANES]);
}

impl Isa {
    pub(super) fn transforms(self, size: PatchSize) -> Transforms {
        let [two, four] = match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => [avx2::TWO, avx2::FOUR],
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => [avx512::TWO, avx512::FOUR],
            #[cfg(target_arch = "aarch64")]
            Self::Neon | Self::NeonDot => [neon::TWO, neon::FOUR],
            _ => [portable::TWO, portable::FOUR],
        };
        match size {
            PatchSize::Two => two,
            PatchSize::Four => four,
        }
    }
}
