//! Opens a table whatever it is packed and written in.
//!
//! gzip, Zstandard, and zip archives with one table in them; UTF-8 with or without a byte order mark, and UTF-16.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::CrcReader;
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};
use zip::{CompressionMethod, ZipArchive};

use super::DataError;

/// Bytes read at once: a row of 96 x 96 pixels takes about 35,000.
pub(super) const BUFFER: usize = 1 << 18;

/// Enough of a file to tell what it is: the longest header of the known sets has 600 bytes.
const HEAD: u64 = 1 << 16;

/// The text of a file in UTF-8, without a byte order mark.
pub(super) struct Text {
    /// Its first [`HEAD`] bytes, or all.
    pub(super) head: Vec<u8>,
    /// What comes after.
    pub(super) rest: Box<dyn Read>,
}

/// Files that are no text, by their first bytes: what they are, and what to do.
const OTHERS: [(&[u8], &str, &str); 18] = [
    // What is packed once is a table here already.
    (b"\x1f\x8b", "is packed twice", "unpack it with `gunzip`"),
    (b"\x28\xb5\x2f\xfd", "is packed twice", "unpack it with `unzstd`"),
    (b"PK\x03\x04", "is packed twice", "unpack it with `unzip`"),
    (b"\xff\xfe\0\0", "is written in UTF-32", "save it as UTF-8"),
    (b"\0\0\xfe\xff", "is written in UTF-32", "save it as UTF-8"),
    (b"BZh", "is packed with bzip2", "unpack it with `bunzip2`"),
    (b"\xfd7zXZ\0", "is packed with xz", "unpack it with `unxz`"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive", "unpack it with `7z x`"),
    (b"Rar!", "is a RAR archive", "unpack it with `unrar x`"),
    (
        b"PAR1",
        "is a Parquet file",
        "write it as CSV, in pandas with `to_csv(\"faces.csv\", index=False)`",
    ),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook", "save the sheet as CSV"),
    (b"\x89HDF", "is an HDF5 file", "write its table as CSV"),
    (b"\x93NUMPY", "is a NumPy array", "write it as CSV with a header"),
    (
        b"\x89PNG",
        "is a picture",
        "give the directory with a folder of pictures for each class",
    ),
    (
        b"\xff\xd8\xff",
        "is a picture",
        "give the directory with a folder of pictures for each class",
    ),
    (
        b"<!DOCTYPE",
        "is a web page",
        "log in where it comes from, and download the file again",
    ),
    (
        b"<html",
        "is a web page",
        "log in where it comes from, and download the file again",
    ),
    (
        b"version https://git-lfs",
        "is a Git LFS pointer",
        "fetch the file itself with `git lfs pull`",
    ),
];

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<Text, DataError> {
    let failed = |source| DataError::Open {
        path: path.to_owned(),
        source,
    };
    let mut file = durable::open_regular(path).map_err(failed)?;
    let mut first = Vec::new();
    file.by_ref().take(4).read_to_end(&mut first).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let unpacked: Box<dyn Read> = match first.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, file))),
        [0x28, 0xb5, 0x2f, 0xfd] => zstandard(path, file)?,
        [b'P', b'K', 3, 4] => entry(path, file)?,
        _ => Box::new(BufReader::with_capacity(BUFFER, file)),
    };
    text(path, unpacked)
}

fn zstandard(path: &Path, file: File) -> Result<Box<dyn Read>, DataError> {
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::with_capacity(BUFFER, file));
    let decoder = decoder.map_err(|error| DataError::Packed {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    Ok(Box::new(decoder))
}

/// The one table in a zip archive.
fn entry(path: &Path, file: File) -> Result<Box<dyn Read>, DataError> {
    let packed = |cause: String| DataError::Packed {
        path: path.to_owned(),
        cause,
    };
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| packed(error.to_string()))?;
    let names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    if names.iter().any(|name| name == "xl/workbook.xml") {
        return Err(no_table(path, "is an Excel workbook", "save the sheet as CSV"));
    }
    let mut tables: Vec<&String> = names.iter().filter(|name| is_table(name)).collect();
    tables.sort();
    let name = match tables.as_slice() {
        [one] => one.as_str(),
        [] => {
            return Err(packed(
                "no CSV file in the archive: unpack it, and name what is to be read".to_owned(),
            ));
        }
        several => {
            let names: Vec<&str> = several.iter().take(6).map(|name| name.as_str()).collect();
            return Err(packed(format!(
                "{} tables in the archive ({}): unpack it, and name the one that is to be read",
                several.len(),
                names.join(", ")
            )));
        }
    };
    let found = archive.by_name(name).map(|entry| Found::of(&entry));
    let found = found.map_err(|error| packed(error.to_string()))?;
    let raw = || -> io::Result<io::Take<File>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(found.start))?;
        Ok(file.take(found.size))
    };
    let raw = BufReader::with_capacity(BUFFER, raw().map_err(|error| packed(error.to_string()))?);
    let inner: Box<dyn Read> = match found.method {
        CompressionMethod::Stored => Box::new(raw),
        CompressionMethod::Deflated => Box::new(DeflateDecoder::new(raw)),
        _ => {
            return Err(packed(format!(
                "{name} is packed in a way that is not known here: unpack the archive"
            )));
        }
    };
    Ok(Box::new(Checked {
        inner: CrcReader::new(inner),
        expected: found.checksum,
    }))
}

/// Where an entry of an archive lies.
struct Found {
    start: u64,
    size: u64,
    checksum: u32,
    method: CompressionMethod,
}

impl Found {
    fn of(entry: &zip::read::ZipFile<'_>) -> Self {
        Self {
            start: entry.data_start(),
            size: entry.compressed_size(),
            checksum: entry.crc32(),
            method: entry.compression(),
        }
    }
}

/// Names of tables, without the notes that macOS adds.
fn is_table(name: &str) -> bool {
    let lower = name.to_lowercase();
    let file = lower.rsplit('/').next().unwrap_or_default();
    let ends = [".csv", ".tsv", ".txt"].iter().any(|end| file.ends_with(end));
    ends && !file.starts_with("._") && !lower.starts_with("__macosx/")
}

/// An entry whose checksum is compared at its end.
struct Checked<R> {
    inner: CrcReader<R>,
    expected: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.inner.crc().sum() != self.expected {
            let cause = "the checksum in the zip archive differs: the file is damaged";
            return Err(io::Error::new(io::ErrorKind::InvalidData, cause));
        }
        Ok(count)
    }
}

/// What was unpacked, as UTF-8.
fn text(path: &Path, mut unpacked: Box<dyn Read>) -> Result<Text, DataError> {
    let head = head(path, &mut unpacked)?;
    for (start, what, cure) in OTHERS {
        if head
            .get(..start.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(start))
        {
            return Err(no_table(path, what, cure));
        }
    }
    let start = match head.as_slice() {
        [0xef, 0xbb, 0xbf, ..] => 3,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => 2,
        _ => 0,
    };
    let Some(order) = Order::of(&head) else {
        return Ok(Text {
            head: head[start..].to_vec(),
            rest: unpacked,
        });
    };
    let words = Cursor::new(head[start..].to_vec()).chain(unpacked);
    let mut rest: Box<dyn Read> = Box::new(Utf16 {
        inner: words,
        order,
        left: Vec::new(),
        text: Cursor::new(Vec::new()),
    });
    let head = self::head(path, &mut rest)?;
    Ok(Text { head, rest })
}

fn head(path: &Path, reader: &mut Box<dyn Read>) -> Result<Vec<u8>, DataError> {
    let mut head = Vec::new();
    let read = reader.take(HEAD).read_to_end(&mut head);
    read.map_err(|error| DataError::Packed {
        path: path.to_owned(),
        cause: error.to_string(),
    })?;
    Ok(head)
}

fn no_table(path: &Path, what: &'static str, cure: &'static str) -> DataError {
    DataError::NoTable {
        path: path.to_owned(),
        what,
        cure,
    }
}

/// Which byte of a UTF-16 word comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Little,
    Big,
}

impl Order {
    /// That of a text in UTF-16; a header in ASCII tells it where the byte order mark is missing.
    fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xfe, ..] | [1..=255, 0, 1..=255, 0, ..] => Some(Self::Little),
            [0xfe, 0xff, ..] | [0, 1..=255, 0, 1..=255, ..] => Some(Self::Big),
            _ => None,
        }
    }
}

/// UTF-16 as UTF-8; what is no character becomes the sign for that.
struct Utf16<R> {
    inner: R,
    order: Order,
    /// Bytes of a character whose end has not been read yet, at most three.
    left: Vec<u8>,
    /// What is ready.
    text: Cursor<Vec<u8>>,
}

impl<R: Read> Utf16<R> {
    /// Reads on; nothing becomes ready at the end.
    fn refill(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.left);
        let count = self.inner.by_ref().take(BUFFER as u64).read_to_end(&mut bytes)?;
        let mut whole = bytes.len() / 2 * 2;
        let word = |at: usize| match self.order {
            Order::Little => u16::from_le_bytes([bytes[at], bytes[at + 1]]),
            Order::Big => u16::from_be_bytes([bytes[at], bytes[at + 1]]),
        };
        let open = whole >= 2 && (0xd800..0xdc00).contains(&word(whole - 2));
        if count > 0 && open {
            whole -= 2;
        }
        let words = (0..whole).step_by(2).map(word);
        let text: String = char::decode_utf16(words)
            .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        self.left = bytes.split_off(whole);
        self.text = Cursor::new(text.into_bytes());
        Ok(())
    }
}

impl<R: Read> Read for Utf16<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.text.position() == self.text.get_ref().len() as u64 {
            self.refill()?;
        }
        self.text.read(buffer)
    }
}

#[cfg(test)]
mod tests;
