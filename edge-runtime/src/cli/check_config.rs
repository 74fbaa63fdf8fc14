//! `edge-runtime check-config`: is the file right?

use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::{Config, json_schema};
use edge_runtime::preflight::{self, Scope};

use super::failure::{Failure, code};
use super::write_line;

/// Checks a configuration file without running anything
///
/// Names the first thing that is wrong with file, line, column and key. With --deep, looks also at what the configuration
/// names: bundle, classes, source, lines, credentials, directories and ports, and names everything that would keep `run`
/// from starting.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Writes the JSON schema of configurations to standard output, for editors
    #[arg(long, conflicts_with = "file")]
    schema: bool,
    /// Looks at this machine as well; nothing is run or changed
    #[arg(long, requires = "file")]
    deep: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    if args.schema {
        write_line(&format!("{:#}", json_schema()))?;
    }
    if let Some(file) = &args.file {
        let config = Config::load(file)?;
        let findings = if args.deep {
            preflight::look(&config, Scope::All)
        } else {
            Vec::new()
        };
        if let Some(trouble) = preflight::trouble(&findings) {
            let trouble = trouble.replace('\n', "\nerror: ");
            return Err(Failure::new(code::CONFIG, anyhow::Error::msg(trouble)));
        }
        tracing::info!("{}: ok", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
