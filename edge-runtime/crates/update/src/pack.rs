//! How updates are made: the trainer's half of the format, beside the device's.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256 as Hasher};
use shared_model::Text;
use shared_model::manifest::{FILE_NAME, Sha256};

use super::update_manifest::is_plain;
use super::{FileEntry, KEYS, SIGNATURE, Signed, UPDATE_MANIFEST, UpdateError, UpdateManifest, Version};
use inference::bundle::Bundle;

/// The update manifest of a bundle: its manifest first, then all other files of its directory by name.
///
/// # Errors
///
/// When a file cannot be read, or the bundle breaks a rule of update manifests.
pub fn describe(bundle: &Bundle, minimum_runtime: Version) -> Result<UpdateManifest, UpdateError> {
    let dir = bundle.dir();
    let what = dir.display().to_string();
    let failed = |error| UpdateError::reading(&what, u64::MAX, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = entry.file_type().map_err(failed)?.is_file() && is_plain(&name);
        if !plain {
            let reason = "in the bundle is no plain file with a plain name; move it away".to_owned();
            return Err(UpdateError::Entry { name, reason });
        }
        names.push(name);
    }
    names.sort_by_key(|name| (name != FILE_NAME, name.clone()));
    let files: Result<Vec<FileEntry>, UpdateError> = names.iter().map(|name| entry(dir, name)).collect();
    let manifest = bundle.manifest();
    let update_manifest = UpdateManifest::new(
        manifest.name.clone(),
        manifest.version,
        manifest.contract,
        minimum_runtime,
        files?,
    );
    update_manifest.check()?;
    Ok(update_manifest)
}

fn entry(dir: &Path, name: &str) -> Result<FileEntry, UpdateError> {
    let path = dir.join(name);
    let mut hasher = HashingWriter(Hasher::new());
    let copied = File::open(&path).and_then(|mut file| io::copy(&mut file, &mut hasher));
    let bytes = copied.map_err(|error| UpdateError::reading(&path.display().to_string(), u64::MAX, error))?;
    Ok(FileEntry {
        path: Text::try_from(name).map_err(|_| UpdateError::Entry {
            name: name.to_owned(),
            reason: "has a name of more than 64 bytes".to_owned(),
        })?,
        bytes,
        sha256: Sha256::from_bytes(&hasher.0.finalize().into()),
    })
}

struct HashingWriter(Hasher);

impl io::Write for HashingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an archive: the key list if there is one, the update manifest, and the files, each a name and its content.
///
/// # Errors
///
/// When a file cannot be read, or the archive cannot be written.
pub fn pack<'a>(
    to: impl io::Write,
    keys: Option<&Signed>,
    update_manifest: &Signed,
    files: impl IntoIterator<Item = (&'a str, &'a Path)>,
) -> io::Result<()> {
    let mut archive = tar::Builder::new(to);
    let signed = keys
        .map(|keys| (KEYS, keys))
        .into_iter()
        .chain([(UPDATE_MANIFEST, update_manifest)]);
    for (name, signed) in signed {
        let text = signed.text.as_bytes();
        append(&mut archive, name, text.len() as u64, text)?;
        let signature = signed.signature.as_bytes();
        append(
            &mut archive,
            &format!("{name}{SIGNATURE}"),
            signature.len() as u64,
            signature,
        )?;
    }
    for (name, path) in files {
        let file = File::open(path)?;
        append(&mut archive, name, file.metadata()?.len(), file)?;
    }
    archive.into_inner()?.flush()
}

/// The same bytes for the same content, whoever packs it, and when.
pub(super) fn append<W: io::Write>(
    archive: &mut tar::Builder<W>,
    name: &str,
    bytes: u64,
    content: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    archive.append(&header, content)
}
