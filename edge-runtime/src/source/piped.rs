//! Bare frames or JPEG pictures on standard input.

use std::io::{self, BufRead};
use std::sync::Arc;
use std::time::Instant;

use super::mjpeg::Splitter;
use super::pixels::{Format, Layout, Pixels, PixelsError, read_jpeg};
use super::{Frame, FrameSource, Next, SourceError};
use vision::clock::Clock;

/// Frames that follow each other in a pipe, taken when they come.
pub struct Piped<R> {
    reader: R,
    name: Arc<str>,
    kind: Kind,
    clock: Box<dyn Clock + Send>,
    number: u64,
    bytes: Vec<u8>,
}

enum Kind {
    Raw(Layout),
    Mjpeg(Splitter),
}

impl<R: BufRead + Send> Piped<R> {
    /// Frames of this size and layout; for [`Pixels::Mjpeg`] the pictures themselves say their size.
    ///
    /// # Errors
    ///
    /// When size and layout do not go together.
    pub fn new(
        reader: R,
        pixels: Pixels,
        size: (usize, usize),
        clock: Box<dyn Clock + Send>,
    ) -> Result<Self, PixelsError> {
        let kind = match pixels {
            Pixels::Mjpeg => Kind::Mjpeg(Splitter::new()),
            bare => Kind::Raw(Layout::new(Format {
                fourcc: bare.fourcc(),
                width: size.0,
                height: size.1,
                stride: 0,
            })?),
        };
        Ok(Self {
            reader,
            name: "stdin".into(),
            kind,
            clock,
            number: 0,
            bytes: Vec::new(),
        })
    }

    /// Fills `bytes` with the next frame; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        match &mut self.kind {
            Kind::Mjpeg(splitter) => splitter.read(&mut self.reader, &mut self.bytes),
            Kind::Raw(layout) => {
                if self.reader.fill_buf()?.is_empty() {
                    return Ok(false);
                }
                self.bytes.resize(layout.frame_bytes(), 0);
                self.reader.read_exact(&mut self.bytes)?;
                Ok(true)
            }
        }
    }
}

impl<R: BufRead + Send> FrameSource for Piped<R> {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        let filled = self.fill().map_err(|source| SourceError::Io {
            path: "standard input".into(),
            source,
        })?;
        if !filled {
            return Ok(Next::End);
        }
        let start = Instant::now();
        let number = self.number;
        self.number += 1;
        let read = match &self.kind {
            Kind::Raw(layout) => layout.read(&self.bytes, &mut frame.picture),
            Kind::Mjpeg(_) => read_jpeg(&self.bytes, None, &mut frame.picture),
        };
        read.map_err(|source| SourceError::Pixels {
            name: self.name.to_string(),
            number,
            source,
        })?;
        frame.input = Arc::clone(&self.name);
        frame.number = number;
        frame.time_ms = self.clock.now().as_millis() as u64;
        frame.capture = start.elapsed();
        Ok(Next::Frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::jpeg;
    use vision::clock::SystemClock;

    fn read(stream: &[u8], pixels: Pixels) -> Vec<String> {
        let clock = Box::new(SystemClock::start());
        let mut source = Piped::new(stream, pixels, (4, 2), clock).unwrap();
        let (mut frame, mut seen) = (Frame::default(), Vec::new());
        loop {
            match source.read(&mut frame) {
                Ok(Next::End) => return seen,
                Ok(_) => seen.push(format!("{} {}", frame.number, frame.picture.gray().unwrap().row(0)[0])),
                Err(error) => seen.push(error.to_string()),
            }
        }
    }

    #[test]
    fn bare_frames_are_read_one_after_another_and_half_a_frame_is_an_error() {
        let stream = [[7u8; 12], [8; 12]].concat();
        assert_eq!(read(&stream, Pixels::Yu12), ["0 7", "1 8"]);
        assert_eq!(read(&stream[..16], Pixels::Yuyv), ["0 7"]);
        let seen = read(&stream[..20], Pixels::Yu12);
        assert_eq!((seen.len(), &*seen[0]), (2, "0 7"));
        assert!(seen[1].contains("standard input"), "{}", seen[1]);
    }

    #[test]
    fn damaged_pictures_are_left_out_and_the_others_come() {
        let good = jpeg::gradient();
        let mut bad = good.clone();
        let middle = bad.len() - 30;
        bad.drain(middle..middle + 20);
        let seen = read(&[&good[..], &bad, &good].concat(), Pixels::Mjpeg);
        assert_eq!(seen.len(), 3, "{seen:?}");
        assert!(seen[0].starts_with("0 ") && seen[2].starts_with("2 "));
        assert!(seen[1].contains("stdin frame 1"), "{}", seen[1]);
    }
}
