//! What the operator shows for verdicts: files of one directory, read once.
//!
//! Only files that were found are served, by their names; no path is ever built from what somebody asks for.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use durable::read_text;

use super::message::Shown;

/// Most files of the directory that are read.
const MAX_FILES: usize = 500;

/// Longest text of an operator's own that is shown, in bytes.
const MAX_TEXT: u64 = 2000;

/// What a file is, by the end of its name.
const KINDS: [(&str, &str); 8] = [
    ("avif", "image/avif"),
    ("gif", "image/gif"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("mp4", "video/mp4"),
    ("png", "image/png"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
];

/// The files of a directory, and what is shown for which verdict.
#[derive(Debug, Default)]
pub(super) struct Media {
    files: BTreeMap<String, (PathBuf, &'static str)>,
    shown: BTreeMap<String, Shown>,
}

impl Media {
    /// Looks through a directory; files that mean nothing are left out.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        let mut media = Self::default();
        for entry in fs::read_dir(dir)?.take(MAX_FILES) {
            let path = entry?.path();
            if path.is_file() {
                media.add(&path)?;
            }
        }
        Ok(media)
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let (Some(name), Some(stem), Some(end)) =
            (part(path.file_name()), part(path.file_stem()), part(path.extension()))
        else {
            return Ok(());
        };
        let end = end.to_ascii_lowercase();
        let shown = self.shown.entry(stem.to_lowercase());
        if end == "txt" {
            if fs::metadata(path)?.len() <= MAX_TEXT {
                shown.or_default().text = Some(read_text(path)?.trim().to_owned());
            }
            return Ok(());
        }
        let Some((_, kind)) = KINDS.iter().find(|(known, _)| *known == end) else {
            return Ok(());
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !name.chars().all(plain) {
            return Ok(());
        }
        let address = Some(format!("/media/{name}"));
        let shown = shown.or_default();
        if kind.starts_with("video") {
            shown.film = address;
        } else {
            shown.picture = address;
        }
        self.files.insert(name.to_owned(), (path.to_path_buf(), kind));
        Ok(())
    }

    /// What is shown for which verdict, in small letters.
    pub(super) fn shown(&self) -> &BTreeMap<String, Shown> {
        &self.shown
    }

    /// Where a file lies, and its type.
    pub(super) fn file(&self, name: &str) -> Option<(&Path, &'static str)> {
        self.files.get(name).map(|(path, kind)| (path.as_path(), *kind))
    }
}

fn part(text: Option<&std::ffi::OsStr>) -> Option<&str> {
    text.and_then(std::ffi::OsStr::to_str)
}

/// The part of a file that a `Range` header asks for, as first byte and length; `None` for a header that means nothing
/// here, `Some(Err(()))` for one that lies outside.
pub(super) fn range(header: &str, length: u64) -> Option<Result<(u64, u64), ()>> {
    let (from, to) = header.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = match (from.parse::<u64>(), to) {
        (Ok(from), "") => (from, length.saturating_sub(1)),
        (Ok(from), to) => (from, to.parse::<u64>().ok()?.min(length.saturating_sub(1))),
        // The last bytes.
        (Err(_), to) if from.is_empty() => (length.saturating_sub(to.parse::<u64>().ok()?), length.saturating_sub(1)),
        _ => return None,
    };
    let inside = from < length && from <= to;
    Some(inside.then(|| (from, to - from + 1)).ok_or(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_shown_for_the_verdict_that_they_are_named_after() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "Happy.jpg",
            "happy.txt",
            "Sad.WEBM",
            "no_face.png",
            "script.js",
            "a b.png",
            "Sad.svg",
        ] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::create_dir(dir.path().join("Angry.png")).unwrap();
        let media = Media::read(dir.path()).unwrap();
        let happy = &media.shown()["happy"];
        assert_eq!(happy.picture.as_deref(), Some("/media/Happy.jpg"));
        assert_eq!(happy.text.as_deref(), Some("happy.txt"));
        assert_eq!(media.shown()["sad"].film.as_deref(), Some("/media/Sad.WEBM"));
        assert_eq!(media.file("Sad.WEBM").unwrap().1, "video/webm");
        for name in [
            "script.js",
            "a b.png",
            "Sad.svg",
            "Angry.png",
            "happy.txt",
            "../Happy.jpg",
            "",
            ".",
        ] {
            assert!(media.file(name).is_none(), "{name}");
        }
        assert!(Media::read(&dir.path().join("none")).is_err());
    }

    #[test]
    fn parts_of_a_file_are_those_that_are_asked_for() {
        for (header, expected) in [
            ("bytes=0-", Some(Ok((0, 100)))),
            ("bytes=10-19", Some(Ok((10, 10)))),
            ("bytes=90-1000", Some(Ok((90, 10)))),
            ("bytes=-5", Some(Ok((95, 5)))),
            ("bytes=-1000", Some(Ok((0, 100)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=5-4", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=a-b", None),
            ("bytes=1-2,3-4", None),
            ("bytes=18446744073709551615-", Some(Err(()))),
            ("lines=1-2", None),
        ] {
            assert_eq!(range(header, 100), expected, "{header}");
        }
        assert_eq!(range("bytes=0-", 0), Some(Err(())));
    }
}
