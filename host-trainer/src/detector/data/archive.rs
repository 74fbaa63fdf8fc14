//! Pictures by name, from a directory or an archive.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use durable::{open_regular, read_whole};
use zip::ZipArchive;
use zip::result::ZipError;

use super::SetError;

/// Largest picture file that is read.
const LARGEST: u64 = 64 << 20;

/// Where pictures lie.
pub(super) struct Archive {
    path: PathBuf,
    zip: Option<ZipArchive<BufReader<File>>>,
}

impl Archive {
    pub(super) fn open(path: &Path) -> Result<Self, SetError> {
        let path = path.to_owned();
        if path.is_dir() {
            return Ok(Self { path, zip: None });
        }
        let file = match open_regular(&path) {
            Ok(file) => file,
            Err(source) => return Err(SetError::Read { path, source }),
        };
        match ZipArchive::new(BufReader::new(file)) {
            Ok(zip) => Ok(Self { path, zip: Some(zip) }),
            Err(error) => Err(SetError::Archive {
                path,
                reason: error.to_string(),
            }),
        }
    }

    /// Bytes of a picture. Names never lead out of the directory.
    pub(super) fn read(&mut self, name: &str) -> Result<Vec<u8>, SetError> {
        let missing = || SetError::Missing {
            name: name.to_owned(),
            path: self.path.clone(),
        };
        let mut bytes = Vec::new();
        let Some(zip) = &mut self.zip else {
            let inside = Path::new(name)
                .components()
                .all(|part| matches!(part, Component::Normal(_)));
            let place = self.path.join(name);
            if !inside || !place.is_file() {
                return Err(missing());
            }
            return read_whole(&place, LARGEST).map_err(|source| SetError::Read { path: place, source });
        };
        let reason = match zip.by_name(name) {
            Ok(entry) => match entry.take(LARGEST + 1).read_to_end(&mut bytes) {
                Ok(_) if bytes.len() as u64 > LARGEST => format!("more than {} MiB", LARGEST >> 20),
                Ok(_) => return Ok(bytes),
                Err(error) => error.to_string(),
            },
            Err(ZipError::FileNotFound) => {
                return Err(SetError::Missing {
                    name: name.to_owned(),
                    path: self.path.clone(),
                });
            }
            Err(error) => error.to_string(),
        };
        Err(SetError::Archive {
            path: self.path.clone(),
            reason: format!("'{name}': {reason}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::FileOptions;

    use super::*;

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            let options = FileOptions::default().compression_method(zip::CompressionMethod::Deflated);
            archive.start_file(*name, options).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn read(archive: &[u8], name: &str) -> Result<Vec<u8>, SetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.zip");
        std::fs::write(&path, archive).unwrap();
        Archive::open(&path)?.read(name)
    }

    /// With `bytes` so many after the last mark of a header.
    fn forged(mark: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut archive = zipped(&[("a.pgm", b"P5 1 1 255\n7"), ("b.pgm", b"P5 1 1 255\n8")]);
        let from = archive.windows(4).rposition(|own| own == mark).unwrap() + at;
        archive[from..from + bytes.len()].copy_from_slice(bytes);
        archive
    }

    #[test]
    fn archives_of_pictures_that_contradict_themselves_are_refused() {
        let (end, entry) = (b"PK\x05\x06", b"PK\x01\x02");
        let far = &0xffff_fff0_u32.to_le_bytes()[..];
        for (what, archive) in [
            ("65,535 entries", forged(end, 8, &[0xff; 4])),
            ("a list far behind the end", forged(end, 12, &[far, far].concat())),
            ("an entry far behind the end", forged(entry, 42, far)),
            ("another picture's checksum", forged(entry, 16, &[1, 2, 3, 4])),
            ("a password", forged(entry, 8, &[1, 0])),
            ("a method that nobody knows", forged(entry, 10, &[98, 0])),
            ("half", forged(end, 0, b"PK")[..80].to_vec()),
        ] {
            assert!(
                matches!(read(&archive, "b.pgm"), Err(SetError::Archive { .. })),
                "{what}"
            );
        }
        // Two that share their bytes are two, each within the limit of one.
        let shared = forged(entry, 42, &[0; 4]);
        let got = read(&shared, "b.pgm");
        assert!(matches!(got, Err(SetError::Archive { .. })) || got.is_ok_and(|bytes| bytes.len() < 100));
    }

    #[test]
    fn names_in_an_archive_lead_to_nothing_but_its_entries() {
        let archive = zipped(&[("../../a.pgm", b"7"), ("/etc/hostname", b"8")]);
        assert_eq!(read(&archive, "../../a.pgm").unwrap(), b"7");
        assert_eq!(read(&archive, "/etc/hostname").unwrap(), b"8");
        for name in ["a.pgm", "/etc/passwd", "../images.zip", "", "."] {
            assert!(
                matches!(read(&archive, name), Err(SetError::Missing { .. })),
                "{name:?}"
            );
        }
    }
}
