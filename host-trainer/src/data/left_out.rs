//! Files of a folder that are not read: counted and named with the reason, so that nobody misses a picture in silence.

use std::path::Path;

use inference::picture::{EXTENSIONS, NAMED, Unread};

/// What is not read of a folder of pictures.
#[derive(Debug, Default)]
pub(crate) struct LeftOut(Vec<String>);

impl LeftOut {
    /// Whether a file below `dir` is read as a picture; any other is noted.
    pub(crate) fn takes(&mut self, file: &Path, dir: &Path) -> bool {
        let why = why_not(file);
        if let Some(why) = &why {
            let name = file.strip_prefix(dir).unwrap_or(file);
            self.0.push(format!("{}{why}", name.display()));
        }
        why.is_none()
    }

    /// Notes a file that lies in no folder, whatever it is.
    pub(crate) fn leave(&mut self, file: &Path, dir: &Path) {
        if self.takes(file, dir) {
            let name = file.strip_prefix(dir).unwrap_or(file);
            self.0.push(format!("{} (in no folder)", name.display()));
        }
    }

    /// All that was noted, in a line; `None` where nothing was.
    pub(crate) fn told(mut self) -> Option<String> {
        self.0.sort();
        let files = match self.0.len() {
            0 => return None,
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let more = match self.0.len().saturating_sub(NAMED) {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        self.0.truncate(NAMED);
        Some(format!("{files} left out: {}{more}", self.0.join(", ")))
    }
}

/// Why a file is not read, to stand behind its name; `None` for a picture.
fn why_not(file: &Path) -> Option<String> {
    let name = file.file_name().unwrap_or_default();
    if name.as_encoded_bytes().starts_with(b"._") {
        return Some(" (macOS's notes about another file)".to_owned());
    }
    if file.is_dir() {
        return Some("/ (a folder inside of a folder)".to_owned());
    }
    if file.exists() && !file.is_file() {
        return Some(" (no regular file)".to_owned());
    }
    if is_picture(file) {
        return None;
    }
    let extension = file.extension().and_then(|extension| extension.to_str());
    let known = extension.and_then(Unread::of_extension);
    Some(known.map_or_else(String::new, |kind| format!(" ({kind}: {})", kind.cure())))
}

/// Whether a file is called like a picture.
pub(crate) fn is_picture(path: &Path) -> bool {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// Makes a folder with a picture, and one of everything that is none.
#[cfg(test)]
pub(crate) fn litter(dir: &Path, picture: &[u8]) {
    std::fs::create_dir_all(dir.join("inner.jpg")).unwrap();
    for name in ["._a.pgm", "b.heic", "c.TIF", "d.mp4", "notes"] {
        std::fs::write(dir.join(name), "no picture").unwrap();
    }
    std::fs::write(dir.join("a.pgm"), picture).unwrap();
}

/// What is told of such a folder.
#[cfg(test)]
pub(crate) const LITTER: [&str; 5] = [
    "._a.pgm (macOS's",
    "b.heic (HEIC:",
    "c.TIF (TIFF:",
    "d.mp4 (a film:",
    "notes",
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn all_are_counted_and_the_first_few_named() {
        assert_eq!(LeftOut::default().told(), None);
        let dir = tempfile::tempdir().unwrap();
        litter(dir.path(), b"P5 1 1 255\n\0");
        let mut left_out = LeftOut::default();
        for entry in fs::read_dir(dir.path()).unwrap() {
            let file = entry.unwrap().path();
            assert_eq!(left_out.takes(&file, dir.path()), file.ends_with("a.pgm"));
        }
        let told = left_out.told().unwrap();
        assert!(told.starts_with("6 files left out: ._a.pgm"), "{told}");
        for part in LITTER.into_iter().chain(["inner.jpg/ (a folder"]) {
            assert!(told.contains(part), "{told} does not speak of {part}");
        }
        let mut many = LeftOut::default();
        for number in 0..25 {
            assert!(!many.takes(&dir.path().join(format!("{number:02}.txt")), dir.path()));
        }
        let told = many.told().unwrap();
        assert!(
            told.starts_with("25 files left out: 00.txt") && told.ends_with("09.txt, and 15 more"),
            "{told}"
        );
    }
}
