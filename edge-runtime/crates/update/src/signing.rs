//! Keys that sign what the tests want signed.

use std::io::Cursor;

use minisign::{KeyPair, PublicKey, SecretKeyBox};

use crate::Signed;

/// A secret key without a password.
pub(crate) struct Signer(KeyPair);

impl Signer {
    pub(crate) fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    /// From a secret key as minisign writes it.
    pub(crate) fn known(key: &str) -> Self {
        let sk = SecretKeyBox::from_string(key)
            .unwrap()
            .into_unencrypted_secret_key()
            .unwrap();
        let pk = PublicKey::from_secret_key(&sk).unwrap();
        Self(KeyPair { pk, sk })
    }

    /// The public key in base64.
    pub(crate) fn public(&self) -> String {
        self.0.pk.to_base64()
    }

    pub(crate) fn sign(&self, text: &str) -> Signed {
        Signed {
            text: text.to_owned(),
            signature: minisign::sign(Some(&self.0.pk), &self.0.sk, Cursor::new(text), None, None)
                .unwrap()
                .into_string(),
        }
    }
}
