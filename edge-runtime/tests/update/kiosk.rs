//! A kiosk in a directory of its own, and updates for it made of the bundle that comes with the program.

use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use inference::bundle::{Bundle, seal};
use minisign::KeyPair;
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use shared_model::{Text, manifest};
use tempfile::TempDir;
use update::{
    CHANNEL, Capped, Channel, Installer, KEYS, KeyList, Release, SHARE_WHOLE, SIGNATURE, Signed, State, Store,
    TarParts, UPDATE_MANIFEST, Version, clock_s, describe, factory_version, pack,
};

/// The bundle that comes with the program.
pub(crate) fn factory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models/default")
}

pub(crate) struct Kiosk {
    pub(crate) dir: TempDir,
    root: KeyPair,
    signer: KeyPair,
}

impl Kiosk {
    pub(crate) fn new() -> Self {
        let keys = || KeyPair::generate_unencrypted_keypair().unwrap();
        let kiosk = Self {
            dir: tempfile::tempdir().unwrap(),
            root: keys(),
            signer: keys(),
        };
        fs::create_dir(kiosk.path("keys")).unwrap();
        fs::write(kiosk.path("keys/root.pub"), kiosk.root.pk.to_base64()).unwrap();
        fs::create_dir(kiosk.path("frames")).unwrap();
        for number in 0..4_u8 {
            let pixels = (0..96 * 96).map(|at: u32| (at * (u32::from(number) + 3) % 251) as u8);
            let pgm: Vec<u8> = b"P5 96 96 255\n".iter().copied().chain(pixels).collect();
            fs::write(kiosk.path(&format!("frames/{number}.pgm")), pgm).unwrap();
        }
        copy_bundle(&factory(), &kiosk.path("factory"));
        edit_manifest(&kiosk.path("factory"), |manifest| manifest["version"] = 1.into());
        kiosk.configure("");
        kiosk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the configuration, with `more` at its end; it begins inside of `[update]`.
    pub(crate) fn configure(&self, more: &str) {
        let text = format!(
            "schema = 1\nbundle = \"factory\"\n[source]\nuri = \"frames\"\nloop = true\n[face]\nmode = \"whole\"\n\
             [update]\nstate = \"state\"\nkeys = \"keys\"\ndevice = \"kiosk-1\"\nconfirm_after_s = 1\n{more}\n"
        );
        fs::write(self.path("config.toml"), text).unwrap();
    }

    pub(crate) fn program(&self, command: &str) -> Command {
        let mut program = Command::new(env!("CARGO_BIN_EXE_edge-runtime"));
        program.arg(command).arg("--config").arg(self.path("config.toml"));
        program
    }

    /// Runs `edge-runtime update`.
    pub(crate) fn update(&self, source: &Path) -> Output {
        self.program("update").arg(source).output().unwrap()
    }

    /// Starts `edge-runtime run`.
    pub(crate) fn start(&self) -> Child {
        let mut program = self.program("run");
        program.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn state(&self) -> State {
        Store::peek(&self.path("state")).unwrap().state
    }

    /// Version of the confirmed bundle.
    pub(crate) fn installed(&self) -> Option<u32> {
        self.state().current.map(|slot| slot.version)
    }

    /// The factory bundle, which has version 1 here, as another version, bent before it is signed.
    pub(crate) fn archive(&self, version: u32, bend: impl FnOnce(&Path)) -> PathBuf {
        let dir = tempfile::tempdir().unwrap();
        copy_bundle(&self.path("factory"), dir.path());
        edit_manifest(dir.path(), |manifest| manifest["version"] = version.into());
        bend(dir.path());
        let update_manifest = describe(&Bundle::open(dir.path()).unwrap(), Version::own()).unwrap();
        let keys = sign(&self.root, serde_json::to_string(&self.key_list()).unwrap());
        let signed = sign(&self.signer, serde_json::to_string(&update_manifest).unwrap());
        let paths: Vec<PathBuf> = update_manifest
            .files
            .iter()
            .map(|file| dir.path().join(file.path.as_str()))
            .collect();
        let files = update_manifest.files.iter().zip(&paths);
        let mut archive = Vec::new();
        pack(
            &mut archive,
            Some(&keys),
            &signed,
            files.map(|(file, path)| (file.path.as_str(), path.as_path())),
        )
        .unwrap();
        let path = self.path(&format!("bundle-{version}.tar"));
        fs::write(&path, archive).unwrap();
        path
    }

    /// Puts an archive into the channel `channel` of the kiosk, for every device.
    pub(crate) fn publish(&self, archive: &Path, version: u32, channel_version: u32) {
        let dir = self.path("channel");
        fs::create_dir_all(&dir).unwrap();
        let name = format!("bundle-{version}.tar");
        fs::copy(archive, dir.join(&name)).unwrap();
        let bytes = fs::read(archive).unwrap();
        let mut tar = tar::Archive::new(bytes.as_slice());
        let mut entries = tar.entries().unwrap().map(Result::unwrap);
        let mut update_manifest = entries
            .find(|entry| &*entry.path_bytes() == UPDATE_MANIFEST.as_bytes())
            .unwrap();
        let mut text = Vec::new();
        update_manifest.read_to_end(&mut text).unwrap();
        let release = Release {
            archive: Text::try_from(name.as_str()).unwrap(),
            update_manifest: manifest::Sha256::from_bytes(&Sha256::digest(&text).into()),
            version,
            share: SHARE_WHOLE,
        };
        let now = clock_s();
        let channel = Channel::new(channel_version, now, now + 86_400, vec![release]).unwrap();
        let channel = sign(&self.signer, serde_json::to_string(&channel).unwrap());
        let keys = sign(&self.root, serde_json::to_string(&self.key_list()).unwrap());
        for (name, signed) in [(CHANNEL, channel), (KEYS, keys)] {
            fs::write(dir.join(format!("{name}{SIGNATURE}")), signed.signature).unwrap();
            fs::write(dir.join(name), signed.text).unwrap();
        }
    }

    fn key_list(&self) -> KeyList {
        KeyList::new(1, vec![self.signer.pk.to_base64()], None).unwrap()
    }

    /// Installs without trying the bundle first, as if that had shown nothing.
    pub(crate) fn install_blindly(&self, archive: &Path) {
        let mut store = Store::for_update(&self.path("state")).unwrap();
        let root = self.root.pk.to_base64();
        let mut installer = Installer::new(&mut store, &root, None, factory_version(&self.path("factory"))).unwrap();
        let bytes = fs::read(archive).unwrap();
        let mut archive = tar::Archive::new(Capped::new(bytes.as_slice()));
        let mut parts = TarParts::new(&mut archive).unwrap();
        installer.install(&mut parts, None, &mut |_| Ok(())).unwrap();
    }
}

pub(crate) fn copy_bundle(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Changes the manifest of a bundle.
pub(crate) fn edit_manifest(dir: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut manifest);
    fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    pin_meaning(dir);
}

/// Lets the golden vectors of a bundle say what the manifest says now, and seals it.
pub(crate) fn pin_meaning(dir: &Path) {
    let parse = |json: &[u8]| -> serde_json::Value { serde_json::from_slice(json).unwrap() };
    // The first time writes the manifest in its last form, the second seals that.
    for _ in 0..2 {
        let json = fs::read(dir.join("manifest.json")).unwrap();
        let (manifest, mut golden) = (parse(&json), parse(&fs::read(dir.join("golden.json")).unwrap()));
        golden["meaning"] = serde_json::json!({ "classes": manifest["classes"], "decision": manifest["decision"] });
        golden["seal"] = seal(&json).unwrap().as_str().into();
        fs::write(dir.join("golden.json"), golden.to_string()).unwrap();
        testing::bundle::rehash(dir, "golden.json");
    }
}

/// Changes the emotion network of a bundle, in every precision, and the manifest with it, as somebody would who wants
/// to.
pub(crate) fn bend_network(dir: &Path, bend: impl Fn(&mut Vec<u8>)) {
    edit_manifest(dir, |json| {
        for file in json["emotion"]["files"].as_array_mut().unwrap() {
            let path = dir.join(file["path"].as_str().unwrap());
            let mut onnx = fs::read(&path).unwrap();
            bend(&mut onnx);
            fs::write(&path, &onnx).unwrap();
            let hash = manifest::Sha256::from_bytes(&Sha256::digest(&onnx).into());
            file["sha256"] = hash.as_str().into();
            file["bytes"] = onnx.len().into();
        }
    });
}

/// Asks a program to end, and gives what it said.
pub(crate) fn stop(child: Child) -> Output {
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), Signal::TERM).unwrap();
    child.wait_with_output().unwrap()
}

fn sign(keys: &KeyPair, text: String) -> Signed {
    let signature = minisign::sign(Some(&keys.pk), &keys.sk, Cursor::new(text.as_bytes()), None, None).unwrap();
    Signed {
        text,
        signature: signature.into_string(),
    }
}
