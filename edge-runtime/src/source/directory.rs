//! Which files of a directory are read, and what is said of the others.

use std::fs;
use std::path::{Path, PathBuf};

use super::SourceError;
use inference::picture::{EXTENSIONS, NAMED, Unread};

/// Extensions of files of JPEG pictures that follow each other.
pub(super) const MJPEG: [&str; 2] = ["mjpeg", "mjpg"];

/// The content of a directory.
pub(super) struct Listing {
    /// What can be read, in the order of the names.
    pub(super) files: Vec<PathBuf>,
    /// Names of all others, each with the reason.
    others: Vec<String>,
}

/// Looks at the names in a directory.
pub(super) fn list(path: &Path) -> Result<Listing, SourceError> {
    let mut listing = Listing {
        files: Vec::new(),
        others: Vec::new(),
    };
    for entry in fs::read_dir(path).map_err(|source| SourceError::io(path, source))? {
        let file = entry.map_err(|source| SourceError::io(path, source))?.path();
        match why_not(&file) {
            None => listing.files.push(file),
            Some(why) => {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                listing.others.push(format!("{name}{why}"));
            }
        }
    }
    listing.files.sort();
    listing.others.sort();
    Ok(listing)
}

impl Listing {
    /// One line about what is left out; `None` where nothing is.
    pub(super) fn left_out(&self, dir: &Path) -> Option<String> {
        let files = match self.others.len() {
            0 => return None,
            1 => "1 file".to_owned(),
            count => format!("{count} files"),
        };
        let named = self.others.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>();
        let more = match self.others.len() - named.len() {
            0 => String::new(),
            count => format!(", and {count} more"),
        };
        Some(format!(
            "{}: {files} left out: {}{more}",
            dir.display(),
            named.join(", ")
        ))
    }
}

/// Why a file of a directory is not read, to stand behind its name; `None` for one that is.
fn why_not(file: &Path) -> Option<String> {
    let hidden = file
        .file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"));
    if hidden {
        return Some(" (macOS's notes about another file)".to_owned());
    }
    if file.is_dir() {
        return Some("/ (a directory: name it as well)".to_owned());
    }
    if file.exists() && !file.is_file() {
        return Some(" (no regular file)".to_owned());
    }
    if has_extension(file, &EXTENSIONS) || has_extension(file, &["y4m"]) || has_extension(file, &MJPEG) {
        return None;
    }
    let extension = file.extension().and_then(|extension| extension.to_str());
    let known = extension.and_then(Unread::of_extension);
    Some(known.map_or_else(String::new, |kind| format!(" ({kind}: {})", kind.cure())))
}

pub(super) fn has_extension(path: &Path, known: &[&str]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| known.iter().any(|known| known.eq_ignore_ascii_case(extension)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_read_or_named_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "._a.jpg", "a.heic", "a.jfif", "a.JPG", "a.webp", "a.tif", "a.mjpeg", "notes", "film.mp4",
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join("sub.jpg")).unwrap();
        let listing = list(dir.path()).unwrap();
        let names: Vec<_> = listing.files.iter().map(|file| file.file_name().unwrap()).collect();
        assert_eq!(names, ["a.JPG", "a.jfif", "a.mjpeg", "a.webp"]);
        let told = listing.left_out(dir.path()).unwrap();
        for part in [
            "6 files left out: ._a.jpg (macOS's",
            "a.heic (HEIC: make it a JPEG",
            "a.tif (TIFF:",
            "film.mp4 (a film:",
            ", notes, ",
            "sub.jpg/ (a directory",
        ] {
            assert!(told.contains(part), "{told} does not speak of {part}");
        }
    }

    #[test]
    fn no_more_than_a_few_are_named_and_all_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(list(dir.path()).unwrap().left_out(dir.path()), None);
        for number in 0..25 {
            fs::write(dir.path().join(format!("{number:02}.txt")), "x").unwrap();
        }
        let told = list(dir.path()).unwrap().left_out(dir.path()).unwrap();
        assert!(
            told.contains("25 files left out: 00.txt") && told.ends_with("09.txt, and 15 more"),
            "{told}"
        );
    }
}
