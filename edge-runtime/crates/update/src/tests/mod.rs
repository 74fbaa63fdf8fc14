//! Faults of updates, on a disk whose power can be cut. What runs here are the product's own parts; only networks are
//! left out, because none of these rules reads them.
//!
//! `SOAK_N` in the environment asks for more of what is drawn by chance.

mod fuzz;
mod power;
mod refusals;
mod tuf;

use std::path::Path;

use shared_model::Text;
use shared_model::manifest::{CONTRACT, FILE_NAME};

use super::archive::{Capped, TarParts};
use super::pack::append;
use super::update_manifest::hash;
use super::*;
use crate::signing::Signer;
use durable::Disk;
use durable::power::PowerDisk;

/// Where the state lies on the disk.
const ROOT: &str = "/state";

/// The keys of those who sign.
struct Signers {
    root: Signer,
    signer: Signer,
}

/// An update before it is packed; every part can be bent.
#[derive(Clone)]
struct Update {
    keys: Option<Signed>,
    manifest: Signed,
    files: Vec<(String, Vec<u8>)>,
}

/// How much is drawn by chance: `fast` cases, or what the environment asks for.
fn cases(fast: u64) -> u64 {
    let asked = std::env::var("SOAK_N").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(fast)
}

impl Signers {
    fn new() -> Self {
        Self {
            root: Signer::new(),
            signer: Signer::new(),
        }
    }

    fn key_list(&self, version: u32, keys: &[&Signer], floor: Option<u32>) -> Signed {
        let keys = keys.iter().map(|key| key.public()).collect();
        let list = KeyList::new(version, keys, floor).unwrap();
        self.root.sign(&serde_json::to_string(&list).unwrap())
    }

    /// Files that no two versions share.
    fn update(&self, version: u32) -> Update {
        let weights = (0..300_000_u32)
            .map(|at| (at.wrapping_mul(version) % 251) as u8)
            .collect();
        let files = vec![
            (FILE_NAME.to_owned(), format!("{{\"version\":{version}}}").into_bytes()),
            ("a.onnx".to_owned(), weights),
            ("README.md".to_owned(), format!("# {version}\n").into_bytes()),
        ];
        Update {
            keys: Some(self.key_list(1, &[&self.signer], None)),
            manifest: self.signer.sign(&update_manifest(version, &files)),
            files,
        }
    }

    fn installer<'a>(&self, store: &'a mut Store<PowerDisk>) -> Result<Installer<'a, PowerDisk>, UpdateError> {
        Installer::new(store, &self.root.public(), None, 0)
    }

    /// Installs an archive; what the program would run the bundle for is left out.
    fn install(&self, disk: &mut PowerDisk, archive: &[u8]) -> Result<Installed, UpdateError> {
        on(disk, |store| {
            let mut archive = tar::Archive::new(Capped::new(archive));
            let mut parts = TarParts::new(&mut archive)?;
            self.installer(store)?.install(&mut parts, None, &mut |_| Ok(()))
        })
    }

    /// A disk with this version confirmed.
    fn device(&self, version: u32) -> PowerDisk {
        let mut disk = PowerDisk::default();
        disk.make_dir(Path::new(ROOT)).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        self.install(&mut disk, &self.update(version).pack()).unwrap();
        apply(&mut disk, Event::Started).unwrap();
        apply(&mut disk, Event::Confirmed).unwrap();
        disk
    }
}

fn update_manifest(version: u32, files: &[(String, Vec<u8>)]) -> String {
    let entry = |(path, content): &(String, Vec<u8>)| FileEntry {
        path: Text::try_from(path.as_str()).unwrap(),
        bytes: content.len() as u64,
        sha256: hash(content),
    };
    let entries = files.iter().map(entry).collect();
    let update_manifest = UpdateManifest::new(
        Text::try_from("test").unwrap(),
        version,
        CONTRACT,
        Version(0, 0, 1),
        entries,
    );
    serde_json::to_string(&update_manifest).unwrap()
}

impl Update {
    fn slot(&self, version: u32) -> Slot {
        Slot {
            id: hash(self.manifest.text.as_bytes()),
            version,
        }
    }

    fn pack(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        let keys = self.keys.iter().map(|keys| (KEYS, keys));
        for (name, signed) in keys.chain([(UPDATE_MANIFEST, &self.manifest)]) {
            let (text, signature) = (signed.text.as_bytes(), signed.signature.as_bytes());
            append(&mut archive, name, text.len() as u64, text).unwrap();
            let name = format!("{name}{SIGNATURE}");
            append(&mut archive, &name, signature.len() as u64, signature).unwrap();
        }
        for (name, content) in &self.files {
            append(&mut archive, name, content.len() as u64, content.as_slice()).unwrap();
        }
        archive.into_inner().unwrap()
    }
}

/// Works with the store of a disk.
fn on<T>(
    disk: &mut PowerDisk,
    work: impl FnOnce(&mut Store<PowerDisk>) -> Result<T, UpdateError>,
) -> Result<T, UpdateError> {
    let mut store = Store::alone(std::mem::take(disk), Path::new(ROOT)).unwrap();
    let result = work(&mut store);
    *disk = store.into_disk();
    result
}

fn apply(disk: &mut PowerDisk, event: Event) -> Result<(), UpdateError> {
    on(disk, |store| store.apply(event))
}

fn state(disk: &mut PowerDisk) -> State {
    on(disk, |store| Ok(store.record().state.clone())).unwrap()
}

/// Whether every file of a slot has the bytes that its update manifest promises.
fn is_whole(disk: &mut PowerDisk, slot: &Slot) -> bool {
    let mut read = |name: &str| {
        let path = Path::new(ROOT).join("bundles").join(slot.id.as_str()).join(name);
        disk.read(&path, MAX_BYTES).ok()
    };
    let Some(json) = read(UPDATE_MANIFEST).filter(|json| hash(json) == slot.id) else {
        return false;
    };
    let update_manifest: UpdateManifest = serde_json::from_slice(&json).unwrap();
    (update_manifest.files.iter()).all(|file| read(&file.path).is_some_and(|content| hash(&content) == file.sha256))
}

/// The bundle that runs after a start, which is whole.
fn runs(disk: &mut PowerDisk) -> Option<Slot> {
    apply(disk, Event::Started).unwrap();
    match state(disk).choice(0) {
        Choice::Trial(slot) | Choice::Current(slot) => {
            assert!(is_whole(disk, &slot), "{slot:?}");
            Some(slot)
        }
        Choice::Factory => None,
    }
}
