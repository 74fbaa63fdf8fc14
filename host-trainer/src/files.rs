//! Reads whole files that people name or other programs wrote: what would be waited for, or has no end, is refused.

use std::io;
use std::path::Path;

/// Most bytes of a file: far more than any network, checkpoint or list of faces has.
const MOST: u64 = 1 << 30;

/// All of a file.
///
/// # Errors
/// A pipe, a device, a directory, or a file of more than 1 GiB, and what keeps it from being read.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    durable::read_whole(path, MOST)
}

/// All of a text.
///
/// # Errors
/// As of [`read`], and what is no UTF-8.
pub fn read_text(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read(path)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}
