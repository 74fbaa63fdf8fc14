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
    /// The next entry, where its name was read but not its content.
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
    ///
    /// # Errors
    ///
    /// When the archive has not the form of a tar.
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
mod tests;
