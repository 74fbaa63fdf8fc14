//! Where frames come from.
//!
//! [`FrameSource`] is the one seam: files, pipes and cameras look alike behind it. A frame carries the
//! time at which it was taken, so that what follows needs no clock, and its memory is used again, so that
//! none is taken frame by frame.

pub mod camera;
mod directory;
mod files;
mod mjpeg;
pub mod network;
pub mod offers;
mod pausable;
mod piped;
pub mod pixels;
mod program;
pub mod rpicam;
mod shared;
mod stream;
#[cfg(feature = "camera")]
mod v4l2;
pub mod y4m;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use inference::picture::{Picture, PictureError};

pub use camera::Camera;
pub use files::{Files, Input, Repeat};
pub use network::Network;
pub use pausable::Pausable;
pub use piped::Piped;
pub use rpicam::Rpicam;
pub use shared::SharedSource;
#[cfg(feature = "camera")]
pub use v4l2::{V4l2, offers as v4l2_offers};

/// One picture of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The picture file, stream or camera as it was named.
    pub input: Arc<str>,
    /// Number of the frame in its input, from 0; 0 for a picture file.
    pub number: u64,
    /// When it was taken, in milliseconds since the source began; never less than that of the frame
    /// before.
    pub time_ms: u64,
    /// How long it took to make pixels of what came.
    pub capture: Duration,
    /// What is to be seen.
    pub picture: Picture,
}

impl Default for Frame {
    fn default() -> Self {
        Self {
            input: "".into(),
            number: 0,
            time_ms: 0,
            capture: Duration::ZERO,
            picture: Picture::default(),
        }
    }
}

/// What came of asking a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A frame was read.
    Frame,
    /// Nothing yet: the source is to be asked again.
    Nothing,
    /// The source has no more frames.
    End,
}

/// Gives one frame after another.
pub trait FrameSource: Send {
    /// Reads the next frame into `frame`, whose memory is used again; it counts only after
    /// [`Next::Frame`].
    ///
    /// A source that waits for a device answers [`Next::Nothing`] several times a second. After an error
    /// it can be asked again: it goes on behind what was bad, or is at its end.
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError>;
}

impl FrameSource for Box<dyn FrameSource> {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        (**self).read(frame)
    }
}

/// What kind of thing is wrong with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The file or device is not there.
    Missing,
    /// It may not be read.
    Permission,
    /// The file or device cannot be read.
    Io,
    /// A device does not work.
    Unavailable,
    /// What it holds is damaged or of an unknown kind.
    Data,
}

impl Fault {
    /// One sentence on what helps.
    pub fn cure(self) -> &'static str {
        match self {
            Self::Missing => "check `uri`, and that the camera is plugged in",
            Self::Permission => "add the user to the group video",
            Self::Io => "check the cable, or the disk that the frames come from",
            Self::Unavailable => {
                "check the cable, and that no other program uses the camera; `edge-runtime doctor` says more"
            }
            Self::Data => "use a shorter or better cable, or other `pixels`",
        }
    }
}

impl SourceError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        if source.kind() == io::ErrorKind::NotFound {
            Self::Missing { path }
        } else {
            Self::Io { path, source }
        }
    }

    pub(crate) fn stream(name: &str, source: y4m::Y4mError) -> Self {
        Self::Stream {
            name: name.to_owned(),
            source,
        }
    }

    /// What kind of error it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Missing { .. } | Self::Empty { .. } => Fault::Missing,
            Self::Io { source, .. }
            | Self::Stream {
                source: y4m::Y4mError::Io(source),
                ..
            } => match source.kind() {
                io::ErrorKind::PermissionDenied => Fault::Permission,
                io::ErrorKind::NotFound => Fault::Missing,
                _ => Fault::Io,
            },
            Self::Camera { .. } => Fault::Unavailable,
            Self::TooLarge { .. }
            | Self::Picture { .. }
            | Self::Stream { .. }
            | Self::Slow { .. }
            | Self::Pixels { .. } => Fault::Data,
        }
    }
}

/// Why a frame cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file or directory.
    #[error("open {path}: no such file or directory")]
    Missing {
        /// Path that was named as the source.
        path: PathBuf,
    },
    /// A directory has no file that could be read.
    #[error(
        "open {path}: the directory holds no picture (jpg, png, webp, bmp, gif, pgm, ppm) and no stream (y4m, mjpeg)"
    )]
    Empty {
        /// Path of the directory, as configured.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("read {path}: {source}")]
    Io {
        /// Path of the file that failed.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// A file is larger than any picture should be.
    #[error("read {path}: more than {limit} bytes")]
    TooLarge {
        /// Path of the file that failed.
        path: PathBuf,
        /// Most bytes that it may have.
        limit: u64,
    },
    /// A picture file is damaged or of an unknown kind.
    #[error("{name}: {source}")]
    Picture {
        /// Name of the input that failed.
        name: String,
        /// What is wrong with the picture.
        source: PictureError,
    },
    /// A stream is damaged or of an unknown kind.
    #[error("{name}: {source}")]
    Stream {
        /// Name of the input that failed.
        name: String,
        /// What is wrong with the stream.
        source: y4m::Y4mError,
    },
    /// A stream's frames are too far apart for one that is taken at their times.
    #[error(
        "{name}: a frame every {} s, and `realtime` needs one every {} s: the service's watchdog ends a program that judges \
         none for longer; give the stream more frames (`ffmpeg -r 1`), or set realtime = false",
        interval.as_secs_f32(), longest.as_secs_f32()
    )]
    Slow {
        /// Name of the input that failed.
        name: String,
        /// From one frame to the next.
        interval: Duration,
        /// The longest silence that is allowed.
        longest: Duration,
    },
    /// A camera gives no frame, or a bad one.
    #[error("{name}: {source}")]
    Camera {
        /// Name of the input that failed.
        name: String,
        /// What is wrong with the camera.
        source: camera::CameraError,
    },
    /// A frame of a pipe cannot be read.
    #[error("{name} frame {number}: {source}")]
    Pixels {
        /// Name of the pipe that failed.
        name: String,
        /// Number of the frame, from 0.
        number: u64,
        /// What is wrong with the frame's bytes.
        source: pixels::PixelsError,
    },
}
