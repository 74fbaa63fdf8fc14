//! Whether the broker would take the device: one connection, made as the configuration says and left again.

use std::net::ToSocketAddrs;
use std::time::Duration;

use rumqttc::AsyncClient;
use tokio::time::timeout;

use super::fault::Fault;
use super::{Broker, MqttError, link};
use crate::sink::settings::MqttConfig;

/// Longest wait for the farewell to go out.
const FAREWELL: Duration = Duration::from_millis(500);

/// Connects and leaves. The name at the broker is another than the device's: a kiosk that runs keeps its own connection.
///
/// # Errors
///
/// Why the broker cannot be reached, or what it refuses.
pub fn probe(config: &MqttConfig) -> Result<(), Fault> {
    let place = (config.host.as_str(), config.port);
    // Asked here, where an answer that does not come is told from other errors.
    place
        .to_socket_addrs()
        .map_err(|error| Fault::UnknownHost(error.to_string()))?;
    let setup = |error: MqttError| Fault::Setup(error.to_string());
    let broker = Broker::read(config).map_err(setup)?;
    let options = link::options(&broker, format!("edge-runtime-doctor-{}", config.device));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| setup(MqttError::Start(error)))?;
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::builder(options).capacity(1).build();
        events.set_network_options(link::network());
        // The first news is that the broker has accepted the connection.
        events.poll().await.map_err(|error| Fault::from(&error))?;
        // Without a will, a farewell that does not arrive does no harm.
        if client.try_disconnect_now().is_ok() {
            let gone = async { while events.poll().await.is_ok() {} };
            let _ = timeout(FAREWELL, gone).await;
        }
        Ok(())
    })
}
