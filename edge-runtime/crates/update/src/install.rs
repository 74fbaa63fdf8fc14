//! From the parts of an update to a slot on trial.

use std::path::Path;

use sha2::{Digest, Sha256 as Hasher};
use shared_model::manifest::Sha256;

use super::archive::signed;
use super::update_manifest::hash;
use super::{
    Event, FileEntry, KEYS, Parts, SIGNATURE, Signed, Slot, Store, Trust, UPDATE_MANIFEST, UpdateError, UpdateManifest,
    Version,
};
use durable::Disk;

/// What the installation of an update came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The bundle is on trial from now on.
    OnTrial(Slot),
    /// The device has had this very bundle before.
    Already(Slot),
}

/// Tries a bundle that lies in a directory, somewhere where it can do no harm.
pub type Probe<'a> = dyn FnMut(&Path) -> Result<(), UpdateError> + 'a;

/// Installs updates on a device.
pub struct Installer<'a, D> {
    store: &'a mut Store<D>,
    trust: Trust,
    /// Version of the factory bundle; 0 where there is none.
    factory: u32,
}

impl<'a, D: Disk> Installer<'a, D> {
    /// With the root key of the device, and the key list of the package if it has one.
    ///
    /// # Errors
    ///
    /// When the root key has another form, or the package's key list is not signed by it.
    pub fn new(
        store: &'a mut Store<D>,
        root: &str,
        packaged: Option<&Signed>,
        factory: u32,
    ) -> Result<Self, UpdateError> {
        let mut trust = Trust::new(root)?;
        // The newer of the two holds; that of the record was signed by the same root, or it is none.
        for list in [packaged, store.record().keys.as_ref()].into_iter().flatten() {
            trust.take(list)?;
        }
        Ok(Self { store, trust, factory })
    }

    /// Accepts a key list that came beside or inside an update.
    ///
    /// # Errors
    ///
    /// When the root key has not signed the list, or the list breaks its rules.
    pub fn trust(&mut self, list: &Signed) -> Result<(), UpdateError> {
        let mut trust = self.trust.clone();
        if !trust.take(list)? {
            return Ok(());
        }
        let floor = trust.held().and_then(|(list, _)| list.floor);
        self.store.change(|record| {
            record.keys = Some(list.clone());
            record.apply(Event::Trusted(floor));
            // Channels that a lost key signed count no more.
            record.channel.version = 0;
            record.channel.sha256 = None;
            Ok(())
        })?;
        self.trust = trust;
        Ok(())
    }

    pub(super) fn trusted(&self) -> &Trust {
        &self.trust
    }

    pub(super) fn store(&mut self) -> &mut Store<D> {
        self.store
    }

    /// Whether a bundle that a channel speaks of would be taken.
    pub(super) fn wants(&self, slot: &Slot) -> Result<bool, UpdateError> {
        self.store.record().state.admit(slot, self.factory)
    }

    /// Checks an update and puts it on trial. `expected` is the update manifest that a channel spoke of.
    ///
    /// # Errors
    ///
    /// Which check refused the update, or why it could not be written. Whatever happens, the bundle that runs stays.
    pub fn install(
        &mut self,
        parts: &mut dyn Parts,
        expected: Option<&Sha256>,
        probe: &mut Probe<'_>,
    ) -> Result<Installed, UpdateError> {
        if let Some(list) = signed(parts, KEYS)? {
            self.trust(&list)?;
        }
        let signed = signed(parts, UPDATE_MANIFEST)?.ok_or_else(|| UpdateError::Unsigned("update".to_owned()))?;
        self.trust.verify(UPDATE_MANIFEST, &signed)?;
        let id = hash(signed.text.as_bytes());
        if let Some(expected) = expected.filter(|expected| **expected != id) {
            return Err(differs(UPDATE_MANIFEST, expected, &id));
        }
        let update_manifest = UpdateManifest::parse(signed.text.as_bytes(), Version::own())?;
        let slot = Slot {
            id,
            version: update_manifest.version,
        };
        if !self.store.record().state.admit(&slot, self.factory)? {
            return Ok(Installed::Already(slot));
        }
        let result = self.bring_in(parts, &signed, &update_manifest, &slot, probe);
        if result.is_err() {
            // The error that counts is the first; what is left is swept before the next update.
            let _ = self.store.sweep();
        }
        result.map(|()| Installed::OnTrial(slot))
    }

    fn bring_in(
        &mut self,
        parts: &mut dyn Parts,
        signed: &Signed,
        update_manifest: &UpdateManifest,
        slot: &Slot,
        probe: &mut Probe<'_>,
    ) -> Result<(), UpdateError> {
        let dir = self.store.begin()?;
        self.write(UPDATE_MANIFEST, signed.text.as_bytes())?;
        self.write(&format!("{UPDATE_MANIFEST}{SIGNATURE}"), signed.signature.as_bytes())?;
        for file in &update_manifest.files {
            self.copy(parts, file)?;
        }
        parts.end()?;
        self.store.settle()?;
        probe(&dir)?;
        self.store.seal(&slot.id)?;
        let factory = self.factory;
        self.store.change(|record| {
            // Things may have changed while the update came in.
            record.state.admit(slot, factory)?;
            record.apply(Event::Installed(slot.clone()));
            record.found = record.found.take().filter(|found| found.version > slot.version);
            Ok(())
        })
    }

    fn write(&mut self, name: &str, content: &[u8]) -> Result<(), UpdateError> {
        let mut file = self.store.file(name)?;
        file.append(content)?;
        file.sync()
    }

    fn copy(&mut self, parts: &mut dyn Parts, file: &FileEntry) -> Result<(), UpdateError> {
        let mut hasher = Hasher::new();
        let mut incoming = self.store.file(&file.path)?;
        parts.copy(&file.path, file.bytes, &mut |chunk| {
            hasher.update(chunk);
            incoming.append(chunk)
        })?;
        let found = Sha256::from_bytes(&hasher.finalize().into());
        if found != file.sha256 {
            return Err(differs(&file.path, &file.sha256, &found));
        }
        incoming.sync()
    }
}

fn differs(path: &str, expected: &Sha256, found: &Sha256) -> UpdateError {
    UpdateError::Hash {
        path: path.to_owned(),
        expected: expected.as_str().to_owned(),
        found: found.as_str().to_owned(),
    }
}
