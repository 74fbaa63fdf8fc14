//! `edge-runtime doctor`: is the machine as the configuration wants it?

mod broker;
mod camera;
mod receivers;
mod search;

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::config::Config;
use edge_runtime::machine;
use edge_runtime::preflight::{self, Finding, Scope};
use edge_runtime::sink::JsonLines;

use super::failure::{Failure, code};

/// Looks at all that the configuration needs, and at detector, broker, clock, memory and throttling; names a cure for what is
/// wrong
///
/// Writes a JSON line for each on standard output: {"check", "ok", "found", "cure"}. Ends with 0 if all is well, else
/// with 69. The camera is asked what it offers, and the broker for a connection as `run` makes it; a running service keeps both.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let mut findings = preflight::check(&config, Scope::All);
    findings.extend(preflight::left_behind(&config));
    findings.extend(camera::camera(&config.source));
    findings.extend(search::search(&config));
    findings.extend(config.update.as_ref().map(preflight::keys));
    findings.extend(config.sink.mqtt.as_ref().map(broker::broker));
    findings.extend(receivers::receivers(&config.sink));
    findings.extend([machine::clock(), machine::memory(), machine::throttling()]);
    let mut out = JsonLines::new(std::io::stdout(), edge_runtime::sink::Faces::Hide);
    for finding in &findings {
        out.write(finding)?;
    }
    let wrong = findings.iter().filter(|finding| !finding.ok).count();
    tracing::info!("doctor: {wrong} of {} findings need a cure", findings.len());
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(code::UNAVAILABLE)
    })
}

/// What keeps a device from being opened, if anything does; `cure` is for one that is not there.
fn openable(check: &'static str, path: &Path, group: &str, cure: &str) -> Option<Finding> {
    let error = OpenOptions::new().read(true).write(true).open(path).err()?;
    let found = format!("{}: {error}", path.display());
    Some(if error.kind() == io::ErrorKind::PermissionDenied {
        Finding::bad(check, found, format!("add the user to the group {group}"))
    } else {
        Finding::bad(check, found, cure)
    })
}
