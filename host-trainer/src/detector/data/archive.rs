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
