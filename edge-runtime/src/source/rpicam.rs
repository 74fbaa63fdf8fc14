//! A CSI camera, read by `rpicam-vid` as a child: V4L2 alone cannot read it on Raspberry Pi OS.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::camera::{CameraError, Driver, Wanted};
use super::pixels::{Format, Pixels};
use super::program::FrameProgram;

/// The program on the search path.
pub const PROGRAM: &str = "rpicam-vid";

/// The ISP writes rows of whole such blocks; other widths would have gaps that nobody announces.
pub const WIDTH_STEP: u32 = 64;

/// A child that writes frames.
pub struct Rpicam {
    program: PathBuf,
    name: String,
    wanted: Wanted,
    running: FrameProgram,
}

impl Rpicam {
    /// A camera program that is not started yet.
    pub fn new(program: &Path, wanted: Wanted) -> Self {
        Self {
            program: program.to_path_buf(),
            name: format!("rpicam:{}", program.display()),
            wanted,
            running: FrameProgram::default(),
        }
    }

    fn format(&self) -> Format {
        let width = self.wanted.width as usize;
        Format {
            fourcc: Pixels::Yu12.fourcc(),
            width,
            height: self.wanted.height as usize,
            stride: width,
        }
    }

    fn command(&self) -> Command {
        let Wanted { width, height, fps, .. } = self.wanted;
        let mut command = Command::new(&self.program);
        command
            .args(["--codec", "yuv420", "--timeout", "0", "--nopreview", "--flush"])
            .args(["--width", &width.to_string(), "--height", &height.to_string()])
            .args(["--framerate", &fps.to_string(), "--output", "-"]);
        command
    }
}

impl Driver for Rpicam {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Result<Format, CameraError> {
        let format = self.format();
        self.running.start(self.command(), format, &[])?;
        Ok(format)
    }

    fn wait(&mut self, limit: Duration, bytes: &mut Vec<u8>) -> Result<bool, CameraError> {
        self.running.wait(limit, bytes)
    }

    fn close(&mut self) {
        self.running.close();
    }
}

#[cfg(test)]
mod tests;
