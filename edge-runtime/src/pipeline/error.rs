//! What goes wrong in a run, and what ends it.

use crate::sink::SinkError;
use crate::source::SourceError;
use inference::PredictError;
use inference::picture::PictureError;
use vision::tracking::TrackError;

/// Failures in a row after which a sink ends the run: a few seconds of frames.
pub(super) const MAX_FAILURES: u32 = 50;

/// Something that went wrong without ending the run.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// A frame could not be read.
    #[error("frame skipped: {0}")]
    Source(#[from] SourceError),
    /// The networks could not judge a frame.
    #[error("frame skipped: {0}")]
    Predict(#[from] PredictError),
    /// The faces of a frame could not be tracked.
    #[error("frame skipped: {0}")]
    Track(#[from] TrackError),
    /// A frame is no picture.
    #[error("frame skipped: {0}")]
    Picture(#[from] PictureError),
    /// A sink could not take a state.
    #[error("sink {name}: {source}")]
    Sink {
        /// Name of the sink, as [`SignalSink::name`](crate::sink::SignalSink::name) gives it.
        name: String,
        /// Why the sink could not take it.
        source: SinkError,
    },
}

impl FrameError {
    /// One sentence on what helps, where that is known.
    pub fn cure(&self) -> Option<&'static str> {
        match self {
            Self::Source(error) => Some(error.fault().cure()),
            Self::Sink { .. } => Some("`edge-runtime doctor` checks what the sinks need"),
            Self::Predict(_) | Self::Track(_) | Self::Picture(_) => None,
        }
    }
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A sink failed again and again.
    #[error("sink {name} failed {MAX_FAILURES} times in a row: {source}")]
    Sink {
        /// Name of the sink, as [`SignalSink::name`](crate::sink::SignalSink::name) gives it.
        name: String,
        /// The last of its failures.
        source: SinkError,
    },
    /// The thread of the source could not be started.
    #[error("start the source: {0}")]
    Start(std::io::Error),
    /// The thread of the source panicked.
    #[error("read frame: the source broke down")]
    Source,
}
