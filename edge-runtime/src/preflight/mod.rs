//! What would keep a configuration from running on this machine, found without running it.
//!
//! Everything that [`run`](crate::daemon::run) needs is checked and named, not only the first that is wrong: bundle,
//! classes, source, lines, credentials, certificates, the directories that are written to, and ports. Nothing is changed:
//! no file is made, no device is opened for itself, no line is driven. The broker is not asked; it may come later.

mod beside;
mod bundle;
mod gpio;
mod outlets;
#[cfg(feature = "page")]
mod page;
#[cfg(not(feature = "page"))]
#[path = "no_page.rs"]
mod page;
mod paths;
mod port;
mod source;
mod trust;

use std::path::{Path, PathBuf};

pub use beside::{CASCADE_LIMIT, DETECTOR_SHARE, Running, RunningOutlet, beside};
use diagnostics::visible;
use serde::Serialize;

use crate::config::{Config, UpdateConfig};
use crate::counts::{CountsLock, CountsSettings};
use crate::left_behind;
use crate::owner::as_owner;
use crate::sink::settings::MqttConfig;

/// What was checked, what was found, and what helps.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Name of the check: one of [`CHECKS`].
    pub check: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, in a sentence.
    pub found: String,
    /// What helps; for what is not as it should be.
    pub cure: Option<String>,
}

/// Names of all checks, in the order of the documents' table.
pub const CHECKS: [&str; 29] = [
    "bundle",
    "classes",
    "decide",
    IN_VAIN,
    "source",
    "camera",
    "search",
    "state",
    "gpio",
    "mqtt",
    "outbox",
    "broker",
    "osc",
    "udp",
    "osc receiver",
    "udp receiver",
    "serial",
    "webhook",
    "webhook outbox",
    "webhook server",
    "counts",
    "update",
    "keys",
    "page",
    "page port",
    "metrics",
    "clock",
    "memory",
    "throttling",
];

/// Name of the findings about settings that have no effect; nothing is wrong with them.
pub const IN_VAIN: &str = "face";

impl Finding {
    /// A finding that is as it should be.
    pub fn good(check: &'static str, found: impl Into<String>) -> Self {
        debug_assert!(CHECKS.contains(&check), "{check} is in no list");
        Self {
            check,
            ok: true,
            found: line(&found.into()),
            cure: None,
        }
    }

    /// Something is wrong, and this helps.
    pub fn bad(check: &'static str, found: impl Into<String>, cure: impl Into<String>) -> Self {
        debug_assert!(CHECKS.contains(&check), "{check} is in no list");
        Self {
            check,
            ok: false,
            found: line(&found.into()),
            cure: Some(line(&cure.into())),
        }
    }
}

/// The text in one line, with nothing in it that a terminal would obey: names of files may hold anything.
fn line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

/// How much of a configuration is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everything that the configuration needs.
    All,
    /// Not the source: it is open already, and a camera may be away for a moment.
    KeepsSource,
}

/// Checks everything that the configuration needs.
pub fn check(config: &Config, scope: Scope) -> Vec<Finding> {
    let mut findings = bundle::check(config);
    if scope == Scope::All {
        findings.extend(source::check(&config.source));
    }
    findings.extend(trust::check(config));
    findings.extend(paths::state(&config.state));
    findings.extend(config.sink.gpio.as_ref().map(gpio::check));
    if let Some(mqtt) = &config.sink.mqtt {
        findings.push(paths::login(mqtt));
        findings.push(outbox(mqtt));
    }
    findings.extend(outlets::check(&config.sink));
    findings.extend(config.counts.as_ref().map(counts));
    findings.extend(config.update.as_ref().map(paths::update));
    findings.extend(config.page.as_ref().map(page::check));
    findings.extend(config.page.as_ref().map(|page| port::check(&port::PAGE, page.listen)));
    findings.extend(
        config
            .metrics
            .map(|metrics| port::check(&port::METRICS, metrics.listen)),
    );
    findings
}

fn outbox(mqtt: &MqttConfig) -> Finding {
    paths::outbox(
        "outbox",
        &mqtt.outbox.dir,
        "name another directory as `sink.mqtt.outbox.dir`",
    )
}

/// Events that wait in directories of earlier configurations, each a finding. They keep nothing from running.
pub fn left_behind(config: &Config) -> Vec<Finding> {
    let left = left_behind::look(config).into_iter();
    left.map(|left| Finding::bad("outbox", left.found(), left_behind::CURE))
        .collect()
}

/// Whether counts can be kept. Who holds the directory is not asked: it may be the very kiosk that is to reload.
fn counts(counts: &CountsSettings) -> Finding {
    let place = paths::directory("counts", &counts.dir, "name another directory as `counts.dir`");
    if place.ok && as_owner(&counts.dir, CountsLock::is_taken).unwrap_or(false) {
        let found = format!("{} is held by an edge-runtime that counts", counts.dir.display());
        return Finding::good("counts", found);
    }
    place
}

/// Whether the public root key is there, by which updates are checked.
pub fn keys(config: &UpdateConfig) -> Finding {
    let path = config.keys.join("root.pub");
    match durable::read_text(&path) {
        Ok(_) => Finding::good("keys", path.display().to_string()),
        Err(error) => Finding::bad(
            "keys",
            format!("{}: {error}", path.display()),
            "put the public root key there: no update can be checked without it",
        ),
    }
}

/// What other users can change of what a program of root's would trust or write to; `None` for other users' programs, which
/// harm nobody but themselves.
pub fn untrusted_as_root(config: &Config) -> Option<PathBuf> {
    let root = rustix::process::geteuid().is_root();
    root.then(|| trust::untrusted(config).or_else(|| paths::led_astray(config)))
        .flatten()
}

/// What other users can change of a bundle, or of a directory of state, that a program of root's would trust.
pub fn untrusted_dir_as_root(dir: &Path) -> Option<PathBuf> {
    let root = rustix::process::geteuid().is_root();
    root.then(|| trust::open_to_others(dir)).flatten()
}

/// What is wrong, one line each; `None` where nothing is.
pub fn problems(findings: &[Finding]) -> Option<String> {
    let wrong: Vec<String> = (findings.iter())
        .filter(|finding| !finding.ok)
        .map(|finding| match &finding.cure {
            Some(cure) => format!("{}: {}; {cure}", finding.check, finding.found),
            None => format!("{}: {}", finding.check, finding.found),
        })
        .collect();
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}

#[cfg(test)]
mod tests;
