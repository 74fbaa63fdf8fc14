//! `edge-runtime check-config`: is the file right?

use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::Config;

use super::Verbosity;
use super::failure::Failure;

/// Checks a configuration file without running anything
///
/// Names the first thing that is wrong with file, line, column and key. What only the bundle or the
/// hardware knows is checked when `run` starts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn main(args: &Args, verbosity: Verbosity) -> Result<ExitCode, Failure> {
    Config::load(&args.file)?;
    verbosity.say(&format!("{}: ok", args.file.display()));
    Ok(ExitCode::SUCCESS)
}
