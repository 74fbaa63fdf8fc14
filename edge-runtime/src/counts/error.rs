//! Why counts cannot be kept or read.

use std::io;
use std::path::PathBuf;

/// What went wrong, with which file.
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
        why: String,
    },
    /// The thread that writes cannot be started.
    #[error("start counts: {0}")]
    Start(io::Error),
}
