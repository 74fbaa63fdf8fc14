//! Fingerprints of data and files, as they are written down.

use std::fmt::Write as _;

/// `bytes` as lower-case hexadecimal digits, two a byte: how a SHA-256 stands in checkpoints, bundles and files.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
