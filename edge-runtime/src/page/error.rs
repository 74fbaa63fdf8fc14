//! Why pages cannot be served.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::access::TokenError;
use super::tls::PageTlsError;

/// Why the pages cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address cannot be had.
    #[error("serve pages on {address}: {source}")]
    Listen {
        /// Address and port that cannot be served.
        address: SocketAddr,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("start the pages: {0}")]
    Start(io::Error),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Certificate or key of the pages cannot be used.
    #[error(transparent)]
    Tls(#[from] PageTlsError),
    /// The directory of media cannot be read.
    #[error("read media {path}: {source}")]
    Media {
        /// Path of the directory, as configured.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The file of words cannot be used.
    #[error("read words {path}: {why}")]
    Words {
        /// Path of the file, as configured.
        path: PathBuf,
        /// Why the file is refused, in words for people.
        why: String,
    },
}
