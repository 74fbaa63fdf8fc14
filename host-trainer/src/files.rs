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
    if std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > MOST) {
        let message = format!("more than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_pipe_a_device_or_a_file_without_end_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let [pipe, huge] = ["recipe.toml", "network.onnx"].map(|name| dir.path().join(name));
        testing::pipe(&pipe);
        std::fs::File::create(&huge).unwrap().set_len(MOST + 1).unwrap();
        for (path, said) in [
            (pipe.as_path(), "no regular file"),
            (Path::new("/dev/zero"), "no regular file"),
            (dir.path(), "no regular file"),
            (huge.as_path(), "more than"),
        ] {
            for error in [read(path).unwrap_err(), read_text(path).unwrap_err()] {
                assert!(error.to_string().contains(said), "{}: {error}", path.display());
            }
        }
    }

    #[test]
    fn a_text_is_utf_8() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        std::fs::write(&path, b"\xff").unwrap();
        assert!(read_text(&path).unwrap_err().to_string().contains("UTF-8"));
    }
}
