//! The pixels of a face in a CSV cell.
//!
//! Two forms: whole numbers parted by blanks (`70 80 82 ...`), as in the Kaggle sets, and a nested
//! list of numbers (`[[69.3, 73.0, ...], ...]`), as a notebook writes that turned its arrays into
//! text. Cells hold thousands of numbers and files hundreds of megabytes, so the digits are read from
//! the bytes.

use super::Fault;

/// Smallest side of a face in pixels.
pub(super) const LEAST_SIDE: usize = 24;

/// Counts of pixels that a face may have, for messages.
pub(super) const SQUARES: &str = "576 (24 x 24) or a larger square";

/// How the pixels of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Whole numbers 0..=255 parted by blanks.
    Plain,
    /// A list of rows, each a list of numbers in 0..=255, fractions allowed.
    Nested,
}

impl Form {
    /// The form of a cell; `None` if it is blank.
    pub(super) fn of(cell: &[u8]) -> Option<Self> {
        let first = cell.trim_ascii_start().first()?;
        Some(if *first == b'[' { Self::Nested } else { Self::Plain })
    }
}

/// The side of a square face of `count` pixels; `None` for what is no square, or a smaller one than any face should be.
pub(super) fn side_of(count: usize) -> Option<usize> {
    let side = count.isqrt();
    (side * side == count && side >= LEAST_SIDE).then_some(side)
}

/// Appends the pixels of `cell` to `out` and gives their number.
///
/// After a fault `out` holds what came before it. Fractions are rounded to the nearest whole number.
pub(super) fn read(cell: &[u8], form: Form, out: &mut Vec<u8>) -> Result<usize, Fault> {
    match form {
        Form::Plain => read_plain(cell, out),
        Form::Nested => read_nested(cell, out),
    }
}

fn read_plain(cell: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
    let start = out.len();
    let mut at = 0;
    while at < cell.len() {
        if cell[at].is_ascii_whitespace() {
            at += 1;
            continue;
        }
        let begin = at;
        let mut value = 0;
        while at < cell.len() && cell[at].is_ascii_digit() && at - begin < 4 {
            value = value * 10 + u16::from(cell[at] - b'0');
            at += 1;
        }
        let ends = at == cell.len() || cell[at].is_ascii_whitespace();
        match u8::try_from(value) {
            Ok(pixel) if ends && at > begin => out.push(pixel),
            _ => return Err(bad_pixel(cell, begin, out.len() - start)),
        }
    }
    Ok(out.len() - start)
}

fn read_nested(cell: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
    let start = out.len();
    let (mut at, mut depth, mut rows, mut row_start) = (0, 0, 0, start);
    while at < cell.len() {
        let broken = Fault::List { at: out.len() - start };
        match cell[at] {
            b'[' if depth < 2 && (depth == 1 || rows == 0) => {
                depth += 1;
                row_start = out.len();
            }
            b']' if depth == 2 => {
                depth = 1;
                rows += 1;
                if (out.len() - row_start) * rows != out.len() - start {
                    return Err(broken);
                }
            }
            b']' if depth == 1 => depth = 0,
            b',' | b' ' | b'\n' | b'\r' | b'\t' => {}
            byte if depth == 2 && byte != b'[' => {
                let (pixel, length) = fraction(&cell[at..]).ok_or_else(|| bad_pixel(cell, at, out.len() - start))?;
                out.push(pixel);
                at += length - 1;
            }
            _ => return Err(broken),
        }
        at += 1;
    }
    let count = out.len() - start;
    // As many rows as columns, and every bracket closed.
    let square = depth == 0 && rows * rows == count;
    square.then_some(count).ok_or(Fault::List { at: count })
}

/// The number at the start of `text`, rounded, and its length; `None` if it is none in 0..=255.
fn fraction(text: &[u8]) -> Option<(u8, usize)> {
    let end = |byte: &u8| matches!(byte, b',' | b']' | b' ' | b'\n' | b'\r' | b'\t');
    let length = text.iter().position(end).unwrap_or(text.len());
    let token = &text[..length];
    let value = match short_decimal(token) {
        Some(value) => value,
        None => std::str::from_utf8(token).ok()?.parse().ok()?,
    };
    (0.0..=255.0).contains(&value).then(|| (value.round() as u8, length))
}

/// A number of at most eight digits with at most one point: exact enough for a pixel and many times
/// faster than a full parser, which the rest goes through.
fn short_decimal(token: &[u8]) -> Option<f32> {
    if token.is_empty() || token.len() > 9 {
        return None;
    }
    let (mut digits, mut scale, mut after_point) = (0_u32, 1_u32, false);
    for &byte in token {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u32::from(byte - b'0');
                scale *= if after_point { 10 } else { 1 };
            }
            b'.' if !after_point => after_point = true,
            _ => return None,
        }
    }
    let digit_seen = token.len() > usize::from(after_point);
    digit_seen.then(|| (f64::from(digits) / f64::from(scale)) as f32)
}

/// The fault of the pixel that begins at byte `begin`; `at` is its index.
fn bad_pixel(cell: &[u8], begin: usize, at: usize) -> Fault {
    let end = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b']');
    let rest = &cell[begin..];
    let length = rest.iter().position(end).unwrap_or(rest.len()).min(20);
    let text = String::from_utf8_lossy(&rest[..length]).into_owned();
    Fault::Pixel { at, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(cell: &str) -> Result<Vec<u8>, Fault> {
        let mut out = vec![99];
        read(cell.as_bytes(), Form::Plain, &mut out).map(|count| out.split_off(out.len() - count))
    }

    fn nested(cell: &str) -> Result<Vec<u8>, Fault> {
        let mut out = vec![99];
        read(cell.as_bytes(), Form::Nested, &mut out).map(|count| out.split_off(out.len() - count))
    }

    #[test]
    fn reads_numbers_between_blanks() {
        assert_eq!(plain("0 255  7\t70 "), Ok(vec![0, 255, 7, 70]));
        assert_eq!(plain(""), Ok(vec![]));
        assert_eq!(plain("007"), Ok(vec![7]));
    }

    #[test]
    fn refuses_what_is_no_pixel() {
        for (cell, at, text) in [
            ("1 256", 1, "256"),
            ("-1 3", 0, "-1"),
            ("1 2.5 3", 1, "2.5"),
            ("12a", 0, "12a"),
            ("1,2", 0, "1"),
            ("1 65537", 1, "65537"),
            ("99999999999999999999999", 0, "99999999999999999999"),
        ] {
            let text = text.to_owned();
            assert_eq!(plain(cell), Err(Fault::Pixel { at, text }), "{cell}");
        }
    }

    #[test]
    fn reads_and_rounds_a_nested_list() {
        assert_eq!(nested("[[69.3, 73.0], [0, 254.5]]"), Ok(vec![69, 73, 0, 255]));
        assert_eq!(nested("[[69.500000001,1e2],[5e-05, 255.0]]"), Ok(vec![70, 100, 0, 255]));
        assert_eq!(nested(" [[7.]] "), Ok(vec![7]));
    }

    #[test]
    fn refuses_numbers_outside_0_to_255_in_a_list() {
        for text in ["255.5", "-0.5", "nan", "inf", "x", ".", "1e9", "1..2"] {
            let cell = format!("[[1, {text}], [3, 4]]");
            let text = text.to_owned();
            assert_eq!(nested(&cell), Err(Fault::Pixel { at: 1, text }), "{cell}");
        }
    }

    #[test]
    fn refuses_lists_that_are_no_square() {
        for (cell, at) in [
            ("[[1, 2], [3]]", 3),
            ("[[1, 2]]", 2),
            ("[[1, 2], [3, 4]", 4),
            ("[1, 2]", 0),
            ("[[1]][[2]]", 1),
            ("[[[1]]]", 0),
        ] {
            assert_eq!(nested(cell), Err(Fault::List { at }), "{cell}");
        }
    }

    #[test]
    fn short_decimals_equal_the_full_parser() {
        for token in ["0", "7", "69.3", "254.999", "0.00001", "128.0", ".5", "12345.678"] {
            assert_eq!(short_decimal(token.as_bytes()), token.parse().ok(), "{token}");
        }
        for token in ["", ".", "1e2", "-1", "1.2.3", "123456789.0"] {
            assert_eq!(short_decimal(token.as_bytes()), None, "{token}");
        }
    }

    #[test]
    fn form_and_side_follow_the_cell() {
        assert_eq!(Form::of(b" [[1"), Some(Form::Nested));
        assert_eq!(Form::of(b"1 2"), Some(Form::Plain));
        assert_eq!(Form::of(b"  "), None);
        assert_eq!(
            [2304, 9216, 576, 529, 2305].map(side_of),
            [Some(48), Some(96), Some(24), None, None]
        );
    }
}
