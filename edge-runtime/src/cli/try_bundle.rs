//! `edge-runtime try-bundle`: what `update` runs a new bundle in.

use std::path::PathBuf;
use std::process::ExitCode;

use inference::bundle::Bundle;
use update::{Limits, probe};
use vision::face::{FaceError, HAS_CASCADE};

use super::failure::Failure;

/// Loads and runs a bundle with limited memory and time
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Memory that may be written to
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().memory_bytes)]
    memory_bytes: u64,
    /// Most seconds of computing time
    #[arg(long, value_name = "S", default_value_t = Limits::default().seconds)]
    seconds: u64,
    /// Directory of the bundle to try
    bundle: PathBuf,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let limits = Limits {
        memory_bytes: args.memory_bytes,
        seconds: args.seconds,
    };
    probe::try_bundle(&args.bundle, limits)?;
    // Nothing would find a face with it.
    if !HAS_CASCADE && Bundle::open(&args.bundle).is_ok_and(|bundle| bundle.manifest().detector.is_none()) {
        return Err(FaceError::NoCascade.into());
    }
    Ok(ExitCode::SUCCESS)
}
