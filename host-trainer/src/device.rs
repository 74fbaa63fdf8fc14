//! Where a training computes: the only place that names burn's backends.

use burn::tensor::Device;

/// A backend of burn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// Processors, with the training engine of this program for the trunk. The default.
    Flex,
    /// Processors, with burn's automatic differentiation for everything; for comparison.
    FlexAutodiff,
    /// The reference backend: slow.
    #[cfg(feature = "ndarray")]
    Ndarray,
    /// A graphics card, through Vulkan.
    #[cfg(feature = "vulkan")]
    Vulkan,
    /// The first NVIDIA graphics card, through CUDA.
    #[cfg(feature = "cuda")]
    Cuda,
}

impl Backend {
    /// The device, without gradients.
    pub fn device(self) -> Device {
        match self {
            Self::Flex | Self::FlexAutodiff => Device::flex(),
            #[cfg(feature = "ndarray")]
            Self::Ndarray => Device::ndarray(),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => Device::vulkan(burn::tensor::DeviceKind::DefaultDevice),
            #[cfg(feature = "cuda")]
            Self::Cuda => Device::cuda(0),
        }
    }
}
