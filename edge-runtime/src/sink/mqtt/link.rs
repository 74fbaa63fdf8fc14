//! The connection to the broker; rumqttc's types stay here.

use std::time::{Duration, Instant};

use rumqttc::{
    AsyncClient, Broker as Address, Event, EventLoop, LastWill, MqttOptions, NetworkOptions, Outgoing, Packet,
    PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};

use super::Broker;
use super::fault::Fault;
use super::session::{Request, Retain};

/// What the library may hold and read, and how long the link waits for the broker.
pub(super) struct LinkSettings {
    /// Requests that the library holds; the session never has as many open.
    capacity: usize,
    /// Packet numbers before the library begins anew: more than can ever be open.
    packets: u16,
    /// Largest packet from the broker that is read, and dropped later if it is too large for a message to a
    /// switch; a larger one ends the connection.
    max_incoming: usize,
    /// Largest packet to the broker.
    max_outgoing: usize,
    /// Seconds that connecting, and sending one packet, may take.
    timeout_s: u64,
    /// Seconds without a sign of life after which the broker is asked for one; at the next it counts as gone.
    pub(super) keep_alive_s: u16,
    /// How long a session must last before the next failure counts as the first again.
    pub(super) steady: Duration,
    /// Wait after the first failure: a broker that restarts is back soon.
    first_wait: Duration,
    /// Longest wait: half a minute after the network is back, the kiosk is too.
    longest_wait: Duration,
}

pub(super) const LINK: LinkSettings = LinkSettings {
    capacity: 64,
    packets: 1000,
    max_incoming: 1024 * 1024,
    max_outgoing: 128 * 1024,
    timeout_s: 5,
    keep_alive_s: 10,
    steady: Duration::from_secs(30),
    first_wait: Duration::from_millis(250),
    longest_wait: Duration::from_secs(30),
};

/// What happens on the connection to the broker.
#[derive(Debug)]
pub(super) enum LinkEvent {
    /// It has accepted the connection.
    Connected,
    /// The oldest message that was asked for went out with this packet number.
    Sent(u16),
    /// It has confirmed a packet.
    Confirmed(u16),
    /// It has taken the subscription, and says for each topic whether it passes that on.
    Subscribed(Vec<bool>),
    /// A message on a topic that was listened to.
    Message(Message),
    /// The connection is gone, or could not be made.
    Lost(Fault),
    /// Nothing that the session has to know.
    Other,
}

/// A message from the broker.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Whether it was kept from earlier.
    pub(super) retained: bool,
}

/// Asks the client library for something.
pub(super) struct Requests(AsyncClient);

impl Requests {
    /// Returns false if the library takes no more.
    pub(super) fn ask(&self, request: Request) -> bool {
        let asked = match request {
            Request::Subscribe(topics) => {
                let filter = |topic| SubscribeFilter::new(topic, QoS::AtLeastOnce);
                self.0.try_subscribe_many(topics.into_iter().map(filter))
            }
            Request::Publish { topic, payload, retain } => {
                let options = PublishOptions::at_least_once().retain(retain == Retain::Keep);
                self.0.try_publish(topic, payload, options)
            }
        };
        asked.is_ok()
    }

    /// Says farewell, so that the last will is not sent.
    pub(super) fn disconnect(&self) {
        // Without it the broker sends the will, which is right when not even this can be said.
        let _ = self.0.try_disconnect_now();
    }
}

/// The connection to one broker, made again whenever it is lost.
pub(super) struct Link {
    events: EventLoop,
    /// Wait before the next attempt; zero for the first.
    wait: Duration,
    /// Whether that wait is still to come.
    waits: bool,
    /// When the broker accepted the connection, while there is one.
    since: Option<Instant>,
    /// Spreads the attempts of many devices, 0.75 to 1.25.
    spread: f64,
}

impl Link {
    /// A link that connects as soon as it is asked for an event.
    pub(super) fn new(broker: &Broker, spread: f64) -> (Self, Requests) {
        let mut options = options(broker, super::client_name(&broker.config.device));
        let will = LastWill::new(&broker.will_topic, "offline", QoS::AtLeastOnce, true);
        options.set_last_will(will);
        let (client, mut events) = AsyncClient::builder(options).capacity(LINK.capacity).build();
        events.set_network_options(network());
        let link = Self {
            events,
            wait: Duration::ZERO,
            waits: false,
            since: None,
            spread,
        };
        (link, Requests(client))
    }

    /// Waits for the next event. Dropped early, it gives up a connection that is being made.
    pub(super) async fn next_event(&mut self) -> LinkEvent {
        // Even a timer of no length would cost each message a millisecond.
        if self.waits {
            tokio::time::sleep(self.wait).await;
            self.waits = false;
        }
        match self.events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                self.since = Some(Instant::now());
                LinkEvent::Connected
            }
            Ok(Event::Incoming(Packet::PubAck(ack))) => LinkEvent::Confirmed(ack.pkid),
            Ok(Event::Incoming(Packet::SubAck(ack))) => {
                let codes = ack.return_codes.iter();
                LinkEvent::Subscribed(codes.map(|code| *code != SubscribeReasonCode::Failure).collect())
            }
            Ok(Event::Incoming(Packet::Publish(publish))) => LinkEvent::Message(Message {
                topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                payload: publish.payload.to_vec(),
                retained: publish.retain,
            }),
            Ok(Event::Outgoing(Outgoing::Publish(packet))) => LinkEvent::Sent(packet),
            Ok(_) => LinkEvent::Other,
            Err(error) => {
                self.reset();
                LinkEvent::Lost(Fault::from(&error))
            }
        }
    }

    /// Ends the connection and drops everything that was asked for: the session will ask again.
    pub(super) fn reset(&mut self) {
        self.events.clean();
        self.events.reset_session_state();
        let lasted = self.since.take().map(|since| since.elapsed());
        self.wait = next_wait(self.wait, lasted, self.spread);
        self.waits = true;
    }
}

/// The wait before the next attempt, after one of this length; `lasted` is how long the session lasted, if there was one. A
/// broker that takes the device and throws it out at once is no better than one that does not take it.
fn next_wait(last: Duration, lasted: Option<Duration>, spread: f64) -> Duration {
    let last = if lasted.is_some_and(|lasted| lasted >= LINK.steady) {
        Duration::ZERO
    } else {
        last
    };
    let doubled = (last * 2).clamp(LINK.first_wait, LINK.longest_wait);
    doubled.mul_f64(spread).min(LINK.longest_wait)
}

pub(super) fn network() -> NetworkOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(LINK.timeout_s);
    network
}

/// How to connect to a broker, under this name; without a last will.
pub(super) fn options(broker: &Broker, name: String) -> MqttOptions {
    let config = &broker.config;
    let mut options = MqttOptions::new(name, Address::tcp(&config.host, config.port));
    options
        .set_keep_alive(LINK.keep_alive_s)
        .set_inflight(LINK.packets)
        .set_max_packet_size(LINK.max_incoming, LINK.max_outgoing);
    if let Some((user, password)) = &broker.credentials {
        options.set_credentials(user, password.clone());
    }
    if let Some(tls) = &broker.tls {
        let tls = TlsConfiguration::from(tls.clone());
        options.set_transport(Transport::tls_with_config(tls));
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_until_a_session_has_lasted_as_long() {
        let mut wait = Duration::ZERO;
        let mut next = |lasted: Option<u64>| {
            wait = next_wait(wait, lasted.map(Duration::from_secs), 1.0);
            wait.as_millis()
        };
        // Thrown out by another device of the same name, again and again.
        let waits: Vec<u128> = (0..9).map(|_| next(Some(1))).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(next(None), 30_000);
        assert_eq!(next(Some(29)), 30_000);
        assert_eq!([next(Some(30)), next(None)], [250, 500]);
    }
}
