//! `edge-runtime check-config`: is the file right?

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::config::{Config, Origin, json_schema};
use edge_runtime::preflight::{self, Scope};
use edge_runtime::source::Input;

use super::failure::{Failure, code};
use super::write_line;

/// Checks a configuration file without running anything
///
/// Names the first thing that is wrong with file, line, column and key, or a source file that is not there. With --deep,
/// names everything that is wrong with the file, looks also at what it names: bundle, classes, source, lines, credentials,
/// directories and ports, and names everything that would keep `run` from starting.
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
        if args.deep {
            return deep(file);
        }
        let config = Config::load(file)?;
        if let Origin::Files(Input::Path(path)) = &config.source.origin
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

/// Names everything that is wrong: with the file, and on this machine with what is not wrong in the file.
fn deep(file: &Path) -> Result<ExitCode, Failure> {
    let survey = Config::survey(file)?;
    let mut wrong: Vec<String> = survey.faults.iter().map(ToString::to_string).collect();
    if let Some(config) = &survey.rest {
        let scope = if survey.has_source {
            Scope::All
        } else {
            Scope::KeepsSource
        };
        let findings = preflight::check(config, scope);
        for note in findings.iter().filter(|finding| finding.check == preflight::IN_VAIN) {
            tracing::warn!(about = note.found, "{}", note.found);
        }
        let problems = preflight::problems(&findings);
        wrong.extend(problems.iter().flat_map(|problems| problems.lines()).map(str::to_owned));
    }
    if wrong.is_empty() {
        tracing::info!("{}: ok", file.display());
        return Ok(ExitCode::SUCCESS);
    }
    for line in &wrong {
        tracing::error!(about = line, "{line}");
    }
    Ok(ExitCode::from(code::CONFIG))
}
