//! Documents with a minisign signature, and who may have made it.

use minisign_verify::{Error, PublicKey, Signature};
use serde::{Deserialize, Serialize};

use super::UpdateError;

/// A document and its signature, neither of them checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// The document itself: text in JSON.
    pub text: String,
    /// The signature, as minisign writes it.
    pub signature: String,
}

impl Signed {
    /// From bytes that should be text.
    pub(super) fn new(what: &str, content: Vec<u8>, signature: Vec<u8>) -> Result<Self, UpdateError> {
        let no_text = |reason: &str| UpdateError::Signature {
            what: what.to_owned(),
            reason: reason.to_owned(),
        };
        Ok(Self {
            // A signed document is text; what is not cannot have been signed.
            text: String::from_utf8(content).map_err(|_| UpdateError::Changed(what.to_owned()))?,
            signature: String::from_utf8(signature).map_err(|_| no_text("it is no text"))?,
        })
    }

    /// Says whether one of these keys made the signature for this document.
    pub(super) fn verify(&self, what: &str, keys: &[PublicKey]) -> Result<(), UpdateError> {
        let unreadable = |error: Error| UpdateError::Signature {
            what: what.to_owned(),
            reason: error.to_string(),
        };
        let signature = Signature::decode(&self.signature).map_err(unreadable)?;
        for key in keys {
            // Without signatures of the older form, which sign the whole document instead of its hash.
            match key.verify(self.text.as_bytes(), &signature, false) {
                Ok(()) => return Ok(()),
                Err(Error::UnexpectedKeyId) => {}
                Err(Error::InvalidSignature) => return Err(UpdateError::Changed(what.to_owned())),
                Err(error) => return Err(unreadable(error)),
            }
        }
        Err(UpdateError::UnknownKey(what.to_owned()))
    }
}

/// A public key: the one line of base64, or a file of minisign with a comment above it.
pub(super) fn public_key(name: &str, text: &str) -> Result<PublicKey, UpdateError> {
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    PublicKey::from_base64(line.trim()).map_err(|error| UpdateError::Key {
        name: name.to_owned(),
        reason: format!("{error}; it must be a public key of minisign"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Signer;

    fn key(signer: &Signer) -> PublicKey {
        public_key("test", &signer.public()).unwrap()
    }

    #[test]
    fn takes_what_one_of_the_keys_signed() {
        let (first, second) = (Signer::new(), Signer::new());
        let signed = second.sign("{\"a\": 1}");
        assert!(signed.verify("test", &[key(&first), key(&second)]).is_ok());
        assert!(matches!(
            signed.verify("test", &[key(&first)]),
            Err(UpdateError::UnknownKey(_))
        ));
        assert!(matches!(signed.verify("test", &[]), Err(UpdateError::UnknownKey(_))));
    }

    #[test]
    fn refuses_every_changed_byte_of_the_document() {
        let signer = Signer::new();
        let signed = signer.sign("{\"version\": 12, \"name\": \"x\"}");
        let keys = [key(&signer)];
        for at in 0..signed.text.len() {
            for bit in 0..7 {
                let mut changed = signed.clone().text.into_bytes();
                changed[at] ^= 1 << bit;
                let changed = Signed::new("test", changed, signed.signature.clone().into_bytes());
                let result = changed.and_then(|changed| changed.verify("test", &keys));
                assert!(matches!(result, Err(UpdateError::Changed(_))), "{at} {bit} {result:?}");
            }
        }
    }

    #[test]
    fn refuses_every_changed_byte_of_the_signature_but_its_comment() {
        let signer = Signer::new();
        let signed = signer.sign("{\"version\": 12}");
        let keys = [key(&signer)];
        let comment = signed.signature.find('\n').unwrap();
        for at in 0..signed.signature.trim_end().len() {
            let mut changed = signed.signature.clone().into_bytes();
            changed[at] ^= 1;
            let changed = Signed::new("test", signed.text.clone().into_bytes(), changed);
            let result = changed.and_then(|changed| changed.verify("test", &keys));
            // Nobody vouches for the first line, and nobody reads it.
            assert_eq!(result.is_ok(), at < comment, "{at} {result:?}");
        }
        for part in 0..signed.signature.trim_end().len() - 1 {
            let cut = Signed {
                signature: signed.signature[..part].to_owned(),
                ..signed.clone()
            };
            assert!(cut.verify("test", &keys).is_err(), "{part}");
        }
    }

    #[test]
    fn keys_come_bare_or_with_a_comment() {
        let signer = Signer::new();
        let with_comment = format!("untrusted comment: x\n{}\n", signer.public());
        assert_eq!(public_key("a", &with_comment).unwrap(), key(&signer));
        let error = public_key("root.pub", "RWQ").unwrap_err().to_string();
        assert!(error.contains("root.pub") && error.contains("minisign"), "{error}");
    }
}
