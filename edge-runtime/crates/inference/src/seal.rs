//! A digest of what a manifest says, whatever its layout.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256 as Hasher};
use shared_model::manifest::Sha256;

/// SHA-256 over everything that a manifest says, but for its entry `golden`: the file that this entry names holds the seal.
///
/// Spaces, line breaks and the order of keys make no difference, so that a manifest may be formatted anew.
///
/// # Errors
/// Where `manifest` is no JSON object.
pub fn seal(manifest: &[u8]) -> Result<Sha256, serde_json::Error> {
    let mut entries: BTreeMap<String, Value> = serde_json::from_slice(manifest)?;
    entries.remove("golden");
    let mut text = Vec::new();
    sorted(&mut text, entries.iter())?;
    Ok(Sha256::from_bytes(&Hasher::digest(&text).into()))
}

/// Writes an object with its keys in order, and those of the objects in it; however this program's JSON library keeps them.
fn sorted<'a>(text: &mut Vec<u8>, entries: impl Iterator<Item = (&'a String, &'a Value)>) -> serde_json::Result<()> {
    text.push(b'{');
    for (key, value) in entries {
        serde_json::to_writer(&mut *text, key)?;
        text.push(b':');
        write_sorted(text, value)?;
        text.push(b',');
    }
    text.push(b'}');
    Ok(())
}

fn write_sorted(text: &mut Vec<u8>, value: &Value) -> serde_json::Result<()> {
    match value {
        Value::Object(entries) => {
            let entries: BTreeMap<&String, &Value> = entries.iter().collect();
            sorted(text, entries.into_iter())
        }
        Value::Array(values) => {
            text.push(b'[');
            for value in values {
                write_sorted(text, value)?;
                text.push(b',');
            }
            text.push(b']');
            Ok(())
        }
        plain => serde_json::to_writer(text, plain),
    }
}
