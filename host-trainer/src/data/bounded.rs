//! A limit for one row: a file without line ends, or a packed one of which a few bytes unfold to gigabytes, ends with an error
//! before it takes all memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Most bytes of a row, and of a header.
const MAX_ROW: u64 = 64 << 20;

/// Lets through what one row may have, and what is read ahead.
pub(crate) struct Bounded<R> {
    inner: R,
    row: Row,
}

/// How much of a row may still come.
#[derive(Clone)]
pub(crate) struct Row(Rc<Cell<u64>>);

impl Row {
    /// Another row begins.
    pub(crate) fn begin(&self) {
        self.0.set(MAX_ROW);
    }
}

impl<R: Read> Bounded<R> {
    /// A reader, and what tells it of each row.
    pub(crate) fn new(inner: R) -> (Self, Row) {
        let row = Row(Rc::new(Cell::new(MAX_ROW)));
        let bounded = Self {
            inner,
            row: row.clone(),
        };
        (bounded, row)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.row.0.get();
        if left == 0 {
            let message = format!("a row of more than {} MiB: this is no table", MAX_ROW >> 20);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        self.row.0.set(left - count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_bounded_and_a_file_is_not() {
        let (mut reader, row) = Bounded::new(io::repeat(0));
        let mut buffer = vec![0; 1 << 20];
        for _ in 0..3 {
            row.begin();
            for _ in 0..64 {
                reader.read_exact(&mut buffer).unwrap();
            }
        }
        let error = reader.read_exact(&mut buffer).unwrap_err();
        assert!(error.to_string().contains("no table"), "{error}");
    }
}
