//! Searches bytes for parts of frames, in the forms in which pixels could leave the kiosk: bare, as a picture file, and
//! either of them as base64, as hexadecimal digits or as numbers in a text.

use std::collections::HashSet;

use inference::picture::Picture;
use shared_model::image::GrayView;

use crate::support::base64::{decode, value};

/// Pixels side by side that no other data has by chance.
const RUN: usize = 16;

/// Different values among them, or it is a plain surface.
const VALUES: usize = 8;

/// Shortest stretch of letters that is read as base64, and of numbers as pixels.
const LETTERS: usize = 40;
const NUMBERS: usize = RUN;

/// Side to which pictures are reduced before they are compared.
const SMALL: usize = 16;

/// How alike a picture and a frame are that show the same: the correlation of their reduced forms.
const ALIKE: f64 = 0.9;

/// What picture files begin with.
const MAGICS: [&[u8]; 6] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"RIFF", b"P5\n", b"P5 "];

/// The frames that are searched for.
pub(crate) struct Frames {
    runs: HashSet<[u8; RUN]>,
    small: Vec<Vec<f64>>,
}

impl Frames {
    pub(crate) fn of(pictures: &[Picture]) -> Self {
        let mut frames = Self {
            runs: HashSet::new(),
            small: Vec::new(),
        };
        for picture in pictures {
            let view = picture.gray().unwrap();
            let rows: Vec<Vec<u8>> = (0..view.height()).map(|y| view.row(y).to_vec()).collect();
            frames.small.push(small(view));
            // As they are, turned, and at half the size.
            let columns = (0..view.width()).map(|x| rows.iter().map(|row| row[x]).collect());
            let mean =
                |a: u8, b: u8, c: u8, d: u8| ((u16::from(a) + u16::from(b) + u16::from(c) + u16::from(d)) / 4) as u8;
            let halves = rows.chunks_exact(2).map(|pair| {
                let columns = pair[0].chunks_exact(2).zip(pair[1].chunks_exact(2));
                columns.map(|(a, b)| mean(a[0], a[1], b[0], b[1])).collect()
            });
            let all: Vec<Vec<u8>> = rows.iter().cloned().chain(columns).chain(halves).collect();
            for line in all {
                let runs = line.windows(RUN).map(|run| run.try_into().unwrap());
                frames.runs.extend(runs.filter(|run: &[u8; RUN]| is_rich(run)));
            }
        }
        assert!(
            frames.runs.len() > 1000,
            "the frames are too plain to be told from chance"
        );
        frames
    }

    /// The form of the first part of a frame among these bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<&'static str> {
        let forms = [
            ("as base64", base64(bytes)),
            ("as hexadecimal digits", hexadecimal(bytes)),
            ("as numbers", numbers(bytes)),
        ];
        let plain = self.bare(bytes).then_some("bare pixels");
        plain
            .or_else(|| self.file(bytes).then_some("a picture file"))
            .or_else(|| {
                let found = forms
                    .iter()
                    .find(|(_, parts)| parts.iter().any(|part| self.bare(part) || self.file(part)));
                found.map(|(form, _)| *form)
            })
    }

    fn bare(&self, bytes: &[u8]) -> bool {
        bytes.windows(RUN).any(|run| self.runs.contains(run))
    }

    /// Whether one of the picture files among these bytes shows one of the frames.
    fn file(&self, bytes: &[u8]) -> bool {
        let begins = |at: &usize| MAGICS.iter().any(|magic| bytes[*at..].starts_with(magic));
        (0..bytes.len()).filter(begins).any(|at| {
            let Ok(picture) = Picture::decode(&bytes[at..]) else {
                return false;
            };
            let Ok(view) = picture.gray() else { return false };
            let shown = small(view);
            self.small.iter().any(|frame| correlation(frame, &shown) > ALIKE)
        })
    }
}

fn is_rich(run: &[u8; RUN]) -> bool {
    run.iter().collect::<HashSet<_>>().len() >= VALUES
}

/// A picture in [`SMALL`] by [`SMALL`] means.
fn small(view: GrayView<'_>) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); SMALL * SMALL];
    for y in 0..view.height() {
        for (x, value) in view.row(y).iter().enumerate() {
            let place = (y * SMALL / view.height()) * SMALL + x * SMALL / view.width();
            sums[place].0 += f64::from(*value);
            sums[place].1 += 1.0;
        }
    }
    sums.iter()
        .map(|(sum, count): &(f64, f64)| sum / count.max(1.0))
        .collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let centred = |values: &[f64]| -> Vec<f64> {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| value - mean).collect()
    };
    let (a, b) = (centred(a), centred(b));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt().max(f64::MIN_POSITIVE)
}

/// What stretches of base64 stand for, from each place at which four letters may begin.
fn base64(bytes: &[u8]) -> Vec<Vec<u8>> {
    let stretches = bytes
        .split(|byte| value(*byte).is_none())
        .filter(|stretch| stretch.len() >= LETTERS);
    stretches
        .flat_map(|stretch| (0..4).map(|from| decode(&stretch[from..])))
        .collect()
}

fn hexadecimal(bytes: &[u8]) -> Vec<Vec<u8>> {
    let stretches = bytes
        .split(|byte| !byte.is_ascii_hexdigit())
        .filter(|stretch| stretch.len() >= 2 * RUN);
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    stretches
        .flat_map(|stretch| [stretch, &stretch[1..]])
        .map(|stretch| {
            stretch
                .chunks_exact(2)
                .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
                .collect()
        })
        .collect()
}

/// Whole numbers of a text up to 255, as bytes; a larger one ends a list.
fn numbers(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut lists, mut list) = (Vec::new(), Vec::new());
    for word in bytes
        .split(|byte| !byte.is_ascii_digit())
        .filter(|word| !word.is_empty())
    {
        match std::str::from_utf8(word).unwrap().parse::<u8>() {
            Ok(number) => list.push(number),
            Err(_) => lists.push(std::mem::take(&mut list)),
        }
    }
    lists.push(list);
    lists.retain(|list| list.len() >= NUMBERS);
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Picture {
        let pixels = (0..64 * 64_u32)
            .map(|at| ((at % 64) * (at / 64) * 7 % 251) as u8)
            .collect();
        Picture::from_gray(pixels, 64, 64).unwrap()
    }

    fn encoded(bytes: &[u8]) -> String {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three
                .iter()
                .chain([&0; 3])
                .take(3)
                .fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            for at in 0..=three.len() {
                text.push(char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]));
            }
        }
        text
    }

    #[test]
    fn base64_is_read_back() {
        for length in 0..9 {
            let bytes: Vec<u8> = (0..length).map(|at: u8| at.wrapping_mul(37)).collect();
            assert_eq!(decode(encoded(&bytes).as_bytes()), bytes);
        }
    }

    #[test]
    fn a_part_of_a_frame_is_found_in_every_form_and_what_is_none_is_not() {
        let (picture, frames) = (frame(), Frames::of(&[frame()]));
        let view = picture.gray().unwrap();
        let row = &view.row(40)[11..51];
        let text = |list: Vec<String>, between: &str| list.join(between).into_bytes();
        let pgm = [
            b"P5 64 64 255\n".as_slice(),
            &(0..64).flat_map(|y| view.row(y).to_vec()).collect::<Vec<u8>>(),
        ]
        .concat();
        for (form, bytes) in [
            ("bare pixels", row.to_vec()),
            ("as base64", encoded(&[&[1], row].concat()).into_bytes()),
            (
                "as hexadecimal digits",
                text(row.iter().map(|byte| format!("{byte:02x}")).collect(), ""),
            ),
            ("as numbers", text(row.iter().map(u8::to_string).collect(), ", ")),
            ("as base64", encoded(&pgm).into_bytes()),
        ] {
            let hidden = [b"{\"a\": \"".as_slice(), &bytes, b"\"}"].concat();
            assert_eq!(frames.find(&hidden), Some(form));
        }
        let innocent =
            "{\"points\": [[12.5, 40.25], [13, 41]], \"boot\": \"0123456789abcdef0123456789abcdef\"}".repeat(50);
        assert_eq!(frames.find(innocent.as_bytes()), None);
    }
}
