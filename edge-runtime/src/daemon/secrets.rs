//! What the files of secrets and certificates say: read before a configuration runs, and kept as long as it does. A run that
//! goes on needs none of them again, whatever has become of them.

use durable::outbox::Shelf;
use shared_model::emotion::ClassSet;

use super::error::DaemonError;
use crate::config::SinkConfig;
use crate::counts::CountsLock;
#[cfg(feature = "mqtt")]
use crate::sink::mqtt::Broker;
use crate::sink::outlet::Outlet;
use crate::sink::webhook::WebhookConfig;
#[cfg(feature = "webhook")]
use crate::sink::webhook::{self, Receiver};

/// What the sinks of a configuration need for themselves.
#[derive(Clone, Default)]
pub(super) struct SinkResources {
    pub(super) secrets: Secrets,
    pub(super) counts: Option<CountsLock>,
}

/// Those of one configuration.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    #[cfg(feature = "mqtt")]
    broker: Option<Broker>,
    #[cfg(feature = "webhook")]
    receiver: Option<Receiver>,
}

impl Secrets {
    /// Reads all that a configuration names.
    pub(super) fn read(config: &SinkConfig) -> Result<Self, DaemonError> {
        #[cfg(not(feature = "mqtt"))]
        if config.mqtt.is_some() {
            return Err(DaemonError::NoMqtt);
        }
        #[cfg(not(feature = "webhook"))]
        if config.webhook.is_some() {
            return Err(DaemonError::NoWebhook);
        }
        Ok(Self {
            #[cfg(feature = "mqtt")]
            broker: config.mqtt.as_ref().map(Broker::read).transpose()?,
            #[cfg(feature = "webhook")]
            receiver: config.webhook.as_ref().map(Receiver::read).transpose()?,
        })
    }

    /// The broker, where the configuration has one.
    #[cfg(feature = "mqtt")]
    pub(super) fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// Starts to post to a web server.
    #[cfg(feature = "webhook")]
    pub(super) fn webhook(
        &self,
        config: &WebhookConfig,
        classes: &ClassSet,
        shelf: &Shelf,
    ) -> Result<Option<Outlet>, DaemonError> {
        let started = |receiver| webhook::start(config, receiver, classes, shelf);
        Ok(self.receiver.clone().map(started).transpose()?)
    }

    #[cfg(not(feature = "webhook"))]
    #[expect(clippy::unused_self, reason = "it stands in for what needs itself")]
    pub(super) fn webhook(&self, _: &WebhookConfig, _: &ClassSet, _: &Shelf) -> Result<Option<Outlet>, DaemonError> {
        Err(DaemonError::NoWebhook)
    }
}
