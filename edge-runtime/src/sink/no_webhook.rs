//! The settings of a webhook, for programs that were built without it: a configuration is understood all the same.

#[path = "webhook/settings.rs"]
mod settings;

pub use settings::{WebhookConfig, is_web_address};
