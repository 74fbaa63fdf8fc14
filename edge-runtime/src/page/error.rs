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
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The thread cannot be started.
    #[error("start the pages: {0}")]
    Start(io::Error),
    /// The token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Connections cannot be encrypted.
    #[error(transparent)]
    Tls(#[from] PageTlsError),
    /// The directory of media cannot be read.
    #[error("read media {path}: {source}")]
    Media {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of words cannot be used.
    #[error("read words {path}: {why}")]
    Words {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
}
