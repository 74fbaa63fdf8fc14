//! Where a training computes: the only place that names burn's backends.

#[cfg(feature = "remote")]
pub mod remote;

use burn::tensor::Device;
use clap::ValueEnum;

/// A backend of burn: what computes the tensors of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
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

/// A device that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It is not there.
    #[error("{device} cannot be used: {reason}")]
    Unavailable {
        /// What the command line calls it.
        device: String,
        /// Why, and how to mend it.
        reason: String,
    },
    /// It was there, and does not answer any more.
    #[error("{device} no longer answers: {reason}")]
    Lost {
        /// What the command line calls it.
        device: String,
        /// What its backend says.
        reason: String,
    },
}

/// The devices that share a training.
#[derive(Debug, Clone)]
pub struct Devices {
    /// Holds weights, moments and averages.
    home: Device,
    /// Whether that is this machine's memory, which lasts when a device vanishes.
    host: bool,
    /// Where the replicas compute, in turn; at least one.
    replicas: Vec<ReplicaDevice>,
    /// Whether the training engine computes the trunk: on this machine's processors alone.
    engine: bool,
}

/// Where a replica computes.
#[derive(Debug, Clone)]
pub(crate) struct ReplicaDevice {
    /// With gradients.
    pub(crate) device: Device,
    /// What the command line calls it.
    pub(crate) name: String,
    /// Whether its memory is the processor's: elsewhere each read waits for all that was asked before.
    pub(crate) host: bool,
}

impl Backend {
    /// The backend's first device, which keeps no gradients.
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

    /// Whether it has what it computes on; burn's own answer to the first tensor would be a panic.
    #[allow(clippy::match_same_arms, reason = "an arm for each feature")]
    fn is_there(self) -> bool {
        match self {
            Self::Flex | Self::FlexAutodiff => true,
            #[cfg(feature = "ndarray")]
            Self::Ndarray => true,
            #[cfg(feature = "vulkan")]
            Self::Vulkan => !Device::enumerate(burn::tensor::DeviceType::Vulkan).is_empty(),
            #[cfg(feature = "cuda")]
            Self::Cuda => true,
        }
    }

    /// Whether its memory is the processor's.
    #[allow(clippy::match_same_arms, reason = "an arm for each feature")]
    fn is_host(self) -> bool {
        match self {
            Self::Flex | Self::FlexAutodiff => true,
            #[cfg(feature = "ndarray")]
            Self::Ndarray => true,
            #[cfg(feature = "vulkan")]
            Self::Vulkan => false,
            #[cfg(feature = "cuda")]
            Self::Cuda => false,
        }
    }

    /// Refuses one that has nothing to compute on.
    fn check(self) -> Result<(), DeviceError> {
        if self.is_there() {
            return Ok(());
        }
        Err(DeviceError::Unavailable {
            device: self.name(),
            reason: "no driver was found: install the one of the graphics card (`vulkaninfo` lists those of Vulkan)"
                .into(),
        })
    }

    /// What the command line calls it.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl Devices {
    /// A device of this machine.
    pub fn local(backend: Backend) -> Result<Self, DeviceError> {
        backend.check()?;
        let device = backend.device();
        let replica = ReplicaDevice {
            device: device.clone().autodiff(),
            name: backend.name(),
            host: backend.is_host(),
        };
        Ok(Self {
            home: device,
            host: backend.is_host(),
            replicas: vec![replica],
            engine: backend == Backend::Flex,
        })
    }

    /// What holds weights, moments and averages, without gradients.
    pub(crate) fn home(&self) -> &Device {
        &self.home
    }

    /// Whether weights, moments and averages outlive the devices of the replicas.
    pub(crate) fn weights_are_here(&self) -> bool {
        self.host
    }

    /// Where this replica computes.
    pub(crate) fn of_replica(&self, replica: usize) -> ReplicaDevice {
        self.replicas[replica % self.replicas.len()].clone()
    }

    /// Whether the training engine computes the trunk.
    pub(crate) fn engine(&self) -> bool {
        self.engine
    }
}
