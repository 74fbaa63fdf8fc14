//! What must outlast a power cut: files that are replaced as a whole, and a queue of events.
//!
//! [`Disk`] is the seam through which state is written, [`replace`] the one way to change a small file, [`outbox`] keeps
//! events until somebody has taken them.
#![forbid(unsafe_code)]

mod disk;
pub mod outbox;
#[cfg(any(test, feature = "testing"))]
pub mod power;

pub use disk::{Disk, SystemDisk, parent, replace, replace_file};
