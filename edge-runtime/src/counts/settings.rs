//! What counting goes by.

use std::path::PathBuf;

/// Where counts are kept, for how long, and how they are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountsSettings {
    /// Directory of the days; made if it is not there.
    pub dir: PathBuf,
    /// Most days with counts that are kept, at least 1. The oldest goes first; the clock, which may be wrong, has no say.
    pub keep_days: usize,
    /// Fewest visitors of a row of an export, at least 1.
    pub min_visitors: u64,
}
