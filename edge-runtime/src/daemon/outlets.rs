//! The sinks that send from an outlet, each with a queue and a thread of its own.

use std::io;
use std::sync::atomic::Ordering;

use shared_model::emotion::ClassSet;

use super::error::DaemonError;
use super::secrets::Secrets;
use super::shared::Shelves;
use crate::config::SinkConfig;
use crate::service::Liveness;
use crate::sink::outlet::Outlet;
use crate::sink::{osc, serial, udp};

/// Every outlet that a configuration asks for.
pub(super) fn outlets(
    config: &SinkConfig,
    secrets: &Secrets,
    classes: &ClassSet,
    shelves: &Shelves,
) -> Result<Vec<Outlet>, DaemonError> {
    let mut outlets = Vec::new();
    if let Some(osc) = config.osc {
        outlets.push(started("osc", osc::start(osc, classes))?);
    }
    if let Some(udp) = config.udp {
        outlets.push(started("udp", udp::start(udp, classes))?);
    }
    if let Some(config) = &config.serial {
        outlets.push(started("serial", serial::start(config, classes))?);
    }
    if let Some(config) = &config.webhook {
        outlets.extend(secrets.webhook(config, classes, &shelves.webhook)?);
    }
    Ok(outlets)
}

/// The signs of life of an outlet's thread.
pub(super) fn watched(outlet: &Outlet) -> Liveness {
    let status = outlet.status();
    Liveness::new(outlet.label(), move || status.heartbeats.load(Ordering::Relaxed))
}

fn started(name: &'static str, outlet: io::Result<Outlet>) -> Result<Outlet, DaemonError> {
    outlet.map_err(|source| DaemonError::Outlet { name, source })
}
