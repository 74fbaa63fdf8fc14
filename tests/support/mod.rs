//! What the tests share: programs, faces, files, a browser, a training.

pub(crate) mod browser;
pub(crate) mod detector;
pub(crate) mod faces;
pub(crate) mod programs;
pub(crate) mod sets;
pub(crate) mod trained;
#[cfg(unix)]
pub(crate) mod training;
pub(crate) mod visitors;
