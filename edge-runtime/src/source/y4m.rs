//! YUV4MPEG2 streams (`.y4m`), what `ffmpeg -f yuv4mpegpipe` writes.
//!
//! A header line with size, rate and colour space, then frames, each a line `FRAME…` and its planes.
//! Only 8 bits a sample; the luma plane is taken as it is, chroma is skipped.

use std::io::{self, BufRead, Read};

use inference::picture::{MAX_PIXELS, Picture, PictureError};

/// First bytes of every stream.
pub const MAGIC: &[u8] = b"YUV4MPEG2";

/// Longest header line in bytes; real ones have less than 200.
const MAX_LINE: u64 = 1024;

/// Rate where the header gives none, as ffmpeg assumes.
const DEFAULT_RATE: Rate = Rate { frames: 25, seconds: 1 };

/// Why a stream cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum Y4mError {
    /// The stream does not begin with [`MAGIC`].
    #[error("read stream: no YUV4MPEG2 header; write one with `ffmpeg -i IN -f yuv4mpegpipe -pix_fmt gray -`")]
    Magic,
    /// A part of the header is missing or makes no sense.
    #[error("read stream header: {0}")]
    Header(String),
    /// The colour space is not supported.
    #[error("read stream header: colour space {0} is not supported; take 8 bits: mono, 420, 422 or 444")]
    ColorSpace(String),
    /// A frame does not begin with `FRAME`.
    #[error("read frame {frame}: no FRAME header; the stream is damaged before it")]
    Frame {
        /// Number of the frame, from 0.
        frame: u64,
    },
    /// The stream ends within a frame.
    #[error("read frame {frame}: the stream ends within it")]
    Truncated {
        /// Number of the frame, from 0.
        frame: u64,
    },
    /// The stream cannot be read.
    #[error("read stream: {0}")]
    Io(#[from] io::Error),
    /// The size of the frames is not that of a picture.
    #[error(transparent)]
    Picture(#[from] PictureError),
}

/// Rate of the frames, as a fraction: frames per seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    frames: u64,
    seconds: u64,
}

impl Rate {
    fn time_ms(self, frame: u64) -> u64 {
        let time = u128::from(frame) * 1000 * u128::from(self.seconds) / u128::from(self.frames);
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

/// A stream whose header has been read.
#[derive(Debug)]
pub struct Y4m<R> {
    reader: R,
    width: usize,
    height: usize,
    rate: Rate,
    /// Bytes behind the luma plane of each frame.
    chroma: u64,
    next: u64,
    /// The line that was read last; kept for its memory.
    line: Vec<u8>,
}

impl<R: BufRead> Y4m<R> {
    /// Reads the header of a stream, which gives size and rate.
    ///
    /// # Errors
    ///
    /// When the stream does not begin with a header that this program can read.
    pub fn open(mut reader: R) -> Result<Self, Y4mError> {
        let mut line = Vec::new();
        if !read_line(&mut reader, &mut line)? {
            return Err(Y4mError::Magic);
        }
        let line = line.strip_prefix(MAGIC).ok_or(Y4mError::Magic)?;
        let line = std::str::from_utf8(line).map_err(|_| Y4mError::Header("it is no text".to_owned()))?;
        let (mut width, mut height, mut rate, mut space) = (None, None, DEFAULT_RATE, "420");
        for word in line.split_ascii_whitespace() {
            match word.split_at_checked(1) {
                Some(("W", value)) => width = Some(side("width", value)?),
                Some(("H", value)) => height = Some(side("height", value)?),
                Some(("F", value)) => rate = parse_rate(value)?,
                Some(("C", value)) => space = value,
                _ => {}
            }
        }
        let missing = |what: &str| Y4mError::Header(format!("it gives no {what}"));
        let width = width.ok_or_else(|| missing("width"))?;
        let height = height.ok_or_else(|| missing("height"))?;
        if width * height > MAX_PIXELS {
            return Err(PictureError::TooLarge { width, height }.into());
        }
        Ok(Self {
            reader,
            width: width as usize,
            height: height as usize,
            rate,
            chroma: chroma_bytes(space, width, height)?,
            next: 0,
            line: Vec::new(),
        })
    }

    /// Reads the next picture; `false` at the end of the stream. After an error the stream cannot go on.
    ///
    /// # Errors
    ///
    /// When the stream ends inside a picture, or something else stands where a picture begins.
    pub fn read(&mut self, picture: &mut Picture) -> Result<bool, Y4mError> {
        let frame = self.next;
        if !read_line(&mut self.reader, &mut self.line)? {
            return Ok(false);
        }
        if self.line != b"FRAME" && !self.line.starts_with(b"FRAME ") {
            return Err(Y4mError::Frame { frame });
        }
        let pixels = picture.rewrite(self.width, self.height)?;
        self.reader.read_exact(pixels).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Y4mError::Truncated { frame },
            _ => error.into(),
        })?;
        let chroma = io::copy(&mut self.reader.by_ref().take(self.chroma), &mut io::sink())?;
        if chroma != self.chroma {
            return Err(Y4mError::Truncated { frame });
        }
        self.next += 1;
        Ok(true)
    }

    /// Number of the frame that comes next, from 0.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// Milliseconds from the first frame to frame `frame`.
    pub fn time_ms(&self, frame: u64) -> u64 {
        self.rate.time_ms(frame)
    }
}

/// Reads a line without its end; `false` at the end of the stream.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Y4mError> {
    line.clear();
    reader.take(MAX_LINE).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.pop() != Some(b'\n') {
        return Err(Y4mError::Header(format!("a line does not end within {MAX_LINE} bytes")));
    }
    Ok(true)
}

fn side(what: &str, value: &str) -> Result<u64, Y4mError> {
    let side = value.parse().ok().filter(|side| (1..=65_535).contains(side));
    side.ok_or_else(|| Y4mError::Header(format!("{what} {value:?} is not in 1..=65535")))
}

fn parse_rate(value: &str) -> Result<Rate, Y4mError> {
    let parts = value.split_once(':').and_then(|(frames, seconds)| {
        let (frames, seconds): (u32, u32) = (frames.parse().ok()?, seconds.parse().ok()?);
        Some((u64::from(frames), u64::from(seconds)))
    });
    match parts {
        // 0:0 stands for unknown.
        Some((0, _) | (_, 0)) => Ok(DEFAULT_RATE),
        Some((frames, seconds)) => Ok(Rate { frames, seconds }),
        None => Err(Y4mError::Header(format!("rate {value:?} is no ratio"))),
    }
}

fn chroma_bytes(space: &str, width: u64, height: u64) -> Result<u64, Y4mError> {
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    match space {
        "mono" => Ok(0),
        "420" | "420jpeg" | "420paldv" | "420mpeg2" => Ok(2 * half_width * half_height),
        "422" => Ok(2 * half_width * height),
        "444" => Ok(2 * width * height),
        other => Err(Y4mError::ColorSpace(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &[u8]) -> Result<Vec<Vec<u8>>, Y4mError> {
        let mut y4m = Y4m::open(stream)?;
        let (mut frames, mut picture) = (Vec::new(), Picture::default());
        while y4m.read(&mut picture)? {
            frames.push(picture.gray()?.row(0).to_vec());
        }
        Ok(frames)
    }

    #[test]
    fn skips_the_chroma_of_each_colour_space() {
        for (space, chroma) in [
            ("mono", 0),
            ("420", 4),
            ("420jpeg", 4),
            ("420mpeg2", 4),
            ("422", 4),
            ("444", 6),
        ] {
            let mut stream = format!("YUV4MPEG2 W3 H1 F30:1 Ip A1:1 C{space} XCOLORRANGE=FULL\n").into_bytes();
            for luma in [[1, 2, 3], [4, 5, 6]] {
                stream.extend(b"FRAME\n");
                stream.extend(luma);
                stream.extend(vec![200; chroma]);
            }
            assert_eq!(read(&stream).unwrap(), [[1, 2, 3], [4, 5, 6]], "{space}");
            assert!(matches!(
                read(&stream[..stream.len() - 1]),
                Err(Y4mError::Truncated { frame: 1 })
            ));
        }
        // Without `C`: 4:2:0.
        assert_eq!(read(b"YUV4MPEG2 W2 H2\nFRAME Ip\nabcd..").unwrap(), [b"ab"]);
    }

    #[test]
    fn times_follow_the_rate() {
        for (rate, third) in [
            ("F30000:1001", 100),
            ("F15:1", 200),
            ("", 120),
            ("F0:0", 120),
            ("F1:4", 12_000),
        ] {
            let stream = format!("YUV4MPEG2 W2 H2 {rate} Cmono\n");
            assert_eq!(Y4m::open(stream.as_bytes()).unwrap().time_ms(3), third, "{rate}");
        }
    }

    #[test]
    fn refuses_headers_that_make_no_sense() {
        for (stream, expected) in [
            ("", "header"),
            ("\x7fELF", "header"),
            ("YUV4MPEG2 H2\n", "no width"),
            ("YUV4MPEG2 W2\n", "no height"),
            ("YUV4MPEG2 W0 H2\n", "width"),
            ("YUV4MPEG2 W2 H99999999999999999999\n", "height"),
            ("YUV4MPEG2 W65535 H65535\n", "limit"),
            ("YUV4MPEG2 W2 H2 F30\n", "rate"),
            ("YUV4MPEG2 W2 H2 C420p10\n", "420p10"),
            ("YUV4MPEG2 W2 H2", "does not end"),
        ] {
            let error = read(stream.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
        let endless = [b"YUV4MPEG2 ".to_vec(), vec![b'X'; 5000]].concat();
        assert!(matches!(read(&endless), Err(Y4mError::Header(_))));
    }

    #[test]
    fn refuses_frames_without_their_header() {
        let stream = b"YUV4MPEG2 W2 H2 Cmono\nFRAME\nabcdFRAMES\nabcd";
        assert!(matches!(read(stream), Err(Y4mError::Frame { frame: 1 })));
        assert!(matches!(
            read(b"YUV4MPEG2 W2 H2 Cmono\nFRAME"),
            Err(Y4mError::Header(_))
        ));
    }
}
