//! Encrypted connections: rustls with ring; its types stay here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable::{MAX_TEXT, read_whole};
use rustls::client::WantsClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

use crate::sink::settings::TlsConfig;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of certificates or a key cannot be used.
    #[error("read {path}: {source}; it must hold PEM text")]
    File {
        /// Path of the file, as configured.
        path: PathBuf,
        /// What is wrong with the PEM text.
        source: pem::Error,
    },
    /// There is nobody to trust.
    #[error("set up tls: {subject} has no certificate; name the broker's authority with `ca_file`")]
    NoRoots {
        /// Where one was expected.
        subject: String,
    },
    /// Certificate and key do not fit each other, or the like.
    #[error("set up tls: {0}")]
    Setup(#[from] rustls::Error),
}

/// What the client trusts, and how it proves who it is.
pub(super) fn client_config(config: &TlsConfig) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(config.ca_file.as_deref())?);
    with_identity(builder, config)
}

fn with_identity(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    config: &TlsConfig,
) -> Result<ClientConfig, TlsError> {
    let Some(identity) = &config.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_slice(&text(&identity.key_file)?).map_err(failed(&identity.key_file))?;
    Ok(builder.with_client_auth_cert(certificates(&identity.cert_file)?, key)?)
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let (certificates, subject) = match ca_file {
        Some(path) => (certificates(path)?, path.display().to_string()),
        None => (rustls_native_certs::load_native_certs().certs, "the system".to_owned()),
    };
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(TlsError::NoRoots { subject });
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = text(path)?;
    CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(failed(path))
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    read_whole(path, MAX_TEXT).map_err(pem::Error::Io).map_err(failed(path))
}

fn failed(path: &Path) -> impl Fn(pem::Error) -> TlsError + use<> {
    let path = path.to_path_buf();
    move |source| TlsError::File {
        path: path.clone(),
        source,
    }
}
