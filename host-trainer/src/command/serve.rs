//! `host-trainer serve`.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use host_trainer::device::Backend;
use host_trainer::device::remote::serve;
use serde_json::json;
use tokio::sync::Notify;

/// Compute for trainings on other machines (`train --remote`), until Ctrl-C.
///
/// Whoever reaches the port can compute here, fill the memory, and read and change what a training sends:
/// there is neither a password nor encryption. Listen on the loopback and let others come through
/// `ssh -L`, or on the address of a network in which everybody is trusted. The address that is listened
/// on goes to stdout as a JSON line.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// What computes here; `flex` and `flex-autodiff` are the same.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    device: Backend,
}

impl Serve {
    pub(crate) fn run(&self) -> Result<ExitCode> {
        let listener = TcpListener::bind(self.listen).with_context(|| format!("listen on {}", self.listen))?;
        let address = listener.local_addr().context("ask for the port")?;
        let stop = Arc::new(Notify::new());
        let asked = Arc::clone(&stop);
        ctrlc::set_handler(move || asked.notify_one()).context("listen for Ctrl-C")?;
        if !address.ip().is_loopback() {
            tracing::warn!("whoever reaches {address} can compute here, without password or encryption");
        }
        super::write_line(&json!({ "listening": format!("ws://{address}") }).to_string())?;
        serve(self.device, listener, stop.notified(), |client| {
            tracing::info!("{client} connected");
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
