//! `edge-runtime doctor`: is the machine as the configuration wants it?

mod broker;
mod camera;
mod gpio;
mod machine;
mod search;

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use edge_runtime::config::Config;
use edge_runtime::sink::JsonLines;
use inference::bundle::Bundle;
use serde::Serialize;

use super::failure::{Failure, code};

/// Looks at bundle, camera, detector, lines, broker, clock, memory and throttling, and names a cure for what is wrong
///
/// Writes a JSON line for each on standard output: {"check", "ok", "found", "cure"}. Ends with 0 if all is well, else
/// with 69. The camera is asked what it offers, and the broker for a connection as `run` makes it; a running service keeps both.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration file, in TOML
    #[arg(long, value_name = "FILE", default_value = "/etc/edge-runtime/config.toml")]
    config: PathBuf,
}

/// What was looked at, what was found, and what helps.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    ok: bool,
    found: String,
    cure: Option<String>,
}

fn good(check: &'static str, found: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: true,
        found: found.into(),
        cure: None,
    }
}

fn bad(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Finding {
    Finding {
        check,
        ok: false,
        found: found.into(),
        cure: Some(cure.into()),
    }
}

pub(crate) fn main(args: &Args) -> Result<ExitCode, Failure> {
    let config = Config::load(&args.config)?;
    let mut findings = vec![bundle(&config.bundle), camera::camera(&config.source)];
    findings.extend(search::search(&config));
    findings.extend(config.sink.gpio.as_ref().map(gpio::lines));
    findings.extend(config.sink.mqtt.as_ref().map(broker::broker));
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

fn bundle(dir: &Path) -> Finding {
    match Bundle::open(dir) {
        Ok(bundle) => good(
            "bundle",
            format!("{} {}", bundle.manifest().name, bundle.manifest().version),
        ),
        Err(error) => bad("bundle", error.to_string(), "install the package anew, or set `bundle`"),
    }
}

/// What keeps a device from being opened, if anything does; `cure` is for one that is not there.
fn openable(check: &'static str, path: &Path, group: &str, cure: &str) -> Option<Finding> {
    let error = OpenOptions::new().read(true).write(true).open(path).err()?;
    let found = format!("{}: {error}", path.display());
    Some(if error.kind() == io::ErrorKind::PermissionDenied {
        bad(check, found, format!("add the user to the group {group}"))
    } else {
        bad(check, found, cure)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_missing_has_a_cure() {
        let finding = bundle(Path::new("/nowhere/at/all"));
        assert!(!finding.ok && finding.cure.is_some(), "{finding:?}");
    }
}
