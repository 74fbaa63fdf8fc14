//! The measurement of the ways out, for programs that were built without some of them.

use inference::bundle::Bundle;

use super::failure::{Failure, code};

/// Says that it needs all of them.
///
/// # Errors
/// Always.
pub(super) fn main(_: &Bundle) -> Result<(), Failure> {
    let message = "this program was built without some ways out: build with the features mqtt, page and webhook";
    Err(Failure::new(code::UNAVAILABLE, anyhow::Error::msg(message)))
}
