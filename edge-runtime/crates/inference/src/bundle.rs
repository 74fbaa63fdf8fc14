//! Bundles on disk: a directory with `manifest.json` and the files it names.
//!
//! [`Bundle::open`] trusts nothing: sizes are capped and compared before a file is read, hashes before
//! anything in it is parsed. What the files hold is the business of the [networks](crate::Model).

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use shared_model::manifest::{FILE_NAME, FileRef, Manifest, ManifestError, SCHEMA, is_known_contract};

pub use crate::seal::seal;

/// Most bytes that a manifest may have.
pub const MAX_MANIFEST_BYTES: u64 = 256 * 1024;

/// Most bytes that one file of a bundle may have.
pub const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Where a bundle is looked for when none is named: what the packages install.
pub const DEFAULT_DIR: &str = "/usr/share/edge-runtime/models/default";

/// A bundle whose files all had the sizes that its manifest promises when it was opened, and by [`Bundle::open`] the bytes.
#[derive(Debug, Clone)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
    /// The [`seal`] of the manifest, as it was read.
    seal: shared_model::manifest::Sha256,
}

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// There is no such directory, or no manifest in it.
    #[error("open bundle: {path} does not exist; name a directory with a {FILE_NAME}")]
    Missing {
        /// The directory or the file that is not there.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error("read {path}: {source}")]
    Io {
        /// The file or directory that was read.
        path: PathBuf,
        /// The cause, as the system reports it.
        source: io::Error,
    },
    /// A file is a directory, a device or the like.
    #[error("read {path}: not a regular file")]
    NotAFile {
        /// The path that is named by the manifest.
        path: PathBuf,
    },
    /// A file is larger than this program reads.
    #[error("read {path}: {bytes} bytes are more than the limit of {limit}")]
    TooLarge {
        /// The file that was about to be read.
        path: PathBuf,
        /// Its size in bytes.
        bytes: u64,
        /// The limit for this kind of file, in bytes.
        limit: u64,
    },
    /// The manifest is no JSON of the form that this program reads.
    #[error("parse {path}: {source}")]
    Json {
        /// The path of the manifest.
        path: PathBuf,
        /// The syntax error, with line and column.
        source: serde_json::Error,
    },
    /// The manifest breaks a rule.
    #[error("check {path}: {source}")]
    Manifest {
        /// The path of the manifest.
        path: PathBuf,
        /// The rule that is broken.
        source: ManifestError,
    },
    /// A file has another size than the manifest says.
    #[error("check {path}: {found} bytes instead of the {expected} of the manifest; copy the bundle again")]
    Size {
        /// The file whose size differs.
        path: PathBuf,
        /// The size that the manifest says, in bytes.
        expected: u64,
        /// The size of the file, in bytes.
        found: u64,
    },
    /// A file has other bytes than the manifest says.
    #[error("check {path}: sha-256 is {found} instead of the {expected} of the manifest; copy the bundle again")]
    Hash {
        /// The file whose bytes differ.
        path: PathBuf,
        /// The SHA-256 that the manifest says, in hexadecimal digits.
        expected: String,
        /// The SHA-256 of the file, in hexadecimal digits.
        found: String,
    },
}

/// The two numbers that decide whether the rest of a manifest can be understood at all.
#[derive(Deserialize)]
struct Form {
    schema: u32,
    contract: u32,
}

impl Bundle {
    /// Opens the bundle in `dir` and compares every file with the manifest.
    ///
    /// # Errors
    /// A [`BundleError`] that names the first file that is missing, too large, unreadable or not as the manifest says.
    pub fn open(dir: &Path) -> Result<Self, BundleError> {
        let bundle = Self::open_to_run(dir)?;
        for file in bundle.manifest.files() {
            bundle.verify(file)?;
        }
        Ok(bundle)
    }

    /// Opens the bundle in `dir` for whoever is to start soon: compares the sizes now, and the bytes of a file when it is
    /// [read](Self::read). Those of the other precision, four times as large, are not read.
    ///
    /// # Errors
    /// A [`BundleError`] that names the first file that is missing, too large, or of another size than the manifest says.
    pub fn open_to_run(dir: &Path) -> Result<Self, BundleError> {
        let path = dir.join(FILE_NAME);
        let json = read_capped(&path, MAX_MANIFEST_BYTES)?;
        let bundle = Self {
            dir: dir.to_path_buf(),
            manifest: parse(&path, &json)?,
            seal: seal(&json).map_err(|source| BundleError::Json { path, source })?,
        };
        for file in bundle.manifest.files() {
            bundle.check_size(file)?;
        }
        Ok(bundle)
    }

    /// The directory that the bundle was opened in.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the bundle says about itself; checked.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The [`seal`] of the manifest, as it was read.
    pub fn seal(&self) -> &shared_model::manifest::Sha256 {
        &self.seal
    }

    /// The bytes of a file of this bundle, compared with the manifest once more.
    ///
    /// # Errors
    /// A [`BundleError`] where the file is gone or has changed since the bundle was opened.
    pub fn read(&self, file: FileRef<'_>) -> Result<Vec<u8>, BundleError> {
        let path = self.check_size(file)?;
        let bytes = read_capped(&path, file.bytes)?;
        check_hash(&path, file, &Sha256::digest(&bytes).into())?;
        Ok(bytes)
    }

    /// Compares a file with the manifest without holding it in memory.
    fn verify(&self, file: FileRef<'_>) -> Result<(), BundleError> {
        let path = self.check_size(file)?;
        let mut reader = open(&path)?.take(file.bytes);
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader.read(&mut buffer).map_err(|source| io_error(&path, source))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
        }
        check_hash(&path, file, &hasher.finalize().into())
    }

    fn check_size(&self, file: FileRef<'_>) -> Result<PathBuf, BundleError> {
        let path = self.dir.join(file.path.as_str());
        if file.bytes > MAX_FILE_BYTES {
            return Err(BundleError::TooLarge {
                path,
                bytes: file.bytes,
                limit: MAX_FILE_BYTES,
            });
        }
        let found = regular_size(&path)?;
        if found != file.bytes {
            return Err(BundleError::Size {
                path,
                expected: file.bytes,
                found,
            });
        }
        Ok(path)
    }
}

/// Reads a manifest; an unknown schema or contract is told as such even where nothing else fits.
pub(crate) fn parse(path: &Path, json: &[u8]) -> Result<Manifest, BundleError> {
    let invalid = |source| BundleError::Json {
        path: path.to_path_buf(),
        source,
    };
    let broken = |source| BundleError::Manifest {
        path: path.to_path_buf(),
        source,
    };
    let form: Form = serde_json::from_slice(json).map_err(invalid)?;
    if form.schema != SCHEMA {
        return Err(broken(ManifestError::Schema { found: form.schema }));
    }
    if !is_known_contract(form.contract) {
        return Err(broken(ManifestError::Contract { found: form.contract }));
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(invalid)?;
    manifest.check().map_err(broken)?;
    Ok(manifest)
}

fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>, BundleError> {
    let bytes = regular_size(path)?;
    if bytes > limit {
        return Err(BundleError::TooLarge {
            path: path.to_path_buf(),
            bytes,
            limit,
        });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    // The file may grow while it is read: the limit holds all the same.
    let mut reader = open(path)?.take(limit);
    reader
        .read_to_end(&mut content)
        .map_err(|source| io_error(path, source))?;
    Ok(content)
}

fn regular_size(path: &Path) -> Result<u64, BundleError> {
    let metadata = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(BundleError::NotAFile {
            path: path.to_path_buf(),
        })
    }
}

fn open(path: &Path) -> Result<File, BundleError> {
    File::open(path).map_err(|source| io_error(path, source))
}

fn io_error(path: &Path, source: io::Error) -> BundleError {
    let path = path.to_path_buf();
    if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
        BundleError::Missing { path }
    } else {
        BundleError::Io { path, source }
    }
}

fn check_hash(path: &Path, file: FileRef<'_>, digest: &[u8; 32]) -> Result<(), BundleError> {
    let found = shared_model::manifest::Sha256::from_bytes(digest);
    if found == *file.sha256 {
        return Ok(());
    }
    Err(BundleError::Hash {
        path: path.to_path_buf(),
        expected: file.sha256.as_str().to_owned(),
        found: found.as_str().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::bundle::write_bundle;

    fn error_of(dir: &Path) -> String {
        Bundle::open(dir).unwrap_err().to_string()
    }

    fn edit(dir: &Path, from: &str, to: &str) {
        let path = dir.join(FILE_NAME);
        let json = fs::read_to_string(&path).unwrap();
        assert!(json.contains(from), "{json} has no {from}");
        fs::write(&path, json.replacen(from, to, 1)).unwrap();
    }

    #[test]
    fn opens_a_whole_bundle_and_gives_its_files() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        let bundle = Bundle::open(dir.path()).unwrap();
        let file = &bundle.manifest().keypoints.files[0];
        assert_eq!(bundle.read(file.into()).unwrap().len() as u64, file.bytes);
        assert_eq!(bundle.dir(), dir.path());
        fs::remove_file(dir.path().join(bundle.manifest().golden.path.as_str())).unwrap();
        assert!(error_of(dir.path()).contains("golden.json does not exist"));
    }

    #[test]
    fn refuses_a_file_of_another_size_or_with_other_bytes() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        let bundle = Bundle::open(dir.path()).unwrap();
        let file = bundle.manifest().emotion.files[0].clone();
        let path = dir.path().join(file.path.as_str());
        let mut bytes = fs::read(&path).unwrap();
        bytes[100] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(error_of(dir.path()).contains("sha-256"));
        let starts = Bundle::open_to_run(dir.path()).unwrap();
        for bundle in [&bundle, &starts] {
            assert!(matches!(bundle.read((&file).into()), Err(BundleError::Hash { .. })));
        }
        bytes.pop();
        fs::write(&path, &bytes).unwrap();
        assert!(error_of(dir.path()).contains("bytes instead of"));
        assert!(matches!(Bundle::open_to_run(dir.path()), Err(BundleError::Size { .. })));
        assert!(matches!(bundle.read((&file).into()), Err(BundleError::Size { .. })));
        fs::remove_file(&path).unwrap();
        assert!(error_of(dir.path()).contains("does not exist"));
        fs::create_dir(&path).unwrap();
        assert!(error_of(dir.path()).contains("not a regular file"));
    }

    #[test]
    fn tells_schema_and_contract_before_anything_else() {
        for (json, expected) in [
            (r#"{"schema": 9, "contract": 1, "strange": true}"#, "schema 9"),
            (r#"{"schema": 1, "contract": 1}"#, "schema 1"),
            (r#"{"schema": 2, "contract": 7, "strange": true}"#, "contract 7"),
            (r#"{"schema": 2, "contract": 1, "strange": true}"#, "strange"),
            (r#"{"schema": 2}"#, "contract"),
            ("{", "EOF"),
            ("", "EOF"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(FILE_NAME), json).unwrap();
            let error = error_of(dir.path());
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
    }

    #[test]
    fn refuses_names_that_leave_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        write_bundle(dir.path());
        edit(dir.path(), "\"keypoints.onnx\"", "\"../keypoints.onnx\"");
        assert!(error_of(dir.path()).contains("plain"));
    }

    #[test]
    fn refuses_sizes_beyond_the_limits_before_reading() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = write_bundle(dir.path());
        let bytes = format!("\"bytes\":{}", bundle.keypoints.files[0].bytes);
        edit(dir.path(), &bytes, "\"bytes\":300000000");
        assert!(matches!(Bundle::open(dir.path()), Err(BundleError::TooLarge { .. })));
        fs::write(dir.path().join(FILE_NAME), vec![b' '; 300_000]).unwrap();
        assert!(matches!(Bundle::open(dir.path()), Err(BundleError::TooLarge { .. })));
    }

    #[test]
    fn names_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(error_of(dir.path()).contains(FILE_NAME));
        assert!(error_of(&dir.path().join("nowhere")).contains("nowhere"));
    }
}
