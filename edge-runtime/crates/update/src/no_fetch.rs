//! Stands in for the network where the program was built without it.

use std::io::Read;
use std::path::Path;

use super::UpdateError;

/// Stands for the web where the feature `http` is off; reaches nothing.
pub struct Web;

impl Web {
    /// Ignores the certificates, since nothing is fetched.
    ///
    /// # Errors
    ///
    /// Never; the signature is that of the real client.
    pub fn new(_: Option<&Path>) -> Result<Self, UpdateError> {
        Ok(Self)
    }

    #[allow(clippy::unused_self, reason = "the same form as with the network")]
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Read>, UpdateError> {
        Err(UpdateError::NoNetwork(url.to_owned()))
    }
}
