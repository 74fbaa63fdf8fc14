//! What the tests share: programs, faces, files, a browser.

pub(crate) mod browser;
pub(crate) mod faces;
pub(crate) mod programs;
