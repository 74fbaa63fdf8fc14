//! Why a broker does not take the device, and what helps.

use std::error::Error;
use std::io;
use std::iter::successors;

use rumqttc::{ConnectReturnCode, ConnectionError, StateError};

/// What keeps the device and its broker apart.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// What the configuration names cannot be used.
    #[error("{0}")]
    Setup(String),
    /// Nobody knows the host's address.
    #[error("the host is unknown: {0}")]
    UnknownHost(String),
    /// Nobody listens on the port.
    #[error("the connection is refused: nobody listens on that port")]
    Refused,
    /// The other side cannot be trusted, does not trust this one, or does not encrypt.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// User name, password, or rights.
    #[error("the broker refuses the user name or password")]
    NotAuthorised,
    /// It is no broker, or one that wants something else.
    #[error("the broker refuses the connection: {0}")]
    Rejected(String),
    /// The broker takes the device and ends the connection soon after, again and again.
    #[error("the broker ends each connection within seconds; most likely another client uses the name {0}")]
    ThrownOut(String),
    /// The connection ends before the broker has said anything.
    #[error("the broker ends the connection")]
    Closed,
    /// The broker gives no answer.
    #[error("the broker does not answer")]
    NoAnswer,
    /// Any other fault, in the library's words.
    #[error("{0}")]
    Other(String),
}

impl Fault {
    /// One sentence on what helps.
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Setup(_) => "mend what the configuration names",
            Self::UnknownHost(_) => "check `host`, and the network's name service",
            Self::Refused => "check `port`, and that the broker runs and listens to the network",
            Self::Tls(_) => "check `tls`, `port`, and the certificates of the broker and of this device",
            Self::NotAuthorised => "check `credentials_file`, and what the broker allows",
            Self::Rejected(_) => "check that a broker for MQTT 3.1.1 listens on `port`",
            Self::ThrownOut(_) => "give every device its own `device`: a copied card brings the old one along",
            Self::Closed => "check `tls`: the broker may want it on this port, or a certificate; its log says more",
            Self::NoAnswer => "check `host`, the network, firewalls, and the unit's IPAddressAllow=",
            Self::Other(_) => "check `host`, `port` and the network",
        }
    }

    fn of_io(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (tls, error.kind()) {
            (Some(tls), _) => Self::Tls(tls.to_string()),
            (None, io::ErrorKind::ConnectionRefused) => Self::Refused,
            (
                None,
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe,
            ) => Self::Closed,
            (None, io::ErrorKind::TimedOut) => Self::NoAnswer,
            (None, _) => Self::Other(error.to_string()),
        }
    }
}

impl From<&ConnectionError> for Fault {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::ConnectionRefused(
                ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized,
            ) => Self::NotAuthorised,
            ConnectionError::ConnectionRefused(code) => Self::Rejected(format!("{code:?}")),
            ConnectionError::NotConnAck(_) => Self::Rejected("it does not speak MQTT".to_owned()),
            ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => Self::NoAnswer,
            ConnectionError::Tls(error) => Self::Tls(error.to_string()),
            ConnectionError::MqttState(StateError::ConnectionAborted) => Self::Closed,
            other => io_cause(other).map_or_else(|| Self::Other(other.to_string().to_lowercase()), Self::of_io),
        }
    }
}

/// The system's own error, if there is one at the bottom.
fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    successors(Some(error), |error| (*error).source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_apart_wherever_the_library_puts_them() {
        let io = |kind: io::ErrorKind| ConnectionError::Io(kind.into());
        let state = |error: io::Error| ConnectionError::MqttState(StateError::Io(error));
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        let alert_text = alert.to_string();
        for (error, expected) in [
            (io(io::ErrorKind::ConnectionRefused), Fault::Refused),
            (io(io::ErrorKind::ConnectionReset), Fault::Closed),
            (io(io::ErrorKind::TimedOut), Fault::NoAnswer),
            (ConnectionError::NetworkTimeout, Fault::NoAnswer),
            (ConnectionError::MqttState(StateError::ConnectionAborted), Fault::Closed),
            (state(io::ErrorKind::UnexpectedEof.into()), Fault::Closed),
            (
                state(io::Error::new(io::ErrorKind::InvalidData, alert)),
                Fault::Tls(alert_text),
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized),
                Fault::NotAuthorised,
            ),
            (
                ConnectionError::ConnectionRefused(ConnectReturnCode::ServiceUnavailable),
                Fault::Rejected("ServiceUnavailable".to_owned()),
            ),
        ] {
            assert_eq!(Fault::from(&error), expected, "{error}");
        }
    }
}
