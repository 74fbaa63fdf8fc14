//! What the signer of an update says about it: `update.json`.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::Digest;
use shared_model::Text;
use shared_model::manifest::{DETECTOR_CONTRACT, FILE_NAME, Sha256, is_known_contract};

use super::{KEYS, MAX_BYTES, SIGNATURE, UPDATE_MANIFEST, UpdateError};

/// Form of `update.json` that this code reads and writes.
const SCHEMA: u32 = 1;
/// Most files of a bundle.
const MAX_FILES: usize = 16;

/// The signed content of `update.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateManifest {
    schema: u32,
    /// What people call the bundle.
    pub name: Text<64>,
    /// Version of the bundle; an update never goes back. At least 1.
    pub version: u32,
    /// Contract that the networks follow.
    pub contract: u32,
    /// Least version of this program that the bundle runs with.
    pub minimum_runtime: Version,
    /// Every file of the bundle, in the order in which they follow in an archive.
    pub files: Vec<FileEntry>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Plain name: ASCII letters, digits, `.`, `-`, `_`; no leading dot.
    pub path: Text<64>,
    /// Size of the file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the file's content.
    pub sha256: Sha256,
}

/// A version of the program, such as `0.1.0`: three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Text<32>", into = "String")]
pub struct Version(pub u32, pub u32, pub u32);

impl UpdateManifest {
    /// An update manifest about the files of a bundle that follows `contract`.
    pub fn new(name: Text<64>, version: u32, contract: u32, minimum_runtime: Version, files: Vec<FileEntry>) -> Self {
        Self {
            schema: SCHEMA,
            name,
            version,
            contract,
            minimum_runtime,
            files,
        }
    }

    /// Reads an update manifest whose signature was checked, and whether this program can use what it speaks of.
    ///
    /// # Errors
    ///
    /// When it has another schema or form, breaks a rule, or needs another contract or a newer program.
    pub fn parse(json: &[u8], own: Version) -> Result<Self, UpdateError> {
        let update_manifest: Self = parse_form(json, UPDATE_MANIFEST, SCHEMA)?;
        if !is_known_contract(update_manifest.contract) {
            return Err(UpdateError::Contract {
                found: update_manifest.contract,
                own: DETECTOR_CONTRACT,
            });
        }
        if update_manifest.minimum_runtime > own {
            return Err(UpdateError::Runtime {
                needed: update_manifest.minimum_runtime.to_string(),
                own: own.to_string(),
            });
        }
        update_manifest.check()?;
        Ok(update_manifest)
    }

    /// Checks everything that needs neither the files nor the device.
    ///
    /// # Errors
    ///
    /// The first rule that is broken.
    pub fn check(&self) -> Result<(), UpdateError> {
        let refused = |reason: String| UpdateError::Form {
            what: UPDATE_MANIFEST.to_owned(),
            reason,
        };
        if self.version == 0 {
            return Err(refused("`version` must be at least 1".to_owned()));
        }
        if self.files.is_empty() || self.files.len() > MAX_FILES {
            let count = self.files.len();
            return Err(refused(format!("{count} files, 1 to {MAX_FILES} are allowed")));
        }
        for (at, file) in self.files.iter().enumerate() {
            let again = (self.files[..at].iter()).any(|other| other.path.eq_ignore_ascii_case(&file.path));
            if again || !is_plain(&file.path) {
                let name = &file.path;
                return Err(refused(format!("file name {name:?} must be plain and stand once")));
            }
        }
        let total = (self.files.iter()).try_fold(0_u64, |total, file| total.checked_add(file.bytes));
        if total.is_none_or(|total| total > MAX_BYTES) {
            return Err(refused(format!("the files have more than {MAX_BYTES} bytes together")));
        }
        match self.file(FILE_NAME) {
            Some(_) => Ok(()),
            None => Err(refused(format!("there is no {FILE_NAME} among the files"))),
        }
    }

    /// The file with this name.
    pub fn file(&self, name: &str) -> Option<&FileEntry> {
        self.files.iter().find(|file| file.path == name)
    }
}

/// The two numbers by which a signed document is told from one of another time.
#[derive(Deserialize)]
struct Form {
    schema: u32,
}

/// Reads a signed document; an unknown schema is told as such even where nothing else fits.
pub(super) fn parse_form<T: for<'de> Deserialize<'de>>(json: &[u8], what: &str, schema: u32) -> Result<T, UpdateError> {
    let refused = |reason: String| UpdateError::Form {
        what: what.to_owned(),
        reason,
    };
    let form: Form = serde_json::from_slice(json).map_err(|error| refused(error.to_string()))?;
    if form.schema != schema {
        return Err(refused(format!(
            "it has schema {}, this program reads schema {schema}",
            form.schema
        )));
    }
    serde_json::from_slice(json).map_err(|error| refused(error.to_string()))
}

/// The SHA-256 of these bytes.
pub(super) fn hash(bytes: &[u8]) -> Sha256 {
    Sha256::from_bytes(&sha2::Sha256::digest(bytes).into())
}

/// Whether a name stays in its directory and is none of those that an update uses for itself.
pub(super) fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let own = [UPDATE_MANIFEST, KEYS].iter().any(|own| name.eq_ignore_ascii_case(own));
    let signature = name.to_ascii_lowercase().ends_with(SIGNATURE);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain) && !own && !signature
}

impl Version {
    /// The version of this program.
    pub fn own() -> Self {
        Self::parse(env!("CARGO_PKG_VERSION")).unwrap_or(Self(0, 0, 0))
    }

    /// Three numbers with dots between them.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = |part: &str| digits(part).then(|| part.parse().ok()).flatten();
        let mut parts = text.split('.').map(number);
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl TryFrom<Text<32>> for Version {
    type Error = &'static str;

    fn try_from(text: Text<32>) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a version has three numbers, such as 0.1.0")
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use shared_model::manifest::CONTRACT;

    use super::*;

    const OWN: Version = Version(0, 4, 2);

    fn update_manifest() -> UpdateManifest {
        let file = |path: &str| FileEntry {
            path: Text::try_from(path).unwrap(),
            bytes: 10,
            sha256: hash(path.as_bytes()),
        };
        let files = vec![file(FILE_NAME), file("a.onnx")];
        UpdateManifest::new(Text::try_from("test").unwrap(), 3, CONTRACT, Version(0, 4, 2), files)
    }

    fn parse(update_manifest: &UpdateManifest) -> Result<UpdateManifest, UpdateError> {
        UpdateManifest::parse(&serde_json::to_vec(update_manifest).unwrap(), OWN)
    }

    #[test]
    fn survives_json_unchanged() {
        assert_eq!(parse(&update_manifest()).unwrap(), update_manifest());
    }

    #[test]
    fn refuses_each_rule_broken() {
        type Break = fn(&mut UpdateManifest);
        let cases: [(&str, Break); 12] = [
            ("schema 7", |s| s.schema = 7),
            ("contract 9", |s| s.contract = 9),
            ("edge-runtime 0.4.3", |s| s.minimum_runtime = Version(0, 4, 3)),
            ("`version`", |s| s.version = 0),
            ("files", |s| s.files.clear()),
            ("stand once", |s| {
                s.files[1].path = Text::try_from("Manifest.JSON").unwrap();
            }),
            ("no manifest.json", |s| drop(s.files.remove(0))),
            ("bytes together", |s| s.files[1].bytes = MAX_BYTES - 9),
            ("bytes together", |s| s.files[1].bytes = u64::MAX),
            ("plain", |s| s.files[1].path = Text::try_from("../a").unwrap()),
            ("plain", |s| s.files[1].path = Text::try_from("KEYS.json").unwrap()),
            ("files", |s| s.files = vec![s.files[0].clone(); 17]),
        ];
        for (expected, broken) in cases {
            let mut update_manifest = update_manifest();
            broken(&mut update_manifest);
            let error = parse(&update_manifest).unwrap_err().to_string();
            assert!(error.contains(expected), "{error} does not speak of {expected}");
        }
    }

    #[test]
    fn refuses_unknown_fields_but_tells_an_unknown_schema_first() {
        let json = serde_json::to_string(&update_manifest()).unwrap();
        let strange = json.replacen("\"name\"", "\"strange\":1,\"name\"", 1);
        let error = UpdateManifest::parse(strange.as_bytes(), OWN).unwrap_err().to_string();
        assert!(error.contains("strange"), "{error}");
        let newer = strange.replacen("\"schema\":1", "\"schema\":2", 1);
        let error = UpdateManifest::parse(newer.as_bytes(), OWN).unwrap_err().to_string();
        assert!(error.contains("schema 2"), "{error}");
    }

    #[test]
    fn names_stay_in_their_directory() {
        for name in ["a.onnx", "README.md", "A-1_b"] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".a",
            "a/b",
            "/a",
            "a\\b",
            "a b",
            "a\0b",
            "ä",
            "update.json",
            "Update.json",
            "keys.json",
            "a.minisig",
            "a.MINISIG",
        ] {
            assert!(!is_plain(name), "{name}");
        }
    }

    #[test]
    fn versions_are_three_numbers_in_order() {
        assert_eq!(Version::parse("1.22.333"), Some(Version(1, 22, 333)));
        for bad in ["", "1", "1.2", "1.2.3.4", "1.2.x", "1..3", "+1.2.3", "1.2.99999999999"] {
            assert_eq!(Version::parse(bad), None, "{bad}");
        }
        assert!(Version(0, 10, 0) > Version(0, 9, 9));
        assert!(Version::own() > Version(0, 0, 0));
    }
}
