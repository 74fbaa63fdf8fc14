//! Takes JPEG pictures out of a stream in which they follow each other.

use std::io::{self, BufRead, Read};

/// Most bytes of one picture of a stream.
const MAX_BYTES: usize = 16 << 20;

/// Where in a picture the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before one: everything is skipped.
    Between,
    /// Where a marker must begin.
    Marker,
    /// In a segment of which this many bytes are left.
    Segment(usize),
    /// The first byte of a segment's length has been read.
    Length(Option<u8>),
    /// Inside the coded pixels of a picture.
    Scan,
}

/// Splits a stream into JPEG pictures.
#[derive(Debug)]
pub(super) struct Splitter {
    state: State,
    /// The last byte was 0xff.
    marked: bool,
    /// The segment is a start of scan: pixels follow it.
    scan: bool,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            state: State::Between,
            marked: false,
            scan: false,
        }
    }

    /// Reads the next picture, whole or cut short by the next one's beginning; `false` at the end.
    ///
    /// What is damaged is found by the decoder.
    pub(super) fn read(&mut self, reader: &mut impl BufRead, picture: &mut Vec<u8>) -> io::Result<bool> {
        picture.clear();
        loop {
            let chunk = match reader.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                self.state = State::Between;
                return Ok(picture.len() > 2);
            }
            let (mut used, mut whole) = (0, false);
            for byte in chunk {
                used += 1;
                if self.state != State::Between {
                    picture.push(*byte);
                }
                whole = self.step(*byte, picture);
                if whole || picture.len() > MAX_BYTES {
                    break;
                }
            }
            reader.consume(used);
            if whole {
                return Ok(true);
            }
            if picture.len() > MAX_BYTES {
                picture.clear();
                *self = Self::new();
            }
        }
    }

    /// Takes one byte in; gives whether it ended a picture.
    fn step(&mut self, byte: u8, picture: &mut Vec<u8>) -> bool {
        let marked = self.marked && !matches!(self.state, State::Segment(_) | State::Length(_));
        self.marked = byte == 0xff;
        match self.state {
            State::Segment(left) if left > 1 => self.state = State::Segment(left - 1),
            State::Segment(_) => self.state = if self.scan { State::Scan } else { State::Marker },
            State::Length(None) => self.state = State::Length(Some(byte)),
            // No length, but the next picture: this one was cut short.
            State::Length(Some(0xff)) if byte == 0xd8 => return self.marker(byte, picture),
            State::Length(Some(high)) => {
                // The length counts its own two bytes.
                let left = usize::from(u16::from_be_bytes([high, byte])).saturating_sub(2);
                let after = if self.scan { State::Scan } else { State::Marker };
                self.state = if left == 0 { after } else { State::Segment(left) };
            }
            State::Between | State::Marker | State::Scan if marked => return self.marker(byte, picture),
            State::Between | State::Marker | State::Scan => {}
        }
        false
    }

    fn marker(&mut self, code: u8, picture: &mut Vec<u8>) -> bool {
        match (self.state, code) {
            // A new picture, in the middle of one too: that one is given up.
            (_, 0xd8) => {
                picture.clear();
                picture.extend([0xff, 0xd8]);
                self.state = State::Marker;
            }
            (state, 0xd9) if state != State::Between => {
                self.state = State::Between;
                return true;
            }
            // Stuffing, restarts and fill bytes have no length.
            (State::Between, _) | (_, 0x00 | 0x01 | 0xff | 0xd0..=0xd9) => {}
            (_, code) => {
                self.scan = code == 0xda;
                self.state = State::Length(None);
            }
        }
        false
    }
}

/// Reads a file from its beginning up to the end of its first picture, every byte of it; `false` where there is no such
/// end, or not within `limit` bytes.
pub(super) fn first_picture(reader: &mut impl BufRead, limit: u64, bytes: &mut Vec<u8>) -> io::Result<bool> {
    // The splitter keeps no more than the beginning here.
    let (mut splitter, mut beginning) = (Splitter::new(), Vec::new());
    loop {
        let chunk = match reader.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = chunk.iter().position(|byte| splitter.step(*byte, &mut beginning));
        let used = end.map_or(chunk.len(), |at| at + 1);
        bytes.extend_from_slice(&chunk[..used]);
        reader.consume(used);
        if end.is_some() {
            return Ok(true);
        }
        if used == 0 || bytes.len() as u64 > limit {
            return Ok(false);
        }
    }
}

/// Whether another picture begins where one has ended, filling aside; what was read to know it goes to `read`.
pub(super) fn goes_on(reader: &mut impl BufRead, read: &mut Vec<u8>) -> io::Result<bool> {
    for byte in reader.bytes() {
        let byte = byte?;
        read.push(byte);
        match (read.len().checked_sub(2).map(|at| read[at]), byte) {
            (Some(0xff), 0xd8) => return Ok(true),
            (_, 0x00 | 0xff | b'\r' | b'\n') if read.len() < MAX_FILLING => {}
            _ => return Ok(false),
        }
    }
    Ok(false)
}

/// Most bytes between two pictures of a file.
const MAX_FILLING: usize = 4096;

/// Whether a picture says that others of the same scene follow it in its file (CIPA DC-007, *multi-picture format*): maps of
/// brightness and views of the other eye are no frames of a stream.
pub(super) fn is_multi_picture(picture: &[u8]) -> bool {
    picture.windows(4).any(|bytes| bytes == *b"MPF\0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::jpeg;

    #[test]
    fn the_first_picture_of_a_file_is_all_up_to_its_end() {
        let picture = jpeg::gradient();
        for (rest, again) in [
            (picture.clone(), true),
            ([&b"\0\0\r\n"[..], &picture].concat(), true),
            (b"\0\0".to_vec(), false),
            (b"trailer".to_vec(), false),
            (Vec::new(), false),
        ] {
            let file = [&picture[..], &rest].concat();
            let mut reader = io::BufReader::with_capacity(7, &file[..]);
            let (mut bytes, mut read) = (Vec::new(), Vec::new());
            assert!(first_picture(&mut reader, 1000, &mut bytes).unwrap());
            assert_eq!(bytes, picture);
            assert_eq!(goes_on(&mut reader, &mut read).unwrap(), again, "{rest:?}");
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, rest);
        }
        let mut bytes = Vec::new();
        assert!(!first_picture(&mut &picture[..picture.len() - 1], 1000, &mut bytes).unwrap());
        let mut slow = io::BufReader::with_capacity(7, &picture[..]);
        assert!(!first_picture(&mut slow, 20, &mut Vec::new()).unwrap());
    }

    fn split(stream: &[u8]) -> Vec<Vec<u8>> {
        let (mut splitter, mut pictures, mut picture) = (Splitter::new(), Vec::new(), Vec::new());
        // Small pieces: pictures end anywhere in them.
        let mut reader = io::BufReader::with_capacity(7, stream);
        while splitter.read(&mut reader, &mut picture).unwrap() {
            pictures.push(picture.clone());
        }
        pictures
    }

    #[test]
    fn pictures_come_out_as_they_went_in_and_rubbish_between_them_is_skipped() {
        let picture = jpeg::gradient();
        for rubbish in [
            &b""[..],
            b"\0\0\0",
            b"--boundary\r\nContent-Type: image/jpeg\r\n\r\n",
            b"\xff\xff\x00",
        ] {
            let stream = [rubbish, &picture, rubbish, &picture, &picture, rubbish].concat();
            assert_eq!(split(&stream), vec![picture.clone(); 3], "{rubbish:?}");
        }
    }

    #[test]
    fn a_thumbnail_inside_does_not_end_its_picture() {
        let picture = jpeg::gradient();
        // An APP1 segment that holds a whole other picture.
        let mut with = picture[..2].to_vec();
        with.extend([0xff, 0xe1]);
        with.extend((picture.len() as u16 + 2).to_be_bytes());
        with.extend(&picture);
        with.extend(&picture[2..]);
        assert_eq!(split(&[&with[..], &picture].concat()), [with, picture]);
    }

    #[test]
    fn whole_pictures_come_again_after_one_that_is_cut_short() {
        let picture = jpeg::gradient();
        for cut in 2..picture.len() - 2 {
            let stream = [&picture[..cut], &picture.repeat(6)].concat();
            let whole = split(&stream).iter().filter(|found| **found == picture).count();
            assert!(whole >= 1, "none after a cut at {cut}");
        }
    }
}
