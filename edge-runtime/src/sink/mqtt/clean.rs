//! Removes what a broker keeps of a device that is gone: its state, its availability, and what Home Assistant knows of it.

use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Packet, PublishOptions, QoS};
use tokio::time::timeout;

use super::fault::Fault;
use super::topics::Topics;
use super::{Broker, MqttError, link};
use crate::sink::settings::MqttConfig;

/// Longest wait for the broker's next word.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest wait for what the broker keeps, once it has taken the subscription: it sends that at once.
const KEPT: Duration = Duration::from_millis(500);

/// Why nothing was removed, or not all.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// The device would say everything again.
    #[error("{0} is online; stop its kiosk first")]
    Online(String),
    /// The broker cannot be reached, or refuses.
    #[error("{fault}; {}", fault.cure())]
    Fault {
        /// What keeps it apart.
        fault: Fault,
    },
}

impl From<Fault> for CleanError {
    fn from(fault: Fault) -> Self {
        Self::Fault { fault }
    }
}

/// Removes what is kept of a device, and gives the topics. It is not asked whether anything was there.
///
/// # Errors
/// A device that is online, or a broker that does not take part.
pub fn clean(config: &MqttConfig, device: &str) -> Result<Vec<String>, CleanError> {
    let setup = |error: MqttError| Fault::Setup(error.to_string());
    let broker = Broker::read(config).map_err(setup)?;
    let options = link::options(&broker, format!("edge-runtime-clean-{device}"));
    let topics = Topics::new(device, &config.discovery_prefix);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| setup(MqttError::Start(error)))?;
    runtime.block_on(async {
        let (client, mut events) = AsyncClient::builder(options).capacity(8).build();
        events.set_network_options(link::network());
        if is_online(&client, &mut events, &topics).await? {
            return Err(CleanError::Online(device.to_owned()));
        }
        let kept = topics.kept();
        for topic in &kept {
            let asked = client.try_publish(topic.as_str(), Vec::new(), PublishOptions::at_least_once().retain(true));
            asked.map_err(|error| Fault::Other(error.to_string()))?;
        }
        for _ in &kept {
            until(&mut events, |packet| matches!(packet, Packet::PubAck(_)).then_some(())).await?;
        }
        // Without a will, a farewell that does not arrive does no harm.
        if client.try_disconnect_now().is_ok() {
            let gone = async { while events.poll().await.is_ok() {} };
            let _ = timeout(KEPT, gone).await;
        }
        Ok(kept.to_vec())
    })
}

/// Whether the broker keeps `online`: a device that vanishes has a last will, so one that says so is there.
async fn is_online(client: &AsyncClient, events: &mut EventLoop, topics: &Topics) -> Result<bool, Fault> {
    let asked = client.try_subscribe(topics.availability(), QoS::AtLeastOnce);
    asked.map_err(|error| Fault::Other(error.to_string()))?;
    until(events, |packet| matches!(packet, Packet::SubAck(_)).then_some(())).await?;
    let kept = until(events, |packet| match packet {
        Packet::Publish(publish) => Some(publish.payload == b"online"[..]),
        _ => None,
    });
    // Silence: nothing is kept.
    timeout(KEPT, kept).await.unwrap_or(Ok(false))
}

/// Waits for a packet of a kind.
async fn until<T>(events: &mut EventLoop, wanted: impl Fn(&Packet) -> Option<T>) -> Result<T, Fault> {
    loop {
        let event = timeout(PATIENCE, events.poll()).await.map_err(|_| Fault::NoAnswer)?;
        if let Event::Incoming(packet) = event.map_err(|error| Fault::from(&error))?
            && let Some(found) = wanted(&packet)
        {
            return Ok(found);
        }
    }
}
