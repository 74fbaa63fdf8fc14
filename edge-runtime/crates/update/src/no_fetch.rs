//! Stands in for the network where the program was built without it.

use std::io::Read;
use std::path::Path;

use super::UpdateError;

/// Reaches no web server.
pub struct Web;

impl Web {
    /// Needs nothing.
    pub fn new(_: Option<&Path>) -> Result<Self, UpdateError> {
        Ok(Self)
    }

    #[allow(clippy::unused_self, reason = "the same form as with the network")]
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Read>, UpdateError> {
        Err(UpdateError::NoNetwork(url.to_owned()))
    }
}
