//! Keys that sign updates, and signing with them: minisign's formats, so that its own tools work on them as well.
//!
//! Secret keys are files with a password; a root key belongs on a stick in a safe. What is signed and who trusts it is
//! the runtime's business ([`update`]).

use std::fs::OpenOptions;
use std::io::{Cursor, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use durable::replace_file;
use minisign::{KeyPair, PublicKey, SecretKey};
use update::{KeyList, SIGNATURE, Signed};

/// Where the password of a secret key comes from.
#[derive(Debug, Clone)]
pub enum Password {
    /// It is asked for on the terminal.
    Ask,
    /// The first line of a file.
    File(PathBuf),
}

impl Password {
    /// `None` lets the library ask.
    fn read(&self) -> Result<Option<String>> {
        let Self::File(path) = self else { return Ok(None) };
        let text = std::fs::read_to_string(path).with_context(|| format!("read password {}", path.display()))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }
}

/// Makes a pair of keys: `NAME.key`, which only its owner can read, and `NAME.pub`. Neither may be there before.
pub fn create_keys(name: &Path, password: &Password) -> Result<()> {
    let (secret, public) = (beside(name, ".key"), beside(name, ".pub"));
    let keys = KeyPair::generate_encrypted_keypair(password.read()?).map_err(|error| anyhow!("make keys: {error}"))?;
    let broken = |error| anyhow!("write keys: {error}");
    let secret_text = keys.sk.to_box(None).map_err(broken)?.into_string();
    let public_text = keys.pk.to_box().map_err(broken)?.into_string();
    write_new(&secret, 0o600, &secret_text)?;
    write_new(&public, 0o644, &public_text)
}

/// A secret key that is unlocked, with which documents are signed.
pub struct Signer {
    secret: SecretKey,
    public: PublicKey,
}

impl Signer {
    /// With the secret key of a file.
    pub fn open(path: &Path, password: &Password) -> Result<Self> {
        let refused = |error| anyhow!("open secret key {}: {error}", path.display());
        if !path.exists() {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(missing).with_context(|| format!("open secret key {}", path.display()));
        }
        let secret = SecretKey::from_file(path, password.read()?).map_err(refused)?;
        let public = PublicKey::from_secret_key(&secret).map_err(refused)?;
        Ok(Self { secret, public })
    }

    /// Refuses to sign for devices that get this key list, unless it holds the public half of the key: they would believe
    /// nothing that it signs.
    pub fn must_be_in(&self, list: &Signed) -> Result<()> {
        let list: KeyList = serde_json::from_str(&list.text).context("read the key list")?;
        let own = self.public.to_base64();
        if !list.keys.contains(&own) {
            bail!(
                "sign: key list {} does not hold the key {own}, and devices would refuse the bundle: sign with one of its keys, \
                 or sign a list that holds this one",
                list.version
            );
        }
        Ok(())
    }

    /// Signs a document; `comment` is what minisign's tools show, and is signed as well.
    pub fn sign(&self, text: String, comment: &str) -> Result<Signed> {
        let signature = minisign::sign(
            Some(&self.public),
            &self.secret,
            Cursor::new(text.as_bytes()),
            Some(comment),
            None,
        );
        let signature = signature.map_err(|error| anyhow!("sign: {error}"))?.into_string();
        Ok(Signed { text, signature })
    }
}

/// Writes a document and its signature beside it.
pub fn write_signed(path: &Path, signed: &Signed) -> Result<()> {
    replace_file(path, signed.text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
    let signature = beside(path, SIGNATURE);
    replace_file(&signature, signed.signature.as_bytes()).with_context(|| format!("write {}", signature.display()))
}

/// Reads a document and its signature beside it.
pub fn read_signed(path: &Path) -> Result<Signed> {
    let read = |path: &Path| crate::files::read_text(path).with_context(|| format!("read {}", path.display()));
    Ok(Signed {
        text: read(path)?,
        signature: read(&beside(path, SIGNATURE))?,
    })
}

/// A public key as key lists hold it: the line of base64 in a file of minisign.
pub fn read_public_key(path: &Path) -> Result<String> {
    let key = PublicKey::from_file(path).map_err(|error| anyhow!("read public key {}: {error}", path.display()))?;
    Ok(key.to_base64())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    })
    .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use update::Trust;

    use super::*;

    #[test]
    fn what_a_key_signs_is_trusted_by_a_device_that_knows_its_public_half() {
        let dir = tempfile::tempdir().unwrap();
        let name = dir.path().join("root");
        let password = Password::File(dir.path().join("password"));
        fs::write(dir.path().join("password"), "correct horse\n").unwrap();
        create_keys(&name, &password).unwrap();
        let (secret, public) = (beside(&name, ".key"), beside(&name, ".pub"));
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(create_keys(&name, &password).is_err(), "keys are never overwritten");

        let signer = Signer::open(&secret, &password).unwrap();
        let list = KeyList::new(1, vec![read_public_key(&public).unwrap()], None).unwrap();
        let signed = signer
            .sign(serde_json::to_string(&list).unwrap(), "key list 1")
            .unwrap();
        let path = dir.path().join("keys.json");
        write_signed(&path, &signed).unwrap();
        let mut trust = Trust::new(&fs::read_to_string(&public).unwrap()).unwrap();
        assert!(trust.take(&read_signed(&path).unwrap()).unwrap());

        let stranger = dir.path().join("stranger");
        create_keys(&stranger, &password).unwrap();
        let stranger = Signer::open(&beside(&stranger, ".key"), &password).unwrap();
        assert!(signer.must_be_in(&signed).is_ok());
        let refused = stranger.must_be_in(&signed).unwrap_err().to_string();
        assert!(refused.contains("key list 1 does not hold"), "{refused}");

        fs::write(dir.path().join("password"), "wrong\n").unwrap();
        assert!(Signer::open(&secret, &password).is_err());
        assert!(Signer::open(&dir.path().join("none.key"), &password).is_err());
    }
}
