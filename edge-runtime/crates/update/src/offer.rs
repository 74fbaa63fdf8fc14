//! What there is to install, as a plain value: whoever tells people about it needs nothing else of this module.

/// Versions of the bundles that a device has and could have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offer {
    /// The one that has shown that it works.
    pub installed: u32,
    /// The newest that the device found or tries; the installed one where there is no newer.
    pub latest: u32,
    /// Whether the newest is being brought in, or on trial.
    pub in_progress: bool,
}
