//! Where updates come from: a file, a directory, or a web server; each with an update, or with a channel that names
//! one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::archive::{Capped, DirParts, TarParts, read_capped};
use super::channel::{Channel, Device, clock_s};
use super::fetch::Web;
use super::install::Probe;
use super::{
    CHANNEL, Found, Installed, Installer, KEYS, MAX_BYTES, MAX_SIGNATURE_BYTES, MAX_SIGNED_BYTES, Parts, SIGNATURE,
    Signed, Slot, UPDATE_MANIFEST, UpdateError,
};
use durable::Disk;

/// The place that an update, or a channel, is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An archive, or a channel if the name ends in `.json`; in a directory an update, or a channel.
    Path(PathBuf),
    /// The address of an archive, or of a channel if it ends in `.json`.
    Url(String),
}

/// What is done about an update on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// It is put on trial.
    Install,
    /// It is only noted that there is one.
    Check,
}

/// What a task about an update came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A bundle is on trial.
    OnTrial(Slot),
    /// The bundle is on the device already.
    Already(Slot),
    /// The channel has a newer bundle of this version.
    Found(u32),
    /// The channel has nothing newer for this device.
    UpToDate,
}

impl Source {
    /// An address where there is a scheme, else a path.
    pub fn parse(text: impl AsRef<OsStr>) -> Self {
        let text = text.as_ref();
        match text.to_str() {
            Some(address) if address.contains("://") => Self::Url(address.to_owned()),
            _ => Self::Path(PathBuf::from(text)),
        }
    }
}

/// Reads an update or a channel, and puts the newest bundle on trial if that is the task.
///
/// An update that is named itself is always put on trial; only a channel can be checked.
///
/// # Errors
///
/// Which check refused the update, or why it could not be reached, read or written.
pub fn update<D: Disk>(
    installer: &mut Installer<'_, D>,
    source: &Source,
    device: &Device,
    web: &Web,
    task: Task,
    probe: &mut Probe<'_>,
) -> Result<Outcome, UpdateError> {
    let location = match source {
        Source::Url(url) => match url.strip_suffix(CHANNEL) {
            Some(base) => Location::Url(base.to_owned(), web),
            None => return archive(installer, web.open(url)?, None, probe),
        },
        Source::Path(path) => match local(path)? {
            Local::Archive(file) => return archive(installer, file, None, probe),
            Local::Update(dir) => return install(installer, &mut DirParts(dir), None, probe),
            Local::Channel(dir) => Location::Dir(dir),
        },
    };
    channel(installer, &location, device, task, probe)
}

/// What a path stands for.
enum Local {
    Archive(File),
    Update(PathBuf),
    Channel(PathBuf),
}

fn local(path: &Path) -> Result<Local, UpdateError> {
    let what = path.display().to_string();
    let failed = |error| UpdateError::reading(&what, MAX_BYTES, error);
    if fs::metadata(path).map_err(failed)?.is_dir() {
        return if path.join(UPDATE_MANIFEST).exists() {
            Ok(Local::Update(path.to_path_buf()))
        } else if path.join(CHANNEL).exists() {
            Ok(Local::Channel(path.to_path_buf()))
        } else {
            Err(UpdateError::Nothing(path.to_path_buf()))
        };
    }
    if path.file_name().is_some_and(|name| name == CHANNEL) {
        return Ok(Local::Channel(durable::parent(path).to_path_buf()));
    }
    let file = open_file(path)?;
    if file.metadata().map_err(failed)?.len() > MAX_BYTES {
        let limit = MAX_BYTES;
        return Err(UpdateError::TooLarge { what, limit });
    }
    Ok(Local::Archive(file))
}

/// Opens a file; a pipe or a device would be waited for, perhaps for ever.
fn open_file(path: &Path) -> Result<File, UpdateError> {
    let what = path.display().to_string();
    let failed = |error| UpdateError::reading(&what, MAX_BYTES, error);
    if !fs::metadata(path).map_err(failed)?.is_file() {
        let reason = "is no regular file".to_owned();
        return Err(UpdateError::Entry { name: what, reason });
    }
    File::open(path).map_err(failed)
}

/// Opens the archive that a path names; `None` for a directory or a channel.
///
/// # Errors
///
/// When the path is missing, cannot be read, or is too large for an update.
pub fn open_archive(path: &Path) -> Result<Option<File>, UpdateError> {
    Ok(match local(path)? {
        Local::Archive(file) => Some(file),
        Local::Update(_) | Local::Channel(_) => None,
    })
}

/// Puts the update of an open archive on trial.
///
/// # Errors
///
/// Which check refused the update, or why it could not be read or written.
pub fn update_from<D: Disk>(
    installer: &mut Installer<'_, D>,
    file: File,
    probe: &mut Probe<'_>,
) -> Result<Outcome, UpdateError> {
    archive(installer, file, None, probe)
}

fn archive<D: Disk>(
    installer: &mut Installer<'_, D>,
    reader: impl Read,
    expected: Option<&Slot>,
    probe: &mut Probe<'_>,
) -> Result<Outcome, UpdateError> {
    let mut archive = tar::Archive::new(Capped::new(reader));
    let mut parts = TarParts::new(&mut archive)?;
    install(installer, &mut parts, expected, probe)
}

fn install<D: Disk>(
    installer: &mut Installer<'_, D>,
    parts: &mut dyn Parts,
    expected: Option<&Slot>,
    probe: &mut Probe<'_>,
) -> Result<Outcome, UpdateError> {
    Ok(match installer.install(parts, expected.map(|slot| &slot.id), probe)? {
        Installed::OnTrial(slot) => Outcome::OnTrial(slot),
        Installed::Already(slot) => Outcome::Already(slot),
    })
}

/// Where a channel lies, with everything that it names.
enum Location<'a> {
    Dir(PathBuf),
    /// With the slash at its end.
    Url(String, &'a Web),
}

impl Location<'_> {
    fn open(&self, name: &str) -> Result<Box<dyn Read>, UpdateError> {
        match self {
            Self::Url(base, web) => web.open(&format!("{base}{name}")),
            Self::Dir(dir) => {
                let path = dir.join(name);
                Ok(Box::new(open_file(&path)?))
            }
        }
    }

    fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, UpdateError> {
        match self.open(name) {
            Ok(reader) => read_capped(name, reader, limit).map(Some),
            Err(UpdateError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn signed(&self, name: &str) -> Result<Option<Signed>, UpdateError> {
        let Some(text) = self.read(name, MAX_SIGNED_BYTES)? else {
            return Ok(None);
        };
        match self.read(&format!("{name}{SIGNATURE}"), MAX_SIGNATURE_BYTES)? {
            Some(signature) => Signed::new(name, text, signature).map(Some),
            None => Err(UpdateError::Unsigned(name.to_owned())),
        }
    }
}

fn channel<D: Disk>(
    installer: &mut Installer<'_, D>,
    location: &Location<'_>,
    device: &Device,
    task: Task,
    probe: &mut Probe<'_>,
) -> Result<Outcome, UpdateError> {
    if let Some(list) = location.signed(KEYS)? {
        installer.trust(&list)?;
    }
    let signed = location
        .signed(CHANNEL)?
        .ok_or_else(|| UpdateError::Missing(CHANNEL.to_owned()))?;
    installer.trusted().verify(CHANNEL, &signed)?;
    let (channel, seen) = Channel::parse(&signed.text, &installer.store().record().channel, clock_s())?;
    let newest = channel.newest(device).map(|release| {
        let slot = Slot {
            id: release.update_manifest.clone(),
            version: release.version,
        };
        (release.archive.clone(), slot)
    });
    let wanted = newest.filter(|(_, slot)| matches!(installer.wants(slot), Ok(true)));
    let found = wanted.as_ref().map(|(_, slot)| Found { version: slot.version });
    installer.store().change(|record| {
        record.channel = seen;
        record.found = found;
        Ok(())
    })?;
    match wanted {
        None => Ok(Outcome::UpToDate),
        Some((_, slot)) if task == Task::Check => Ok(Outcome::Found(slot.version)),
        Some((name, slot)) => archive(installer, location.open(&name)?, Some(&slot), probe),
    }
}
