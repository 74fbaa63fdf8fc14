//! Frames from picture files, directories, `.y4m` and `.mjpeg` files, and standard input.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::directory::{self, MJPEG, has_extension};
use super::mjpeg::{first_picture, goes_on, is_multi_picture};
use super::stream::{Step, Stream};
use super::y4m::{self, Y4m};
use super::{Frame, FrameSource, Next, SourceError};
use inference::picture::Picture;

/// Most bytes of a picture file.
const MAX_PICTURE_BYTES: u64 = 256 << 20;

/// Is told of the files of a directory that are left out.
type Tell = Box<dyn FnMut(&str) + Send>;

/// Something that frames are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A picture, a `.y4m` or `.mjpeg` file, or a directory with such files, taken in the order of their names.
    Path(PathBuf),
    /// A `.y4m` stream on standard input.
    Stdin,
}

impl Input {
    /// `-` is standard input, everything else a path.
    pub fn parse(text: impl AsRef<OsStr>) -> Self {
        let text = text.as_ref();
        if text == "-" {
            Self::Stdin
        } else {
            Self::Path(text.into())
        }
    }
}

/// What comes after the last input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The source ends after its last file.
    Once,
    /// The first input again; the time goes on.
    Forever,
}

/// The frames of a list of inputs, one input after another.
pub struct Files {
    inputs: Vec<Input>,
    /// Inputs of this round that are still to come, directories unfolded.
    waiting: VecDeque<Input>,
    repeat: Repeat,
    /// Time from one picture to the next, of files and of `.mjpeg` streams.
    interval_ms: u64,
    /// Longest time from one frame of a stream to the next, if there is a limit.
    longest: Option<Duration>,
    /// The stream that is being read.
    stream: Option<Stream>,
    /// When the next input begins.
    time_ms: u64,
    /// Whether this round gave a frame: a round without any is the end, or `Forever` would spin.
    fruitful: bool,
    /// Is told what is left out, if anybody wants to know.
    tell: Option<Tell>,
    /// Directories whose left out files were told: once is enough.
    told: Vec<PathBuf>,
}

impl Files {
    /// The frames of these inputs; picture files follow each other every `interval_ms` milliseconds.
    pub fn new(inputs: Vec<Input>, repeat: Repeat, interval_ms: u64) -> Self {
        Self {
            waiting: inputs.iter().cloned().collect(),
            inputs,
            repeat,
            interval_ms,
            longest: None,
            stream: None,
            time_ms: 0,
            fruitful: false,
            tell: None,
            told: Vec::new(),
        }
    }

    /// The same; `tell` hears of the files of a directory that are left out, once for each directory.
    #[must_use]
    pub fn with_log(mut self, tell: impl FnMut(&str) + Send + 'static) -> Self {
        self.tell = Some(Box::new(tell));
        self
    }

    /// The same, without streams whose frames are farther apart.
    #[must_use]
    pub fn no_slower_than(mut self, longest: Duration) -> Self {
        self.longest = Some(longest);
        self
    }

    /// Reads the next frame of the open stream; closes it at its end.
    fn continue_stream(&mut self, mut stream: Stream, frame: &mut Frame) -> Result<Next, SourceError> {
        let start = Instant::now();
        let step = stream.read(frame);
        frame.time_ms += self.time_ms;
        match step {
            Ok(Step::Frame) => {
                frame.capture = start.elapsed();
                self.stream = Some(stream);
                Ok(Next::Frame)
            }
            Ok(Step::Bad(error)) => {
                self.stream = Some(stream);
                Err(error)
            }
            Ok(Step::End) => {
                self.time_ms = frame.time_ms;
                Ok(Next::Nothing)
            }
            Err(error) => {
                self.time_ms = frame.time_ms;
                Err(error)
            }
        }
    }

    /// Opens an input: reads the frame of a picture, nothing if it is a stream or a directory.
    fn open(&mut self, input: &Input, frame: &mut Frame) -> Result<Next, SourceError> {
        let path = match input {
            Input::Stdin => return self.open_stream("-", Box::new(BufReader::new(io::stdin()))),
            Input::Path(path) => path,
        };
        let metadata = fs::metadata(path).map_err(|source| SourceError::io(path, source))?;
        if metadata.is_dir() {
            return self.unfold(path);
        }
        let mut reader = BufReader::new(File::open(path).map_err(|source| SourceError::io(path, source))?);
        let start = reader.fill_buf().map_err(|source| SourceError::io(path, source))?;
        if start.starts_with(y4m::MAGIC) || has_extension(path, &["y4m"]) {
            return self.open_stream(&path.to_string_lossy(), Box::new(reader));
        }
        if has_extension(path, &MJPEG) {
            return Ok(self.open_mjpeg(path, Box::new(reader)));
        }
        self.read_picture(path, reader, frame)
    }

    fn unfold(&mut self, path: &Path) -> Result<Next, SourceError> {
        let listing = directory::list(path)?;
        let news = listing
            .left_out(path)
            .filter(|_| !self.told.iter().any(|told| told == path));
        if let (Some(tell), Some(news)) = (&mut self.tell, news) {
            tell(&news);
            self.told.push(path.to_path_buf());
        }
        if listing.files.is_empty() {
            return Err(SourceError::Empty {
                path: path.to_path_buf(),
            });
        }
        for file in listing.files.into_iter().rev() {
            self.waiting.push_front(Input::Path(file));
        }
        Ok(Next::Nothing)
    }

    fn open_stream(&mut self, name: &str, reader: Box<dyn BufRead + Send>) -> Result<Next, SourceError> {
        let y4m = Y4m::open(reader).map_err(|source| SourceError::stream(name, source))?;
        let interval = Duration::from_millis(y4m.time_ms(1));
        if let Some(longest) = self.longest.filter(|longest| interval > *longest) {
            return Err(SourceError::Slow {
                name: name.to_owned(),
                interval,
                longest,
            });
        }
        self.stream = Some(Stream::y4m(name, y4m));
        Ok(Next::Nothing)
    }

    fn open_mjpeg(&mut self, path: &Path, reader: Box<dyn BufRead + Send>) -> Next {
        self.stream = Some(Stream::mjpeg(path, reader, self.interval_ms));
        Next::Nothing
    }

    /// Reads the frame of a picture file; a file in which another picture follows the first is a stream.
    fn read_picture(
        &mut self,
        path: &Path,
        mut reader: impl BufRead + Send + 'static,
        frame: &mut Frame,
    ) -> Result<Next, SourceError> {
        let start = Instant::now();
        let failed = |source| SourceError::io(path, source);
        let mut bytes = Vec::new();
        if reader.fill_buf().map_err(failed)?.starts_with(&[0xff, 0xd8])
            && first_picture(&mut reader, MAX_PICTURE_BYTES, &mut bytes).map_err(failed)?
        {
            let first = bytes.len();
            if goes_on(&mut reader, &mut bytes).map_err(failed)? && !is_multi_picture(&bytes[..first]) {
                return Ok(self.open_mjpeg(path, Box::new(Cursor::new(bytes).chain(reader))));
            }
        }
        // A bad picture takes its time as well: the others do not move.
        let time_ms = self.time_ms;
        self.time_ms += self.interval_ms;
        let left = (MAX_PICTURE_BYTES + 1).saturating_sub(bytes.len() as u64);
        reader.take(left).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_PICTURE_BYTES {
            return Err(SourceError::TooLarge {
                path: path.to_path_buf(),
                limit: MAX_PICTURE_BYTES,
            });
        }
        let name = path.to_string_lossy();
        let picture = Picture::decode(&bytes).map_err(|source| SourceError::Picture {
            name: name.to_string(),
            source,
        })?;
        *frame = Frame {
            input: name.into(),
            number: 0,
            time_ms,
            capture: start.elapsed(),
            picture,
        };
        Ok(Next::Frame)
    }

    fn start_again(&mut self) -> bool {
        let again = self.repeat == Repeat::Forever && self.fruitful;
        if again {
            self.waiting.extend(self.inputs.iter().cloned());
            self.fruitful = false;
        }
        again
    }
}

impl FrameSource for Files {
    fn read(&mut self, frame: &mut Frame) -> Result<Next, SourceError> {
        loop {
            let next = if let Some(stream) = self.stream.take() {
                self.continue_stream(stream, frame)?
            } else if let Some(input) = self.waiting.pop_front() {
                self.open(&input, frame)?
            } else if self.start_again() {
                Next::Nothing
            } else {
                return Ok(Next::End);
            };
            if next == Next::Frame {
                self.fruitful = true;
                return Ok(next);
            }
        }
    }
}

#[cfg(test)]
mod tests;
