//! Where verdicts go.
//!
//! [`SignalSink`] is the seam: standard output, GPIO lines, a broker and everybody else look alike behind it. Those who send
//! over a network or a cable do it from an [outlet], a queue with a thread of its own.

pub mod datagram;
pub mod gathered;
pub mod gpio;
mod lines;
#[cfg(feature = "mqtt")]
pub mod mqtt;
pub mod osc;
pub mod outlet;
pub mod serial;
pub mod settings;
pub mod udp;
pub mod updates;
#[cfg(feature = "webhook")]
pub mod webhook;
#[cfg(not(feature = "webhook"))]
#[path = "no_webhook.rs"]
pub mod webhook;
pub mod when;

use std::io;
use std::time::Duration;

use shared_model::message::{FaceLine, State};
use vision::stats::Stats;

use crate::decide::DecideConfig;

pub use gpio::{GpioError, GpioSink};
pub use lines::{Faces, JsonLines};

/// Longest wait for the thread of a sink at the end.
pub(crate) const LAST_WAIT: Duration = Duration::from_secs(3);

/// States that wait for a slow reader; more make room for newer ones.
pub(crate) const MAX_STATES: usize = 64;

/// An output: takes verdicts, and what else is known of a frame.
pub trait SignalSink {
    /// What people call the sink, for messages about it.
    fn name(&self) -> &str;

    /// Shows what is held true from now on.
    fn show(&mut self, state: &State) -> Result<(), SinkError>;

    /// Takes one judged frame; most sinks do not care.
    fn frame(&mut self, _line: &FaceLine<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes what else is known of the frame whose faces were told; most sinks do not care.
    fn measured(&mut self, _facts: &FrameFacts<'_>) -> Result<(), SinkError> {
        Ok(())
    }

    /// Takes the limits by which verdicts are formed from now on, as another bundle has them; most sinks do not care.
    fn adopt(&mut self, _decide: DecideConfig, _abstain_below: f32) {}

    /// A heartbeat, several times a second, and the chance to give a failure since the last one.
    fn beat(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Comes when all was told that is known for now, a frame as a whole for one: other threads that wait for it are woken
    /// here. Waking costs more than telling, so that it happens once, and after the time of the frame.
    fn flush(&mut self) {}

    /// Leaves the sink in its safe state at the end.
    fn close(&mut self) -> Result<(), SinkError>;
}

/// What is known of a judged frame beside its faces: numbers alone, and no pixel.
#[derive(Debug, Clone, Copy)]
pub struct FrameFacts<'a> {
    /// Number of the frame in its input, from 0.
    pub number: u64,
    /// When it was taken, in milliseconds since the source began.
    pub time_ms: u64,
    /// Width of the frame, in pixels.
    pub width: usize,
    /// Height of the frame, in pixels.
    pub height: usize,
    /// Mean of its grey values, 0 to 1, from a sample.
    pub light: f32,
    /// Number of the face that the verdict is about, where faces have numbers.
    pub counting: Option<u32>,
    /// What was counted so far, this frame included.
    pub stats: &'a Stats,
}

/// Why a sink cannot take something.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nobody reads the output any more.
    #[error("write line: the reader is gone")]
    Closed,
    /// A line cannot be written.
    #[error("write line: {0}")]
    Io(io::Error),
    /// A GPIO line cannot be set.
    #[error(transparent)]
    Gpio(#[from] GpioError),
    /// The thread that talks to the broker takes nothing more.
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
