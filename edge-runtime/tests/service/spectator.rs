//! Somebody at a broker who watches how programs come and go; nobody where there is no broker.

#[cfg(feature = "mqtt")]
mod at_broker {
    use std::path::Path;

    use rumqttc::Transport;

    use crate::support::broker::{Broker, Memory};
    use crate::support::listener::Listener;
    use crate::support::until;

    pub(crate) struct Spectator(Option<(Broker, Listener)>);

    impl Spectator {
        pub(crate) fn start() -> Self {
            Self(Broker::start(Memory::None).map(|broker| {
                let listener = Listener::start(broker.port, "spectator", Transport::Tcp);
                (broker, listener)
            }))
        }

        /// The section of a configuration that tells this broker.
        pub(crate) fn sink(&self, outbox: &Path) -> String {
            self.0.as_ref().map_or_else(String::new, |(broker, _)| {
                format!(
                    "[sink.mqtt]\nhost = \"127.0.0.1\"\nport = {}\ndevice = \"hall\"\noutbox = {{ dir = '{}' }}\n",
                    broker.port,
                    outbox.display()
                )
            })
        }

        /// How often a program has said this of itself.
        pub(crate) fn said(&self, word: &str) -> u64 {
            self.0.as_ref().map_or(0, |(_, listener)| {
                let said = listener.on("/availability");
                said.iter().filter(|it| it.text == word).count() as u64
            })
        }

        pub(crate) fn until_said(&self, word: &str, times: u64) {
            if self.0.is_some() {
                until(word, || self.said(word) >= times);
            }
        }
    }
}

#[cfg(not(feature = "mqtt"))]
mod at_broker {
    use std::path::Path;

    pub(crate) struct Spectator;

    impl Spectator {
        pub(crate) fn start() -> Self {
            Self
        }

        pub(crate) fn sink(&self, _: &Path) -> String {
            String::new()
        }

        pub(crate) fn said(&self, _: &str) -> u64 {
            0
        }

        pub(crate) fn until_said(&self, _: &str, _: u64) {}
    }
}

pub(crate) use at_broker::Spectator;
