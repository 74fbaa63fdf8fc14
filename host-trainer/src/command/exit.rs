//! Exit codes, as in sysexits.h.

use host_trainer::config::ConfigError;
use host_trainer::data::DataError;
use host_trainer::device::DeviceError;

/// Stopped by Ctrl-C, as a shell reports it.
pub(crate) const INTERRUPTED: u8 = 130;

/// Arguments that do not make a command together.
#[derive(Debug, thiserror::Error)]
#[error("{0}; try --help")]
pub(crate) struct Usage(pub(crate) &'static str);

/// The code that fits an error best.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<DataError>() {
            return match error {
                DataError::Open { .. } => 66,
                DataError::Read { .. } => 74,
                _ => 65,
            };
        }
        if cause.is::<Usage>() {
            return 64;
        }
        if cause.is::<ConfigError>() {
            return 78;
        }
        if cause.is::<DeviceError>() {
            return 69;
        }
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return match error.kind() {
                std::io::ErrorKind::NotFound => 66,
                std::io::ErrorKind::PermissionDenied => 77,
                _ => 74,
            };
        }
    }
    65
}
