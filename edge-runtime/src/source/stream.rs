//! A file or a pipe that holds one frame after another.

use std::io::BufRead;
use std::path::Path;
use std::sync::Arc;

use super::mjpeg::Splitter;
use super::pixels::read_jpeg;
use super::y4m::Y4m;
use super::{Frame, SourceError};

type Reader = Box<dyn BufRead + Send>;

/// A stream of pictures that is open.
pub(super) struct Stream {
    name: Arc<str>,
    kind: Kind,
}

enum Kind {
    Y4m(Y4m<Reader>),
    Mjpeg(Mjpeg),
}

/// JPEG pictures that follow each other.
struct Mjpeg {
    reader: Reader,
    splitter: Splitter,
    /// The bytes of one picture; memory that is used again.
    bytes: Vec<u8>,
    number: u64,
    /// From one picture to the next: they say nothing of their time.
    interval_ms: u64,
}

/// What came of reading on.
pub(super) enum Step {
    Frame,
    /// This frame cannot be read; the next one may.
    Bad(SourceError),
    End,
}

impl Stream {
    pub(super) fn y4m(name: &str, y4m: Y4m<Reader>) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Y4m(y4m),
        }
    }

    pub(super) fn mjpeg(path: &Path, reader: Reader, interval_ms: u64) -> Self {
        Self {
            name: path.to_string_lossy().into(),
            kind: Kind::Mjpeg(Mjpeg {
                reader,
                splitter: Splitter::new(),
                bytes: Vec::new(),
                number: 0,
                interval_ms,
            }),
        }
    }

    /// Reads the next frame; its time is that since the stream began, at the end and after an error too. After an error
    /// nothing more comes.
    pub(super) fn read(&mut self, frame: &mut Frame) -> Result<Step, SourceError> {
        let step = match &mut self.kind {
            Kind::Y4m(y4m) => {
                frame.number = y4m.position();
                frame.time_ms = y4m.time_ms(frame.number);
                let more = y4m.read(&mut frame.picture);
                let more = more.map_err(|source| SourceError::stream(&self.name, source))?;
                if more { Step::Frame } else { Step::End }
            }
            Kind::Mjpeg(mjpeg) => mjpeg.read(&self.name, frame)?,
        };
        if matches!(step, Step::Frame) {
            frame.input = Arc::clone(&self.name);
        }
        Ok(step)
    }
}

impl Mjpeg {
    fn read(&mut self, name: &str, frame: &mut Frame) -> Result<Step, SourceError> {
        (frame.number, frame.time_ms) = (self.number, self.number * self.interval_ms);
        let more = self.splitter.read(&mut self.reader, &mut self.bytes);
        if !more.map_err(|source| SourceError::io(Path::new(name), source))? {
            return Ok(Step::End);
        }
        self.number += 1;
        Ok(match read_jpeg(&self.bytes, None, &mut frame.picture) {
            Ok(()) => Step::Frame,
            Err(source) => Step::Bad(SourceError::Pixels {
                name: name.to_owned(),
                number: frame.number,
                source,
            }),
        })
    }
}
