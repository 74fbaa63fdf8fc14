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

/// What went wrong and why, each cause once: some errors name theirs themselves.
pub(crate) fn text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether a table breaks off because of what is in it, and not because it cannot be read.
fn is_damage(error: &csv::Error) -> bool {
    use std::io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    match error.kind() {
        csv::ErrorKind::Io(error) => matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof),
        _ => true,
    }
}

/// The code that fits an error best.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<DataError>() {
            return match error {
                DataError::Open { .. } => 66,
                DataError::Read { source, .. } if !is_damage(source) => 74,
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn broken_off(kind: io::ErrorKind) -> anyhow::Error {
        anyhow::Error::new(DataError::Read {
            path: "faces.csv.gz".into(),
            source: io::Error::new(kind, "it breaks off").into(),
        })
    }

    #[test]
    fn each_cause_is_told_once() {
        let error = broken_off(io::ErrorKind::UnexpectedEof).context("evaluate");
        assert_eq!(text(&error), "evaluate: read faces.csv.gz: it breaks off");
        let error = anyhow::anyhow!("the disk is full").context("write a").context("train");
        assert_eq!(text(&error), "train: write a: the disk is full");
    }

    #[test]
    fn a_damaged_table_is_none_and_one_that_cannot_be_read_is_an_error_of_the_machine() {
        assert_eq!(code(&broken_off(io::ErrorKind::UnexpectedEof)), 65);
        assert_eq!(code(&broken_off(io::ErrorKind::InvalidData)), 65);
        assert_eq!(code(&broken_off(io::ErrorKind::Other)), 74);
    }
}
