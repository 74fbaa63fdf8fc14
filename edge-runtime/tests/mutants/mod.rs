//! Damaged input: mutants of every format that is read. None may panic, and no truncated picture may be
//! judged. `SOAK_N` sets how many there are; `scripts/soak mutants` does.

use std::io::BufReader;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use edge_runtime::source::pixels::Pixels;
use edge_runtime::source::y4m::Y4m;
use edge_runtime::source::{Frame, FrameSource, Next, Piped, SourceError};
use inference::picture::Picture;
use testing::{jpeg, rounds};
use vision::clock::SystemClock;

/// Numbers without a pattern that the formats know (Knuth's multiplier).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }
}

/// A few of: flipped bits, other bytes, parts left out, parts twice, the end cut off.
fn mutant(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        if bytes.is_empty() {
            return bytes;
        }
        let at = numbers.below(bytes.len());
        let length = numbers.below(16).min(bytes.len() - at);
        match numbers.below(6) {
            0 | 1 => bytes[at] ^= 1 << numbers.below(8),
            2 => bytes[at] = [0x00, 0xff, 0x7f, 0x80, b'\n', b' ', b'9'][numbers.below(7)],
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let part = bytes[at..at + length].to_vec();
                bytes.splice(at..at, part);
            }
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn png() -> Vec<u8> {
    let pixels: Vec<u8> = (0..24 * 16u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    encoder.write_image(&pixels, 24, 16, ExtendedColorType::L8).unwrap();
    file
}

const FRAMES: usize = 3;
const LUMA: usize = 16 * 8;

fn y4m() -> Vec<u8> {
    let mut stream = b"YUV4MPEG2 W16 H8 F15:1 Ip A1:1 C420jpeg\n".to_vec();
    for frame in 0..FRAMES as u8 {
        stream.extend(b"FRAME\n");
        stream.extend((0..LUMA as u8).map(|at| at ^ frame.wrapping_mul(57)));
        stream.extend([128; LUMA / 2]);
    }
    stream
}

/// Good frames and errors of a source, to its end.
fn count(source: &mut impl FrameSource) -> (usize, usize) {
    let (mut frame, mut good, mut bad) = (Frame::default(), 0, 0);
    loop {
        match source.read(&mut frame) {
            Ok(Next::End) => return (good, bad),
            Ok(Next::Frame) => {
                frame.picture.gray().unwrap();
                good += 1;
            }
            Ok(Next::Nothing) => {}
            // A pipe that cannot be read any more.
            Err(SourceError::Io { .. }) => return (good, bad + 1),
            Err(_) => bad += 1,
        }
    }
}

fn piped(stream: &[u8], pixels: Pixels) -> (usize, usize) {
    let reader = BufReader::with_capacity(61, stream);
    count(&mut Piped::new(reader, pixels, (16, 8), Box::new(SystemClock::start())).unwrap())
}

/// Pictures of a y4m stream until its end or an error; `None` where the header is refused.
fn streamed(stream: &[u8]) -> Option<(usize, bool)> {
    let mut y4m = Y4m::open(stream).ok()?;
    let (mut picture, mut good) = (Picture::default(), 0);
    loop {
        match y4m.read(&mut picture) {
            Ok(true) => good += 1,
            Ok(false) => return Some((good, true)),
            Err(_) => return Some((good, false)),
        }
    }
}

#[test]
fn damaged_pictures_and_streams_never_panic() {
    let mut numbers = Numbers(1);
    let (png, jpeg, y4m) = (png(), jpeg::gradient(), y4m());
    let bare = jpeg::without_tables();
    let mjpeg = [&jpeg[..], &bare, &jpeg].concat();
    let (mut frames, mut dropped) = (0, 0);
    for _ in 0..rounds(4_000) / 4 {
        for picture in [&png, &jpeg, &bare] {
            match Picture::decode(&mutant(picture, &mut numbers)) {
                Ok(picture) => {
                    picture.gray().unwrap();
                    frames += 1;
                }
                Err(_) => dropped += 1,
            }
        }
        let (good, bad) = piped(&mutant(&mjpeg, &mut numbers), Pixels::Mjpeg);
        (frames, dropped) = (frames + good, dropped + bad);
        match streamed(&mutant(&y4m, &mut numbers)) {
            Some((good, whole)) => (frames, dropped) = (frames + good, dropped + usize::from(!whole)),
            None => dropped += 1,
        }
    }
    eprintln!("mutants: {frames} frames read, {dropped} refused");
    assert!(frames > 0 && dropped > 0);
}

#[test]
fn no_truncated_picture_is_read() {
    let (png, jpeg, y4m) = (png(), jpeg::gradient(), y4m());
    assert!(Picture::decode(&png).is_ok() && Picture::decode(&jpeg).is_ok());
    // The end of a PNG file may lack its last chunk: every pixel is there before it.
    for length in 0..png.len() - 16 {
        assert!(Picture::decode(&png[..length]).is_err(), "{length} bytes of a PNG");
    }
    for length in 0..jpeg.len() {
        let (good, _) = piped(&jpeg[..length], Pixels::Mjpeg);
        assert_eq!(good, 0, "{length} bytes of a JPEG");
    }
    let frame = b"FRAME\n".len() + LUMA + LUMA / 2;
    let header = y4m.len() - FRAMES * frame;
    for length in header..y4m.len() {
        let (good, whole) = streamed(&y4m[..length]).unwrap();
        assert_eq!(good, (length - header) / frame, "{length} bytes of a stream");
        assert_eq!(whole, (length - header).is_multiple_of(frame), "{length} bytes");
    }
    let bare = [9; FRAMES * LUMA];
    for length in 0..bare.len() {
        let (good, bad) = piped(&bare[..length], Pixels::Grey);
        assert_eq!(
            (good, bad),
            (length / LUMA, usize::from(!length.is_multiple_of(LUMA))),
            "{length} bytes"
        );
    }
}
