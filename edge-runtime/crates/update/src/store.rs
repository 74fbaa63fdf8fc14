//! Slots and the record on disk.
//!
//! ```text
//! record.json            which slot runs
//! lock                   held by who brings in an update
//! record.lock            held while the record is replaced
//! bundles/<sha-256>/     a slot: update manifest, signature and the files of one bundle, never changed
//! bundles/.incoming/     an update that is being written
//! ```

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use shared_model::manifest::{FILE_NAME, Sha256};

use super::update_manifest::{UpdateManifest, hash};
use super::{Event, MAX_SIGNED_BYTES, Record, State, UPDATE_MANIFEST, UpdateError, Version};
use durable::{Disk, Lock, SystemDisk, open_lock};
use inference::bundle::MAX_MANIFEST_BYTES;

const RECORD: &str = "record.json";
const LOCK: &str = "lock";
const RECORD_LOCK: &str = "record.lock";
const BUNDLES: &str = "bundles";
const INCOMING: &str = ".incoming";

/// Where a device keeps its bundles.
#[derive(Debug)]
pub struct Store<D> {
    disk: D,
    root: PathBuf,
    record: Record,
    locks: Locks,
    /// What is to be told of a record that was put aside.
    warning: Option<String>,
}

/// Keeps processes of this program out of each other's way.
#[derive(Debug)]
enum Locks {
    /// There is no other process.
    #[cfg(test)]
    None,
    /// The record is locked while it is replaced.
    Record(PathBuf),
    /// That, and nobody else brings in an update while this is held.
    Update(PathBuf, #[allow(dead_code, reason = "dropping it ends the lock")] Lock),
}

impl Store<SystemDisk> {
    /// Opens the directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When the directory cannot be made, or its record cannot be read.
    pub fn system(root: &Path) -> Result<Self, UpdateError> {
        let failed = |source| UpdateError::Disk {
            path: root.to_path_buf(),
            source,
        };
        std::fs::create_dir_all(root).map_err(failed)?;
        Self::open(SystemDisk::default(), root, Locks::Record(root.join(RECORD_LOCK)))
    }

    /// Opens the directory to bring in an update; only one process can at a time.
    ///
    /// # Errors
    ///
    /// When another process holds the directory, or its record cannot be read.
    pub fn for_update(root: &Path) -> Result<Self, UpdateError> {
        let mut store = Self::system(root)?;
        let path = root.join(LOCK);
        let lock = match Lock::take(lock_file(&path)?) {
            Ok(lock) => lock,
            Err((_, TryLockError::WouldBlock)) => return Err(UpdateError::Busy(path)),
            Err((_, TryLockError::Error(source))) => return Err(UpdateError::Disk { path, source }),
        };
        store.locks = Locks::Update(root.join(RECORD_LOCK), lock);
        Ok(store)
    }

    /// The directory of a slot below `root`.
    pub fn slot(root: &Path, id: &Sha256) -> PathBuf {
        root.join(BUNDLES).join(id.as_str())
    }

    /// What the record says, without a lock: it is replaced as a whole.
    ///
    /// # Errors
    ///
    /// When the record cannot be read or understood.
    pub fn peek(root: &Path) -> Result<Record, UpdateError> {
        Record::read(&mut SystemDisk::default(), &root.join(RECORD))
    }
}

fn lock_file(path: &Path) -> Result<File, UpdateError> {
    open_lock(path).map_err(|source| UpdateError::Disk {
        path: path.to_path_buf(),
        source,
    })
}

impl Locks {
    /// Waits until nobody else replaces the record; it is free again when that is dropped.
    fn record(&self) -> Result<Option<Lock>, UpdateError> {
        let path = match self {
            #[cfg(test)]
            Self::None => return Ok(None),
            Self::Record(path) | Self::Update(path, _) => path,
        };
        let file = lock_file(path)?;
        let path = path.clone();
        let lock = Lock::wait(file).map_err(|source| UpdateError::Disk { path, source })?;
        Ok(Some(lock))
    }
}

impl<D: Disk> Store<D> {
    fn open(mut disk: D, root: &Path, locks: Locks) -> Result<Self, UpdateError> {
        let (record, warning) = Record::read_or_put_aside(&mut disk, &root.join(RECORD))?;
        Ok(Self {
            disk,
            root: root.to_path_buf(),
            record,
            locks,
            warning,
        })
    }

    /// What is to be told of a record that could not be understood, once.
    pub fn take_warning(&mut self) -> Option<String> {
        self.warning.take()
    }

    /// On a disk that nobody else uses.
    #[cfg(test)]
    pub(super) fn alone(disk: D, root: &Path) -> Result<Self, UpdateError> {
        Self::open(disk, root, Locks::None)
    }

    /// The record, as it was read last.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Reads the record again, as another process may have changed it.
    ///
    /// # Errors
    ///
    /// When the record cannot be read; the one that was read before stays.
    pub fn refresh(&mut self) -> Result<(), UpdateError> {
        let (record, warning) = Record::read_or_put_aside(&mut self.disk, &self.root.join(RECORD))?;
        self.record = record;
        self.warning = warning.or(self.warning.take());
        Ok(())
    }

    /// Changes the newest record, on disk and here, or neither.
    pub(super) fn change(
        &mut self,
        change: impl FnOnce(&mut Record) -> Result<(), UpdateError>,
    ) -> Result<(), UpdateError> {
        let _lock = self.locks.record()?;
        self.refresh()?;
        let mut record = self.record.clone();
        change(&mut record)?;
        if record != self.record {
            record.write(&mut self.disk, &self.root.join(RECORD))?;
            self.record = record;
        }
        Ok(())
    }

    /// Applies an event to the state.
    ///
    /// # Errors
    ///
    /// When the record cannot be written; the state stays as it was.
    pub fn apply(&mut self, event: Event) -> Result<(), UpdateError> {
        self.change(|record| {
            record.apply(event);
            Ok(())
        })
    }

    /// The directory of a slot.
    pub fn dir(&self, id: &Sha256) -> PathBuf {
        self.root.join(BUNDLES).join(id.as_str())
    }

    /// Says whether update manifest and manifest of a slot are those that were sealed; the manifest vouches for the networks.
    ///
    /// # Errors
    ///
    /// When a file of the slot is missing, cannot be read, or was changed.
    pub fn verify(&mut self, id: &Sha256) -> Result<(), UpdateError> {
        let dir = self.dir(id);
        let refused = |reason: String| UpdateError::Slot {
            id: id.as_str().to_owned(),
            reason,
        };
        let mut read = |name: &str, limit| {
            let content = self.disk.read(&dir.join(name), limit);
            content.map_err(|error| refused(format!("read {name}: {error}")))
        };
        let json = read(UPDATE_MANIFEST, MAX_SIGNED_BYTES)?;
        if hash(&json) != *id {
            return Err(refused(format!("{UPDATE_MANIFEST} was changed")));
        }
        let update_manifest = UpdateManifest::parse(&json, Version::own())?;
        let manifest = read(FILE_NAME, MAX_MANIFEST_BYTES)?;
        match update_manifest.file(FILE_NAME) {
            Some(file) if file.sha256 == hash(&manifest) => Ok(()),
            _ => Err(refused(format!("{FILE_NAME} was changed"))),
        }
    }

    /// An empty directory for an update that comes in; gives its path.
    pub(super) fn begin(&mut self) -> Result<PathBuf, UpdateError> {
        let bundles = self.root.join(BUNDLES);
        let incoming = bundles.join(INCOMING);
        let failed = |source| UpdateError::Disk {
            path: incoming.clone(),
            source,
        };
        if self.disk.list(&bundles).is_err() {
            self.disk.make_dir(&bundles).map_err(failed)?;
            self.disk.sync_dir(&self.root).map_err(failed)?;
        }
        self.sweep()?;
        self.disk.make_dir(&incoming).map_err(failed)?;
        Ok(incoming)
    }

    /// A file of the update that comes in.
    pub(super) fn file(&mut self, name: &str) -> Result<Incoming<'_, D>, UpdateError> {
        let path = self.root.join(BUNDLES).join(INCOMING).join(name);
        match self.disk.create(&path) {
            Ok(()) => Ok(Incoming {
                disk: &mut self.disk,
                path,
            }),
            Err(source) => Err(UpdateError::Disk { path, source }),
        }
    }

    /// Makes the names of the update that comes in last, before anything is tried with it.
    pub(super) fn settle(&mut self) -> Result<(), UpdateError> {
        let path = self.root.join(BUNDLES).join(INCOMING);
        self.disk
            .sync_dir(&path)
            .map_err(|source| UpdateError::Disk { path, source })
    }

    /// Gives the update that came in its slot.
    pub(super) fn seal(&mut self, id: &Sha256) -> Result<(), UpdateError> {
        let (bundles, slot) = (self.root.join(BUNDLES), self.dir(id));
        // A slot that is there already was left by a rollback; its content may have suffered since.
        self.remove(&slot)?;
        let failed = |source| UpdateError::Disk {
            path: slot.clone(),
            source,
        };
        self.disk.rename(&bundles.join(INCOMING), &slot).map_err(failed)?;
        self.disk.sync_dir(&bundles).map_err(failed)
    }

    /// Removes everything that no slot of the state needs.
    pub(super) fn sweep(&mut self) -> Result<(), UpdateError> {
        // A record that was written but not synced may be the newest, or gone after a power cut: first it must last.
        let failed = |source| UpdateError::Disk {
            path: self.root.clone(),
            source,
        };
        self.disk.sync_dir(&self.root).map_err(failed)?;
        self.refresh()?;
        let bundles = self.root.join(BUNDLES);
        let Ok(names) = self.disk.list(&bundles) else {
            return Ok(());
        };
        let needed = |state: &State, name: &str| state.slots().any(|slot| slot.id.as_str() == name);
        for name in names {
            if !needed(&self.record.state, &name) {
                self.remove(&bundles.join(&name))?;
            }
        }
        Ok(())
    }

    fn remove(&mut self, dir: &Path) -> Result<(), UpdateError> {
        let failed = |source: io::Error| UpdateError::Disk {
            path: dir.to_path_buf(),
            source,
        };
        let Ok(names) = self.disk.list(dir) else {
            return Ok(());
        };
        for name in names {
            self.disk.remove(&dir.join(name)).map_err(failed)?;
        }
        self.disk.remove_dir(dir).map_err(failed)
    }

    /// The disk, for tests that look at it afterwards.
    #[cfg(test)]
    pub(super) fn into_disk(self) -> D {
        self.disk
    }
}

/// A file that is being written.
pub(super) struct Incoming<'a, D> {
    disk: &'a mut D,
    path: PathBuf,
}

impl<D: Disk> Incoming<'_, D> {
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), UpdateError> {
        let result = self.disk.append(&self.path, bytes);
        result.map_err(|source| self.failed(source))
    }

    pub(super) fn sync(self) -> Result<(), UpdateError> {
        let result = self.disk.sync(&self.path);
        result.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> UpdateError {
        UpdateError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}
