//! `edge-runtime safe`: every line at its safe level.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::Config;
use edge_runtime::daemon::{lines, open_lines};

use super::failure::Failure;

/// Drives every GPIO line to its safe level, and ends
///
/// For `ExecStopPost=` of the service: a program that was killed leaves its lines as they were.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let Some(gpio) = &config.sink.gpio else {
        tracing::info!("safe: the configuration has no lines");
        return Ok(ExitCode::SUCCESS);
    };
    // Opening is driving: the lines have their safe levels from the first moment.
    open_lines(&gpio.backend, &lines(gpio), &[], Box::new(io::stderr()))?;
    Ok(ExitCode::SUCCESS)
}
