//! Somebody at the broker who writes down every message, over the broker's restarts.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, PublishOptions, QoS, Transport};

use super::until;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) topic: String,
    pub(crate) text: String,
    pub(crate) retained: bool,
}

pub(crate) struct Listener {
    heard: Arc<Mutex<Vec<Heard>>>,
    ready: Arc<Mutex<bool>>,
    client: Client,
}

impl Listener {
    /// Listens to everything, and is remembered by the broker under `id`.
    pub(crate) fn start(port: u16, id: &str, transport: Transport) -> Self {
        Self::to("#", port, id, transport)
    }

    /// Listens to some topics.
    pub(crate) fn to(topics: &'static str, port: u16, id: &str, transport: Transport) -> Self {
        let mut options = MqttOptions::new(id, ("127.0.0.1", port));
        options
            .set_clean_session(false)
            .set_inflight(1000)
            .set_max_packet_size(1 << 20, 1 << 24)
            .set_keep_alive(60)
            .set_transport(transport);
        let (client, mut connection) = Client::builder(options).capacity(100).build();
        let listener = Self {
            heard: Arc::default(),
            ready: Arc::default(),
            client: client.clone(),
        };
        let (heard, ready) = (Arc::clone(&listener.heard), Arc::clone(&listener.ready));
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        let _ = client.try_subscribe(topics, QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::SubAck(_))) => *ready.lock().unwrap() = true,
                    Ok(Event::Incoming(Packet::Publish(publish))) => heard.lock().unwrap().push(Heard {
                        text: String::from_utf8_lossy(&publish.payload).into_owned(),
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        retained: publish.retain,
                    }),
                    Ok(_) => {}
                    Err(rumqttc::ConnectionError::RequestsDone) => return,
                    Err(_) => {
                        *ready.lock().unwrap() = false;
                        thread::sleep(Duration::from_millis(20));
                    }
                }
            }
        });
        listener.until_ready();
        listener
    }

    /// Waits until it has noticed that the broker is gone.
    pub(crate) fn until_lost(&self) {
        until("the listener loses the broker", || !*self.ready.lock().unwrap());
    }

    /// Waits until it listens, after a restart of the broker too.
    pub(crate) fn until_ready(&self) {
        until("the listener subscribes", || *self.ready.lock().unwrap());
    }

    /// Numbers of the events, in the order in which they came.
    pub(crate) fn events(&self) -> Vec<u64> {
        let number = |heard: &Heard| {
            assert!(!heard.retained, "an event was kept");
            let event: serde_json::Value = serde_json::from_str(&heard.text).unwrap();
            event["sequence"].as_u64().unwrap()
        };
        self.on("/event").iter().map(number).collect()
    }

    /// How many messages came on topics that end so.
    pub(crate) fn count(&self, leaf: &str) -> u64 {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|it| it.topic.ends_with(leaf)).count() as u64
    }

    /// Messages on topics that end so.
    pub(crate) fn on(&self, leaf: &str) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|it| it.topic.ends_with(leaf)).cloned().collect()
    }

    pub(crate) fn publish(&self, topic: &str, retain: bool, payload: &[u8]) {
        let options = PublishOptions::at_least_once().retain(retain);
        self.client.publish(topic, payload, options).unwrap();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.client.try_disconnect_now();
    }
}
