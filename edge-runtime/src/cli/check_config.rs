//! `edge-runtime check-config`: is the file right?

use std::path::PathBuf;
use std::process::ExitCode;

use edge_runtime::config::{Config, Origin, json_schema};
use edge_runtime::preflight::{self, Scope};
use edge_runtime::source::Input;

use super::failure::{Failure, code};
use super::write_line;

/// Checks a configuration file without running anything
///
/// Names the first thing that is wrong with file, line, column and key, or a source file that is not there. With --deep,
/// looks also at what the configuration names: bundle, classes, source, lines, credentials, directories and ports, and
/// names everything that would keep `run` from starting.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(value_name = "FILE", required_unless_present = "schema")]
    file: Option<PathBuf>,
    /// Writes the JSON schema of configurations to standard output, for editors
    #[arg(long, conflicts_with = "file")]
    schema: bool,
    /// Looks at this machine as well; nothing is run or changed
    #[arg(long, visible_alias = "try", requires = "file")]
    deep: bool,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    if args.schema {
        write_line(&format!("{:#}", json_schema()))?;
    }
    if let Some(file) = &args.file {
        let config = Config::load(file)?;
        if args.deep {
            let findings = preflight::check(&config, Scope::All);
            for note in findings.iter().filter(|finding| finding.check == preflight::IN_VAIN) {
                tracing::warn!(about = note.found, "{}", note.found);
            }
            if let Some(problems) = preflight::problems(&findings) {
                problems
                    .lines()
                    .for_each(|line| tracing::error!(about = line, "{line}"));
                return Ok(ExitCode::from(code::CONFIG));
            }
        } else if let Origin::Files(Input::Path(path)) = &config.source.origin
            && !path.exists()
        {
            let message = format!(
                "`source.uri`: {} does not exist; name a picture, a directory or a film",
                path.display()
            );
            return Err(Failure::new(code::NO_INPUT, anyhow::Error::msg(message)));
        }
        tracing::info!("{}: ok", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
