//! What the unit tests share: tiny networks written as real ONNX files, and a bundle of them.

pub(crate) mod bundle;
pub(crate) mod network;
pub(crate) mod power;

use std::path::PathBuf;

/// A folder of the photographs and films that lie beside the workspace; says so where there are none.
pub(crate) fn shared_data(folder: &str) -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")).join(folder);
    if dir.is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: there is no {}", dir.display());
    None
}
