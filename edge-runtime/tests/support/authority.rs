//! Certificates made on the spot, and brokers that ask for them.

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::broker::{Broker, Memory};

/// An authority, and what it has signed, in one directory.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        // Issuer and subject of the same name look self-signed to OpenSSL.
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    pub(crate) fn write(&self, path: &Path) {
        fs::write(path, self.issuer.pem()).unwrap();
    }

    /// Signs a certificate for a name; writes it and its key.
    fn sign(&self, name: &str, dir: &Path, stem: &str) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(dir.join(format!("{stem}.pem")), certificate.pem()).unwrap();
        fs::write(dir.join(format!("{stem}.key")), key.serialize_pem()).unwrap();
    }
}

/// A broker that asks for certificates, and one of ours in its directory.
pub(crate) fn demanding_broker() -> Option<Broker> {
    let broker = Broker::prepare(Memory::None, "")?;
    let dir = broker.dir();
    let authority = Authority::new();
    authority.write(&dir.join("ca.pem"));
    authority.sign("127.0.0.1", dir, "server");
    authority.sign("kiosk", dir, "client");
    let more = format!(
        "allow_anonymous true\nrequire_certificate true\ncafile {0}/ca.pem\ncertfile {0}/server.pem\n\
         keyfile {0}/server.key\n",
        dir.display()
    );
    broker.configure(Memory::None, &more);
    Some(broker.started())
}

/// A broker that encrypts and knows one user: `hall`, with the password `secret word`.
pub(crate) fn login_broker() -> Option<Broker> {
    let broker = Broker::prepare(Memory::None, "")?;
    let dir = broker.dir();
    let authority = Authority::new();
    authority.write(&dir.join("ca.pem"));
    authority.sign("127.0.0.1", dir, "server");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(dir.join("users"))
        .args(["hall", "secret word"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let more = format!(
        "allow_anonymous false\npassword_file {0}/users\ncertfile {0}/server.pem\nkeyfile {0}/server.key\n",
        dir.display()
    );
    broker.configure(Memory::None, &more);
    Some(broker.started())
}
