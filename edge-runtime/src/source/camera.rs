//! A camera that is kept alive: opened, watched, torn down on any error, and opened again.
//!
//! [`Driver`] is the seam to the device; whatever goes wrong below it ends here, as an error that is told
//! and a pause before the next attempt. No wait is longer than `CAMERA.slice`, but for the device's own opening.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pixels::{Format, Layout, Pixels, PixelsError};
use super::{Frame, FrameSource, Next, SourceError};
use vision::clock::Clock;

/// How long a camera may take, and when it is opened anew.
struct CameraSettings {
    /// Longest wait before the source answers.
    slice: Duration,
    /// How long a camera may be silent: it gave frames before.
    stall: Duration,
    /// How long a camera may take to give its first frame; many first measure the light.
    first: Duration,
    /// Pause after the first failure; doubled after each further one.
    pause: Duration,
    /// Longest pause: with `first` a camera that is well again is open within 5 seconds.
    longest_pause: Duration,
    /// Bad frames in a row after which the device is opened anew.
    max_bad: u32,
}

const CAMERA: CameraSettings = CameraSettings {
    slice: Duration::from_millis(100),
    stall: Duration::from_secs(1),
    first: Duration::from_millis(2500),
    pause: Duration::from_millis(250),
    longest_pause: Duration::from_secs(2),
    max_bad: 10,
};

/// Why a camera gives no frame.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The device or its program cannot be used.
    #[error("{step}: {source}")]
    Io {
        /// The step that failed, such as `open`.
        step: &'static str,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The device is no camera for this program.
    #[error("{0}")]
    Unfit(String),
    /// It gives what cannot be read.
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    /// The driver marked a frame as damaged.
    #[error("the driver marks the frame as damaged")]
    Marked,
    /// Nothing came for too long.
    #[error("no frame for {} ms; it is opened again", .0.as_millis())]
    Stalled(Duration),
    /// The program that gives the frames has ended.
    #[error("{0}")]
    Ended(String),
    /// The camera library panicked in a step.
    #[error("{step}: the camera's library broke down")]
    Panic {
        /// The step that failed, such as `open`.
        step: &'static str,
    },
}

impl CameraError {
    /// An error of the system during this step.
    pub fn io(step: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { step, source }
    }
}

/// What a camera is asked for; what it gives is up to the driver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Width of a frame, in pixels.
    pub width: u32,
    /// Height of a frame, in pixels.
    pub height: u32,
    /// Rate that is asked for, in frames a second.
    pub fps: u32,
    /// Layout of the pixels; any that can be read where there is none.
    pub pixels: Option<Pixels>,
}

/// A device that gives frames; opened and closed again and again.
pub trait Driver: Send {
    /// What people call the device.
    fn name(&self) -> &str;

    /// Opens the device and starts it; gives what it really set.
    fn open(&mut self) -> Result<Format, CameraError>;

    /// Waits at most this long for a frame and puts the bytes that it uses into `bytes`; `false` if none
    /// came.
    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError>;

    /// Tears everything down, whatever state it is in.
    fn close(&mut self);

    /// How long it may take to give its first frame, and how long it may be silent after that.
    fn patience(&self) -> [Duration; 2] {
        [CAMERA.first, CAMERA.stall]
    }
}

/// Reads the frames of a device, and opens it again when it fails.
pub struct Camera<D: Driver> {
    driver: D,
    name: Arc<str>,
    clock: Box<dyn Clock + Send>,
    state: State,
    /// Failures since the last good frame.
    failures: u32,
    /// Bad frames since the last good one.
    bad: u32,
    number: u64,
    start: Duration,
    bytes: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        /// The device is not opened again before this time.
        until: Duration,
    },
    Open {
        layout: Layout,
        /// When the last frame came, or the device was opened.
        since: Duration,
        patience: Duration,
    },
}

impl<D: Driver> Camera<D> {
    /// Opened with the first read.
    pub fn new(driver: D, clock: Box<dyn Clock + Send>) -> Self {
        let start = clock.now();
        Self {
            name: driver.name().into(),
            driver,
            clock,
            state: State::Closed { until: start },
            failures: 0,
            bad: 0,
            number: 0,
            start,
            bytes: Vec::new(),
        }
    }

    fn open(&mut self) -> Result<Next, SourceError> {
        let layout = match self.driver.open().and_then(|format| Ok(Layout::new(format)?)) {
            Ok(layout) => layout,
            Err(error) => return Err(self.fail(error)),
        };
        self.state = State::Open {
            layout,
            since: self.clock.now(),
            patience: self.driver.patience()[0],
        };
        Ok(Next::Nothing)
    }

    /// Tears the device down and plans the next attempt.
    fn fail(&mut self, error: CameraError) -> SourceError {
        self.driver.close();
        let pause = CAMERA.longest_pause.min(CAMERA.pause * (1 << self.failures.min(8)));
        self.failures += 1;
        self.bad = 0;
        self.state = State::Closed {
            until: self.clock.now() + pause,
        };
        self.error(error)
    }

    fn error(&self, source: CameraError) -> SourceError {
        SourceError::Camera {
            name: self.name.to_string(),
            source,
        }
    }

    /// One bad frame is left out; many in a row are a failure of the device.
    fn spoilt(&mut self, error: CameraError) -> SourceError {
        self.bad += 1;
        if self.bad >= CAMERA.max_bad {
            self.fail(error)
        } else {
            self.error(error)
        }
    }

    fn take(&mut self, layout: Layout, frame: &mut Frame) -> Result<Next, SourceError> {
        let started = Instant::now();
        let now = self.clock.now();
        self.state = State::Open {
            layout,
            since: now,
            patience: self.driver.patience()[1],
        };
        if let Err(error) = layout.read(&self.bytes, &mut frame.picture) {
            return Err(self.spoilt(error.into()));
        }
        (self.failures, self.bad) = (0, 0);
        frame.input = Arc::clone(&self.name);
        frame.number = self.number;
        frame.time_ms = now.saturating_sub(self.start).as_millis() as u64;
        frame.capture = started.elapsed();
        self.number += 1;
        Ok(Next::Frame)
    }
}

impl<D: Driver> FrameSource for Camera<D> {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        let now = self.clock.now();
        match self.state {
            State::Closed { until } if now < until => {
                self.clock.sleep(CAMERA.slice.min(until.saturating_sub(now)));
                Ok(Next::Nothing)
            }
            State::Closed { .. } => self.open(),
            State::Open {
                layout,
                since,
                patience,
            } => match self.driver.wait(CAMERA.slice, &mut self.bytes) {
                Ok(true) => self.take(layout, frame),
                Ok(false) if self.clock.now().saturating_sub(since) > patience => {
                    Err(self.fail(CameraError::Stalled(patience)))
                }
                Ok(false) => Ok(Next::Nothing),
                Err(CameraError::Marked) => Err(self.spoilt(CameraError::Marked)),
                Err(error) => Err(self.fail(error)),
            },
        }
    }
}

impl<D: Driver> Drop for Camera<D> {
    fn drop(&mut self) {
        self.driver.close();
    }
}

#[cfg(test)]
mod tests;
