//! Errors that end the program, with their exit codes (sysexits).

use std::io;

#[cfg(any(feature = "mqtt", feature = "webhook"))]
use durable::outbox::OutboxError;
use edge_runtime::config::ConfigError;
use edge_runtime::daemon::DaemonError;
#[cfg(feature = "page")]
use edge_runtime::page::{PageError, TokenError};
use edge_runtime::pipeline::PipelineError;
use edge_runtime::sink::SinkError;
#[cfg(feature = "mqtt")]
use edge_runtime::sink::mqtt::MqttError;
#[cfg(feature = "webhook")]
use edge_runtime::sink::webhook::WebhookError;
use edge_runtime::source::{Fault, SourceError};
use inference::PredictError;
use inference::bundle::BundleError;
use vision::face::FaceError;
use vision::tracking::TrackError;

/// Exit codes of the program, from `sysexits.h`.
pub(crate) mod code {
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const DATA: u8 = 65;
    pub(crate) const NO_INPUT: u8 = 66;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const INTERNAL: u8 = 70;
    pub(crate) const IO: u8 = 74;
    pub(crate) const TEMPORARY: u8 = 75;
    pub(crate) const PERMISSION: u8 = 77;
    pub(crate) const CONFIG: u8 = 78;
    /// A signal ended the program: this plus its number.
    pub(crate) const SIGNAL: u8 = 128;
}

/// An error and the exit code that it stands for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    pub(crate) fn new(code: u8, error: impl Into<anyhow::Error>) -> Self {
        Self {
            code,
            error: error.into(),
        }
    }
}

pub(crate) fn io_code(error: &io::Error) -> u8 {
    match error.kind() {
        io::ErrorKind::PermissionDenied => code::PERMISSION,
        io::ErrorKind::NotFound => code::NO_INPUT,
        _ => code::IO,
    }
}

#[cfg(any(feature = "mqtt", feature = "webhook"))]
fn outbox_code(error: &OutboxError) -> u8 {
    match error {
        OutboxError::Open { source, .. } => io_code(source),
        OutboxError::Taken { .. } => code::TEMPORARY,
    }
}

fn bundle_code(error: &BundleError) -> u8 {
    match error {
        BundleError::Missing { .. } => code::NO_INPUT,
        BundleError::Io { source, .. } => io_code(source),
        _ => code::DATA,
    }
}

pub(crate) fn source_code(error: &SourceError) -> u8 {
    fault_code(error.fault())
}

pub(crate) fn fault_code(fault: Fault) -> u8 {
    match fault {
        Fault::Missing => code::NO_INPUT,
        Fault::Permission => code::PERMISSION,
        Fault::Io => code::IO,
        Fault::Unavailable => code::UNAVAILABLE,
        Fault::Data => code::DATA,
    }
}

impl From<DaemonError> for Failure {
    fn from(error: DaemonError) -> Self {
        let code = match error {
            DaemonError::Predict(error) => return error.into(),
            DaemonError::Face(error) => return error.into(),
            DaemonError::Counts(error) => return error.into(),
            #[cfg(feature = "mqtt")]
            DaemonError::Mqtt(error) => return error.into(),
            #[cfg(feature = "page")]
            DaemonError::Page(error) => return error.into(),
            #[cfg(feature = "webhook")]
            DaemonError::Webhook(error) => return error.into(),
            DaemonError::Running => code::TEMPORARY,
            DaemonError::AimAbroad(_) => code::USAGE,
            DaemonError::Decide(_)
            | DaemonError::NoPage
            | DaemonError::Pixels(_)
            | DaemonError::NoGpio
            | DaemonError::NoMqtt
            | DaemonError::NoWebhook
            | DaemonError::Emotion { .. } => code::CONFIG,
            DaemonError::Untrusted(_) => code::PERMISSION,
            DaemonError::Gpio(_)
            | DaemonError::Outlet { .. }
            | DaemonError::NoCamera(_)
            | DaemonError::Metrics { .. }
            | DaemonError::Pipeline(PipelineError::Sink { .. }) => code::UNAVAILABLE,
            DaemonError::GpioThread(_) | DaemonError::Pipeline(_) | DaemonError::Thread(_) => code::INTERNAL,
        };
        Self::new(code, error)
    }
}

#[cfg(feature = "webhook")]
impl From<WebhookError> for Failure {
    fn from(error: WebhookError) -> Self {
        let code = match &error {
            WebhookError::Outbox(error) => outbox_code(error),
            WebhookError::Read { source, .. } => io_code(source),
            WebhookError::Weak { .. } | WebhookError::Certificates { .. } => code::CONFIG,
            WebhookError::Start(_) => code::INTERNAL,
        };
        Self::new(code, error)
    }
}

#[cfg(feature = "page")]
impl From<PageError> for Failure {
    fn from(error: PageError) -> Self {
        let code = match &error {
            PageError::Listen { .. } => code::UNAVAILABLE,
            PageError::Start(_) | PageError::Token(TokenError::Random(_)) => code::INTERNAL,
            PageError::Media { source, .. } | PageError::Token(TokenError::Io { source, .. }) => io_code(source),
            PageError::Token(TokenError::Weak { .. }) | PageError::Tls(_) | PageError::Words { .. } => code::CONFIG,
        };
        Self::new(code, error)
    }
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::new(bundle_code(&error), error)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let code = match &error {
            ConfigError::Io { source, .. } if source.kind() != io::ErrorKind::InvalidData => io_code(source),
            _ => code::CONFIG,
        };
        Self::new(code, error)
    }
}

impl From<PredictError> for Failure {
    fn from(error: PredictError) -> Self {
        let code = match &error {
            PredictError::Bundle(error) => bundle_code(error),
            _ => code::DATA,
        };
        Self::new(code, error)
    }
}

impl From<FaceError> for Failure {
    fn from(error: FaceError) -> Self {
        let code = match error {
            FaceError::Config { .. } | FaceError::NoCascade => code::USAGE,
            FaceError::Model(_) => code::INTERNAL,
        };
        Self::new(code, error)
    }
}

impl From<TrackError> for Failure {
    fn from(error: TrackError) -> Self {
        match error {
            TrackError::Predict(error) => error.into(),
            TrackError::Face(error) => error.into(),
        }
    }
}

impl From<SinkError> for Failure {
    fn from(error: SinkError) -> Self {
        let code = match &error {
            SinkError::Closed => code::IO,
            SinkError::Io(error) => io_code(error),
            SinkError::Gpio(_) | SinkError::Mqtt(_) => code::UNAVAILABLE,
        };
        Self::new(code, error)
    }
}

#[cfg(feature = "mqtt")]
impl From<MqttError> for Failure {
    fn from(error: MqttError) -> Self {
        let code = match &error {
            MqttError::Outbox(error) => outbox_code(error),
            MqttError::Credentials { source, .. } => io_code(source),
            MqttError::Tls(_) | MqttError::Form { .. } => code::CONFIG,
            MqttError::Start(_) => code::INTERNAL,
        };
        Self::new(code, error)
    }
}
