//! Machines that compute for this one, by burn's `remote` backend: the side that asks, and the side that serves.
//!
//! Each replica sends its weights and faces to its machine in every step, and reads gradients back; weights,
//! moments, averages and checkpoints stay here, so that a machine can vanish at any moment. Adding up the
//! gradients stays here as well: burn 0.22's own collectives reduce between the devices of one server only.
//!
//! The transport is a WebSocket: neither encrypted nor authenticated.

use std::fmt;
use std::future::Future;
use std::net::TcpListener;

use anyhow::{Context, Result};
use burn::remote::RemoteHost;
use burn::server::{AuthorizationRequest, RemoteServer, WebSocketTransport};
use burn::tensor::Device;

use super::{Backend, DeviceError, Devices, ReplicaDevice};

impl Devices {
    /// The first device of each of these servers, `ws://HOST:PORT`; at least one. Waits some seconds for one
    /// that is about to start.
    pub fn remote(urls: &[String]) -> Result<Self, DeviceError> {
        let replicas = urls.iter().map(|url| connect(url)).collect::<Result<_, _>>()?;
        Ok(Self {
            home: Backend::FlexAutodiff.device(),
            host: true,
            replicas,
            engine: false,
        })
    }
}

fn connect(url: &str) -> Result<ReplicaDevice, DeviceError> {
    let device = Device::remote_options(&RemoteHost::websocket(url)).init();
    let device = device.map_err(|error| DeviceError::Unavailable {
        device: url.to_owned(),
        reason: format!("{error}; start `host-trainer serve` there"),
    })?;
    Ok(ReplicaDevice {
        device: device.autodiff(),
        name: url.to_owned(),
        host: false,
    })
}

/// Computes for whoever connects to `listener`, until `stop` is ready; `tell` hears of each of them.
pub fn serve(
    backend: Backend,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    tell: impl Fn(&dyn fmt::Display) + Send + Sync + 'static,
) -> Result<()> {
    backend.check()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the server's threads")?;
    let server = RemoteServer::new([backend.device()]).with_authorizer(move |request: AuthorizationRequest<'_>| {
        tell(&request.client);
        Ok(())
    });
    let serving = server.serve_async(WebSocketTransport::from_listener(listener));
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = serving => ended.context("serve"),
            () = stop => Ok(()),
        }
    });
    // Work of a client must not delay the end.
    runtime.shutdown_background();
    ended
}
