//! The pages: whether the files that they need can be used.

use super::Finding;
use crate::page;
use crate::page::settings::PageConfig;

/// The port is checked beside them.
pub(super) fn check(config: &PageConfig) -> Finding {
    match page::check(config) {
        Ok(()) => Finding::good("page", format!("http://{}/", config.listen)),
        Err(error) => Finding::bad("page", error.to_string(), "mend what [page] names"),
    }
}

impl From<Finding> for page::Check {
    fn from(finding: Finding) -> Self {
        Self {
            check: finding.check.to_owned(),
            ok: finding.ok,
            found: finding.found,
            cure: finding.cure,
        }
    }
}
