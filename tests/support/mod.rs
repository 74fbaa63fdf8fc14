//! What the tests share: programs, faces, files.

pub(crate) mod faces;
pub(crate) mod programs;
