//! What must outlast a power cut: files that are replaced as a whole, and a queue of events.
//!
//! [`Disk`] is the seam through which state is written, [`replace`] the one way to change a small file, [`outbox`] keeps
//! events until somebody has taken them. [`power`] is a disk in memory whose power can be cut, for the tests of all who write
//! through this crate; no feature guards it, so that tests and programs share one build.
#![forbid(unsafe_code)]

mod disk;
mod lock;
pub mod outbox;
pub mod power;

pub use disk::{
    Disk, MAX_TEXT, SystemDisk, is_same, open_lock, open_regular, parent, read_text, read_whole, replace, replace_file,
};
pub use lock::{Lock, is_locked};
