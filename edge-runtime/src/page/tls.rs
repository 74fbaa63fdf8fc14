//! The server's side of encrypted connections: rustls with ring.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::{MAX_TEXT, read_whole};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::settings::PageTls;

/// Why connections cannot be encrypted.
#[derive(Debug, thiserror::Error)]
pub enum PageTlsError {
    /// A file of certificates or a key cannot be used.
    #[error("read {path}: {source}; it must hold PEM text")]
    File {
        /// Path of the file, as configured.
        path: PathBuf,
        /// What is wrong with the PEM text.
        source: pem::Error,
    },
    /// Certificate and key do not fit each other, or the like.
    #[error("set up tls: {0}")]
    Setup(#[from] rustls::Error),
}

/// How the server proves who it is.
pub(super) fn server_config(tls: &PageTls) -> Result<Arc<ServerConfig>, PageTlsError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| PageTlsError::File { path, source }
    };
    let text = |path: &Path| read_whole(path, MAX_TEXT).map_err(pem::Error::Io).map_err(failed(path));
    let certificates = text(&tls.cert_file)?;
    let certificates = CertificateDer::pem_slice_iter(&certificates)
        .collect::<Result<_, _>>()
        .map_err(failed(&tls.cert_file))?;
    let key = PrivateKeyDer::from_pem_slice(&text(&tls.key_file)?).map_err(failed(&tls.key_file))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, key)?;
    Ok(Arc::new(config))
}
