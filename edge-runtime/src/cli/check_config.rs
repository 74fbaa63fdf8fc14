//! `edge-runtime check-config`: is the file right?

use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::{Config, json_schema};

use super::failure::Failure;
use super::write_line;

/// Checks a configuration file without running anything
///
/// Names the first thing that is wrong with file, line, column and key. What only the bundle or the
/// hardware knows is checked when `run` starts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Writes the JSON schema of configurations to standard output, for editors
    #[arg(long, conflicts_with = "file")]
    schema: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    if args.schema {
        write_line(&format!("{:#}", json_schema()))?;
    }
    if let Some(file) = &args.file {
        Config::load(file)?;
        tracing::info!("{}: ok", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
