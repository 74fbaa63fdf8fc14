//! What a configuration says about frames and faces, built.

use std::io::{self, BufReader};

use crate::config::{Config, FaceMode, Origin, Pacing, SourceConfig};
use crate::pipeline::{FaceSource, Timing};
use crate::service::LONGEST_INTERVAL;
use crate::source::{Camera, Files, FrameSource, Input, Network, Piped, Rpicam};
use inference::Predictor;
use vision::locate::{Faces, Locator};
use vision::tracking::FaceTracker;

use super::context::RunContext;
use super::error::DaemonError;

/// Opens the source that frames come from.
pub(super) fn source(config: &SourceConfig, context: &RunContext<'_>) -> Result<Box<dyn FrameSource>, DaemonError> {
    let wanted = config.wanted;
    let clock = || Box::new(context.clock.restarted());
    match &config.origin {
        Origin::Files(input) => {
            let interval_ms = (1000.0 / config.fps).round() as u64;
            let files = Files::new(vec![input.clone()], config.repeat, interval_ms);
            let files = files.with_log(|message| tracing::info!("{message}"));
            Ok(match timing(config) {
                Timing::Paced => Box::new(files.no_slower_than(LONGEST_INTERVAL)),
                Timing::Recorded | Timing::Live => Box::new(files),
            })
        }
        Origin::Rpicam(program) => Ok(Box::new(Camera::new(Rpicam::new(program, wanted), clock()))),
        Origin::Stream(stream) => Ok(Box::new(Camera::new(Network::new(stream, wanted), clock()))),
        Origin::Piped(pixels) => {
            let size = (wanted.width as usize, wanted.height as usize);
            let piped = Piped::new(BufReader::new(io::stdin()), *pixels, size, clock());
            Ok(Box::new(piped?))
        }
        #[cfg(feature = "camera")]
        Origin::V4l2(path) => {
            let driver = crate::source::V4l2::new(path, wanted);
            Ok(Box::new(Camera::new(driver, clock())))
        }
        #[cfg(not(feature = "camera"))]
        Origin::V4l2(path) => Err(DaemonError::NoCamera(path.clone())),
    }
}

/// How its frames relate to the clock.
pub(super) fn timing(config: &SourceConfig) -> Timing {
    match (&config.origin, config.pacing) {
        (Origin::Files(Input::Path(_)), Pacing::Realtime) => Timing::Paced,
        (Origin::Files(Input::Path(_)), Pacing::Fast) => Timing::Recorded,
        (
            Origin::Files(Input::Stdin) | Origin::V4l2(_) | Origin::Rpicam(_) | Origin::Stream(_) | Origin::Piped(_),
            _,
        ) => Timing::Live,
    }
}

/// What finds the faces of the frames.
pub(super) fn face_source(config: &Config, predictor: &Predictor) -> Result<FaceSource, DaemonError> {
    match config.face.mode {
        FaceMode::Whole => Ok(FaceSource::fixed(Locator::new(Faces::Whole)?)),
        FaceMode::Detect => {
            if let Some(note) = config.face.without_effect(predictor.detector().is_some()) {
                tracing::warn!(about = "face", "{note}");
            }
            let tracking = FaceTracker::new(config.face.track(), predictor)?;
            Ok(FaceSource::Tracked(Box::new(tracking)))
        }
    }
}
