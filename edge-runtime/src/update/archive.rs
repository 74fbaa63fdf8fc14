//! The parts of an update, from a tar or from a directory.
//!
//! An archive is read front to back, once, straight from where it comes. Of tar only plain files with plain names are
//! known: no directories, links, devices, long names or extensions, and nothing is unpacked by the library itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::{MAX_BYTES, SIGNATURE, Signed, UpdateError};

/// Bytes that are read and written at a time.
const CHUNK: usize = 256 * 1024;

/// Takes the next bytes of a part.
pub type Take<'a> = dyn FnMut(&[u8]) -> Result<(), UpdateError> + 'a;

/// The parts of an update, in their order.
pub trait Parts {
    /// The next part, if it has this name.
    fn optional(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UpdateError>;

    /// Gives the content of the next part, which must have this name and size, to `take`.
    fn copy(&mut self, name: &str, bytes: u64, take: &mut Take<'_>) -> Result<(), UpdateError>;

    /// Says whether that was all.
    fn end(&mut self) -> Result<(), UpdateError>;
}

/// An archive from some reader.
pub struct TarParts<'a, R: Read> {
    entries: tar::Entries<'a, Capped<R>>,
    /// The next entry, where it was looked at but not taken.
    next: Option<tar::Entry<'a, Capped<R>>>,
}

/// A reader that ends with an error instead of giving more than an update may have.
pub struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Capped<R> {
    /// Lets [`MAX_BYTES`] through, and what tar adds to them.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            left: MAX_BYTES + 64 * 1024,
        }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut buffer[..most])?;
        self.left -= count as u64;
        Ok(count)
    }
}

impl<'a, R: Read> TarParts<'a, R> {
    /// The parts of an archive.
    pub fn new(archive: &'a mut tar::Archive<Capped<R>>) -> Result<Self, UpdateError> {
        Ok(Self {
            // Extensions are given as what they are, and refused, instead of being applied.
            entries: archive.entries().map_err(reading)?.raw(true),
            next: None,
        })
    }

    /// The next entry if there is one and it has this name.
    fn entry(&mut self, name: &str) -> Result<Option<tar::Entry<'a, Capped<R>>>, UpdateError> {
        let entry = match self.next.take() {
            Some(entry) => Some(entry),
            None => self.entries.next().transpose().map_err(reading)?,
        };
        let Some(entry) = entry else { return Ok(None) };
        if !entry.header().entry_type().is_file() {
            return Err(refused(&entry, "is no plain file"));
        }
        if *entry.path_bytes() == *name.as_bytes() {
            return Ok(Some(entry));
        }
        self.next = Some(entry);
        Ok(None)
    }
}

impl<R: Read> Parts for TarParts<'_, R> {
    fn optional(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UpdateError> {
        let Some(mut entry) = self.entry(name)? else {
            return Ok(None);
        };
        let bytes = entry.size();
        if bytes > limit {
            let what = name.to_owned();
            return Err(UpdateError::TooLarge { what, limit });
        }
        let mut content = Vec::with_capacity(bytes as usize);
        entry.read_to_end(&mut content).map_err(reading)?;
        if content.len() as u64 == bytes {
            Ok(Some(content))
        } else {
            Err(UpdateError::Truncated(name.to_owned()))
        }
    }

    fn copy(&mut self, name: &str, bytes: u64, take: &mut Take<'_>) -> Result<(), UpdateError> {
        let Some(mut entry) = self.entry(name)? else {
            return Err(match &self.next {
                Some(entry) => refused(entry, &format!("stands where `{name}` should be")),
                None => UpdateError::Truncated(format!("archive before `{name}`")),
            });
        };
        check_size(name, bytes, entry.size())?;
        copy(name, bytes, &mut entry, take)
    }

    fn end(&mut self) -> Result<(), UpdateError> {
        let next = match self.next.take() {
            Some(entry) => Some(entry),
            None => self.entries.next().transpose().map_err(reading)?,
        };
        match next {
            Some(entry) => Err(refused(&entry, "is not in the signed list")),
            None => Ok(()),
        }
    }
}

/// A directory with the parts as files; what else lies there is nobody's business.
pub struct DirParts(pub PathBuf);

impl DirParts {
    fn open(&self, name: &str) -> Result<Option<(File, u64)>, UpdateError> {
        let path = self.0.join(name);
        let what = path.display().to_string();
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(UpdateError::Read { what, source }),
        };
        if !metadata.is_file() {
            let reason = "is no plain file".to_owned();
            return Err(UpdateError::Entry { name: what, reason });
        }
        match File::open(&path) {
            Ok(file) => Ok(Some((file, metadata.len()))),
            Err(source) => Err(UpdateError::Read { what, source }),
        }
    }
}

impl Parts for DirParts {
    fn optional(&mut self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UpdateError> {
        let Some((file, _)) = self.open(name)? else {
            return Ok(None);
        };
        read_capped(name, file, limit).map(Some)
    }

    fn copy(&mut self, name: &str, bytes: u64, take: &mut Take<'_>) -> Result<(), UpdateError> {
        let Some((mut file, found)) = self.open(name)? else {
            return Err(UpdateError::Missing(self.0.join(name).display().to_string()));
        };
        check_size(name, bytes, found)?;
        copy(name, bytes, &mut file, take)
    }

    fn end(&mut self) -> Result<(), UpdateError> {
        Ok(())
    }
}

/// A document and its signature, the next two parts; `None` if the next part is something else.
pub(super) fn signed(parts: &mut dyn Parts, name: &str) -> Result<Option<Signed>, UpdateError> {
    let Some(content) = parts.optional(name, super::MAX_SIGNED_BYTES)? else {
        return Ok(None);
    };
    let signature = format!("{name}{SIGNATURE}");
    match parts.optional(&signature, super::MAX_SIGNATURE_BYTES)? {
        Some(signature) => Signed::new(name, content, signature).map(Some),
        None => Err(UpdateError::Unsigned(name.to_owned())),
    }
}

/// Reads something small to its end.
pub(super) fn read_capped(what: &str, reader: impl Read, limit: u64) -> Result<Vec<u8>, UpdateError> {
    let mut content = Vec::new();
    let result = reader.take(limit + 1).read_to_end(&mut content);
    result.map_err(|error| UpdateError::reading(what, limit, error))?;
    if content.len() as u64 > limit {
        let what = what.to_owned();
        return Err(UpdateError::TooLarge { what, limit });
    }
    Ok(content)
}

fn check_size(name: &str, expected: u64, found: u64) -> Result<(), UpdateError> {
    if found == expected {
        return Ok(());
    }
    Err(UpdateError::Size {
        path: name.to_owned(),
        expected,
        found,
    })
}

fn copy(name: &str, bytes: u64, reader: &mut impl Read, take: &mut Take<'_>) -> Result<(), UpdateError> {
    let mut buffer = vec![0; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let most = CHUNK.min(usize::try_from(left).unwrap_or(CHUNK));
        let count = reader.read(&mut buffer[..most]).map_err(reading)?;
        if count == 0 {
            return Err(UpdateError::Truncated(name.to_owned()));
        }
        take(&buffer[..count])?;
        left -= count as u64;
    }
    Ok(())
}

/// Tells a broken archive from one that cannot be read: the library's own errors are of the kind `Other`.
fn reading(error: io::Error) -> UpdateError {
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            UpdateError::Archive(error.to_string())
        }
        _ => UpdateError::reading("archive", MAX_BYTES, error),
    }
}

fn refused<R: Read>(entry: &tar::Entry<'_, R>, reason: &str) -> UpdateError {
    UpdateError::Entry {
        name: entry.path_bytes().escape_ascii().to_string(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::pack::{append, pack};
    use super::super::{KEYS, STATEMENT};
    use super::*;
    use crate::testing::signing::Signer;

    const LIMIT: u64 = 1000;

    fn parts<T>(bytes: &[u8], read: impl FnOnce(&mut dyn Parts) -> T) -> T {
        let mut archive = tar::Archive::new(Capped::new(bytes));
        read(&mut TarParts::new(&mut archive).unwrap())
    }

    fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in entries {
            append(&mut builder, name, content.len() as u64, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn take(parts: &mut dyn Parts, name: &str, bytes: u64) -> Result<Vec<u8>, UpdateError> {
        let mut all = Vec::new();
        parts.copy(name, bytes, &mut |chunk| {
            all.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn gives_what_was_packed_in_its_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, vec![7; 1_000_000]).unwrap();
        let signer = Signer::new();
        let (keys, statement) = (signer.sign("keys"), signer.sign("statement"));
        let mut packed = Vec::new();
        pack(&mut packed, Some(&keys), &statement, [("a.onnx", path.as_path())]).unwrap();
        parts(&packed, |parts| {
            assert_eq!(signed(parts, KEYS).unwrap().unwrap(), keys);
            assert_eq!(signed(parts, STATEMENT).unwrap().unwrap(), statement);
            assert_eq!(take(parts, "a.onnx", 1_000_000).unwrap(), vec![7; 1_000_000]);
            parts.end().unwrap();
        });
        let mut again = Vec::new();
        pack(&mut again, Some(&keys), &statement, [("a.onnx", path.as_path())]).unwrap();
        assert_eq!(packed, again);
    }

    #[test]
    fn refuses_everything_but_plain_files_in_order() {
        use tar::EntryType;
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Directory,
            EntryType::Char,
            EntryType::Fifo,
            EntryType::GNULongName,
            EntryType::GNUSparse,
            EntryType::XHeader,
            EntryType::XGlobalHeader,
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_path("a").unwrap();
            header.set_entry_type(kind);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_size(0);
            header.set_cksum();
            let mut builder = tar::Builder::new(Vec::new());
            builder.append(&header, io::empty()).unwrap();
            let bytes = builder.into_inner().unwrap();
            let error = parts(&bytes, |parts| parts.optional("a", LIMIT))
                .unwrap_err()
                .to_string();
            assert!(error.contains("no plain file"), "{kind:?} {error}");
        }
        let bytes = archive(&[("a", b"1"), ("b", b"2")]);
        let error = parts(&bytes, |parts| take(parts, "b", 1)).unwrap_err().to_string();
        assert!(error.contains("`a` stands where `b` should be"), "{error}");
        let error = parts(&bytes, |parts| {
            take(parts, "a", 1)?;
            parts.end()
        });
        assert!(error.unwrap_err().to_string().contains("`b` is not in the signed list"));
    }

    #[test]
    fn names_that_leave_the_directory_are_never_asked_for() {
        for evil in ["../../etc/passwd", "/etc/passwd", "a/../../b", "./a", "a\\b"] {
            let mut header = tar::Header::new_ustar();
            header.as_old_mut().name[..evil.len()].copy_from_slice(evil.as_bytes());
            header.set_size(1);
            header.set_cksum();
            let mut builder = tar::Builder::new(Vec::new());
            builder.append(&header, &b"x"[..]).unwrap();
            let bytes = builder.into_inner().unwrap();
            let error = parts(&bytes, |parts| take(parts, "a", 1)).unwrap_err();
            assert!(matches!(error, UpdateError::Entry { .. }), "{error}");
        }
    }

    #[test]
    fn refuses_sizes_before_reading_and_archives_that_end_early() {
        let bytes = archive(&[("a", &[1; 600])]);
        let error = parts(&bytes, |parts| parts.optional("a", 599)).unwrap_err();
        assert!(matches!(error, UpdateError::TooLarge { limit: 599, .. }), "{error}");
        for wrong in [599, 601] {
            let error = parts(&bytes, |parts| take(parts, "a", wrong)).unwrap_err();
            assert!(matches!(error, UpdateError::Size { found: 600, .. }), "{error}");
        }
        for end in 0..512 + 600 {
            let short = &bytes[..end];
            let error = parts(short, |parts| take(parts, "a", 600)).unwrap_err();
            let early = matches!(error, UpdateError::Truncated(_) | UpdateError::Archive(_));
            assert!(early, "{end} {error}");
        }
        let mut endless = tar::Archive::new(Capped {
            inner: io::repeat(0),
            left: 700,
        });
        let mut parts = TarParts::new(&mut endless).unwrap();
        assert!(matches!(take(&mut parts, "a", 1), Err(UpdateError::Truncated(_))));
    }

    #[test]
    fn a_changed_header_never_passes() {
        let bytes = archive(&[("a", b"content")]);
        for at in 0..512 {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let result = parts(&changed, |parts| take(parts, "a", 7));
            // Owner and time are covered by the header's own sum, which blanks and zeros may end.
            if let Ok(content) = result {
                assert_eq!(content, b"content", "{at}");
            }
        }
    }

    #[test]
    fn directories_give_the_same_parts() {
        let dir = tempfile::tempdir().unwrap();
        let mut parts = DirParts(dir.path().to_path_buf());
        assert!(parts.optional("a", LIMIT).unwrap().is_none());
        assert!(matches!(take(&mut parts, "a", 1), Err(UpdateError::Missing(_))));
        fs::write(dir.path().join("a"), b"12345").unwrap();
        assert_eq!(parts.optional("a", 5).unwrap().unwrap(), b"12345");
        assert!(matches!(parts.optional("a", 4), Err(UpdateError::TooLarge { .. })));
        assert_eq!(take(&mut parts, "a", 5).unwrap(), b"12345");
        assert!(matches!(take(&mut parts, "a", 4), Err(UpdateError::Size { .. })));
        fs::create_dir(dir.path().join("b")).unwrap();
        assert!(matches!(parts.optional("b", 5), Err(UpdateError::Entry { .. })));
    }
}
