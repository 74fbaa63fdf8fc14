//! Who may sign updates and channels: a list that only the root key can change.
//!
//! The root key signs nothing but key lists and can stay in a safe. A list replaces every older one as a whole: a key
//! that is not in it is trusted no more. Because an attacker with a stolen key could have raised the floor beyond any
//! version, a list may also set it.

use minisign_verify::PublicKey;
use serde::{Deserialize, Serialize};

use super::sign::public_key;
use super::update_manifest::parse_form;
use super::{KEYS, Signed, UpdateError};

/// Form of `keys.json` that this code reads and writes.
const SCHEMA: u32 = 1;
/// Most keys of a list.
const MAX_KEYS: usize = 16;

/// The signed content of `keys.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyList {
    schema: u32,
    /// Grows with every list; at least 1.
    pub version: u32,
    /// Public keys of minisign, in base64; at least one, none twice.
    pub keys: Vec<String>,
    /// Sets the floor of bundle versions when the list is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<u32>,
}

impl KeyList {
    /// A list of these keys.
    ///
    /// # Errors
    ///
    /// When a key has another form or stands twice, or there are none or too many.
    pub fn new(version: u32, keys: Vec<String>, floor: Option<u32>) -> Result<Self, UpdateError> {
        let list = Self {
            schema: SCHEMA,
            version,
            keys,
            floor,
        };
        list.public_keys()?;
        Ok(list)
    }

    fn parse(json: &str) -> Result<Self, UpdateError> {
        parse_form(json.as_bytes(), KEYS, SCHEMA)
    }

    fn public_keys(&self) -> Result<Vec<PublicKey>, UpdateError> {
        let refused = |reason: String| UpdateError::Form {
            what: KEYS.to_owned(),
            reason,
        };
        if self.version == 0 {
            return Err(refused("`version` must be at least 1".to_owned()));
        }
        if self.keys.is_empty() || self.keys.len() > MAX_KEYS {
            return Err(refused(format!(
                "{} keys, 1 to {MAX_KEYS} are allowed",
                self.keys.len()
            )));
        }
        let mut keys = Vec::with_capacity(self.keys.len());
        for text in &self.keys {
            let key = public_key(KEYS, text)?;
            if keys.contains(&key) {
                return Err(refused(format!("key {text} stands twice")));
            }
            keys.push(key);
        }
        Ok(keys)
    }
}

/// The key list that holds on a device.
#[derive(Debug, Clone)]
pub struct Trust {
    root: PublicKey,
    held: Option<HeldList>,
}

#[derive(Debug, Clone)]
struct HeldList {
    signed: Signed,
    list: KeyList,
    keys: Vec<PublicKey>,
}

impl Trust {
    /// With this root key (base64, or a file of minisign) and nobody who may sign yet.
    ///
    /// # Errors
    ///
    /// When the key has not the form of minisign.
    pub fn new(root: &str) -> Result<Self, UpdateError> {
        Ok(Self {
            root: public_key("of the root", root)?,
            held: None,
        })
    }

    /// Takes a key list that the root key signed, if it is newer than the one that holds; says whether it is.
    ///
    /// An older one is no error: updates bring the list of their time. Another one of the same version is.
    ///
    /// # Errors
    ///
    /// When the root key has not signed the list, or the list breaks its rules.
    pub fn take(&mut self, signed: &Signed) -> Result<bool, UpdateError> {
        signed.verify(KEYS, std::slice::from_ref(&self.root))?;
        let list = KeyList::parse(&signed.text)?;
        let keys = list.public_keys()?;
        if let Some(held) = &self.held {
            if list.version == held.list.version && list != held.list {
                return Err(UpdateError::Replayed {
                    what: KEYS,
                    found: list.version,
                    seen: held.list.version,
                });
            }
            if list.version <= held.list.version {
                return Ok(false);
            }
        }
        self.held = Some(HeldList {
            signed: signed.clone(),
            list,
            keys,
        });
        Ok(true)
    }

    /// The list that holds, with its signature.
    pub fn held(&self) -> Option<(&KeyList, &Signed)> {
        self.held.as_ref().map(|held| (&held.list, &held.signed))
    }

    /// Says whether somebody who may has signed this document.
    pub(super) fn verify(&self, what: &str, signed: &Signed) -> Result<(), UpdateError> {
        let held = self.held.as_ref().ok_or(UpdateError::NoKeys)?;
        signed.verify(what, &held.keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::Signer;

    fn list(version: u32, signers: &[&Signer]) -> KeyList {
        KeyList::new(version, signers.iter().map(|signer| signer.public()).collect(), None).unwrap()
    }

    fn signed(by: &Signer, list: &KeyList) -> Signed {
        by.sign(&serde_json::to_string(list).unwrap())
    }

    #[test]
    fn a_newer_list_replaces_who_may_sign() {
        let (root, old, new) = (Signer::new(), Signer::new(), Signer::new());
        let mut trust = Trust::new(&root.public()).unwrap();
        assert!(matches!(trust.verify("x", &old.sign("{}")), Err(UpdateError::NoKeys)));
        assert!(trust.take(&signed(&root, &list(1, &[&old]))).unwrap());
        assert!(trust.verify("x", &old.sign("{}")).is_ok());
        assert!(trust.take(&signed(&root, &list(2, &[&new]))).unwrap());
        assert!(trust.verify("x", &new.sign("{}")).is_ok());
        assert!(matches!(
            trust.verify("x", &old.sign("{}")),
            Err(UpdateError::UnknownKey(_))
        ));
        // The list of its time, which an older update brings along.
        assert!(!trust.take(&signed(&root, &list(1, &[&old]))).unwrap());
        assert!(trust.verify("x", &new.sign("{}")).is_ok());
    }

    #[test]
    fn only_the_root_key_changes_the_list_and_signs_nothing_else() {
        let (root, signer) = (Signer::new(), Signer::new());
        let mut trust = Trust::new(&root.public()).unwrap();
        trust.take(&signed(&root, &list(1, &[&signer]))).unwrap();
        let own = signed(&signer, &list(2, &[&signer]));
        assert!(matches!(trust.take(&own), Err(UpdateError::UnknownKey(_))));
        assert!(matches!(
            trust.verify("x", &root.sign("{}")),
            Err(UpdateError::UnknownKey(_))
        ));
    }

    #[test]
    fn two_lists_of_one_version_are_refused() {
        let (root, first, second) = (Signer::new(), Signer::new(), Signer::new());
        let mut trust = Trust::new(&root.public()).unwrap();
        trust.take(&signed(&root, &list(3, &[&first]))).unwrap();
        let other = signed(&root, &list(3, &[&second]));
        assert!(matches!(
            trust.take(&other),
            Err(UpdateError::Replayed { found: 3, .. })
        ));
        assert!(!trust.take(&signed(&root, &list(3, &[&first]))).unwrap());
    }

    #[test]
    fn lists_that_say_nothing_or_the_same_twice_are_refused() {
        let (root, signer) = (Signer::new(), Signer::new());
        let key = signer.public();
        for (json, expected) in [
            (
                format!(r#"{{"schema":1,"version":1,"keys":["{key}","{key}"]}}"#),
                "twice",
            ),
            (r#"{"schema":1,"version":1,"keys":[]}"#.to_owned(), "1 to 16"),
            (format!(r#"{{"schema":1,"version":0,"keys":["{key}"]}}"#), "at least 1"),
            (r#"{"schema":1,"version":1,"keys":["RWQ"]}"#.to_owned(), "minisign"),
            (format!(r#"{{"schema":2,"version":1,"keys":["{key}"]}}"#), "schema 2"),
            (format!(r#"{{"schema":1,"keys":["{key}"]}}"#), "version"),
        ] {
            let mut trust = Trust::new(&root.public()).unwrap();
            let error = trust.take(&root.sign(&json)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not speak of {expected}");
            assert!(trust.held().is_none());
        }
    }
}
