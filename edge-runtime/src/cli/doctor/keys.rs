//! What updates are checked by.

use std::fs;

use edge_runtime::config::UpdateConfig;

use super::Finding;

/// Whether the public root key is there.
pub(super) fn keys(config: &UpdateConfig) -> Finding {
    let path = config.keys.join("root.pub");
    match fs::read_to_string(&path) {
        Ok(_) => Finding::good("keys", path.display().to_string()),
        Err(error) => Finding::bad(
            "keys",
            format!("{}: {error}", path.display()),
            "put the public root key there: no update can be checked without it",
        ),
    }
}
