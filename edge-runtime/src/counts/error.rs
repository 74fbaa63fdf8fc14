//! Why counts cannot be kept or read.

use std::io;
use std::path::PathBuf;

/// Why counts cannot be kept or read, and which file is meant.
#[derive(Debug, thiserror::Error)]
pub enum CountsError {
    /// A file or directory cannot be read.
    #[error("read counts {path}: {source}")]
    Read {
        /// Path of the file that failed.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// A file cannot be written or removed.
    #[error("keep counts {path}: {source}; it is tried again")]
    Write {
        /// Path of the file that failed.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The directory cannot be made.
    #[error("make the directory of counts {path}: {source}; choose another one with `dir` in [counts]")]
    Dir {
        /// Path of the file that failed.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// Another program counts into the directory.
    #[error("open counts {path}: another edge-runtime counts there; give each its own `dir` in [counts]")]
    Busy {
        /// Path of the directory, as configured.
        path: PathBuf,
    },
    /// A file holds something else than counts.
    #[error("read counts {path}: {why}")]
    Damaged {
        /// Path of the file that failed.
        path: PathBuf,
        /// What is wrong with it.
        why: DamagedCounts,
    },
    /// The thread that writes cannot be started.
    #[error("start counts: {0}")]
    Start(io::Error),
}

/// What is wrong with a file of counts.
#[derive(Debug, thiserror::Error)]
pub enum DamagedCounts {
    /// It is a directory, a pipe, a device or the like; in the system's words.
    #[error("{0}; it is left where it is, and not counted")]
    NoFile(io::Error),
    /// It is larger than any file of counts; in the system's words.
    #[error("{0}")]
    TooLarge(io::Error),
    /// It is no JSON, or has other fields.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// It has another form than this program reads.
    #[error("it has the form {found}, this program reads {read}")]
    Schema {
        /// The form that it has.
        found: u32,
        /// The form that this program reads.
        read: u32,
    },
    /// It counts more than a day can have.
    #[error("it has more quarters or labels than a day can have")]
    Overfull,
    /// It was damaged, and is out of the way now.
    #[error("{why}; it was set aside as {name}, and counts of that time are gone")]
    SetAside {
        /// What is wrong with it.
        why: Box<DamagedCounts>,
        /// Its name from now on.
        name: &'static str,
    },
}
