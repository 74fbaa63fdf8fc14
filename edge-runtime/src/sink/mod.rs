//! Where verdicts go.
//!
//! [`SignalSink`] is the seam: standard output, GPIO lines and a broker look alike behind it.

pub mod gpio;
mod lines;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod settings;
pub mod updates;

use std::io;

use shared_model::message::{FaceLine, State};

pub use gpio::{GpioError, GpioSink};
pub use lines::{Faces, JsonLines};

/// Takes what the runtime has to say.
pub trait SignalSink {
    /// What people call the sink, for messages about it.
    fn name(&self) -> &str;

    /// Shows what is held true from now on.
    fn show(&mut self, state: &State) -> Result<(), SinkError>;

    /// Takes one judged frame; most sinks do not care.
    fn frame(&mut self, _line: &FaceLine<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    /// A sign of life, several times a second, and the chance to tell of a failure since the last one.
    fn beat(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Leaves the sink in its safe state at the end.
    fn close(&mut self) -> Result<(), SinkError>;
}

/// Why a sink cannot take something.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nobody reads any more.
    #[error("write line: the reader is gone")]
    Closed,
    /// A line cannot be written.
    #[error("write line: {0}")]
    Io(io::Error),
    /// A GPIO line cannot be set.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The thread that talks to the broker is in trouble.
    #[error("publish state: {0}")]
    Mqtt(&'static str),
}

impl From<io::Error> for SinkError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::Closed
        } else {
            Self::Io(error)
        }
    }
}
