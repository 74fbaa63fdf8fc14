//! Files from a web server, over TLS alone.
//!
//! Signatures, not the server, vouch for what comes; TLS keeps others from seeing and withholding it. Redirects are
//! followed, to https:// only.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error};

use super::UpdateError;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// Longest wait for the first byte of an answer.
const ANSWER: Duration = Duration::from_mins(1);
/// Longest download; 256 MiB in this time are 75 kB a second.
const WHOLE: Duration = Duration::from_hours(1);

/// Fetches files from web servers over HTTP and HTTPS.
pub struct Web(Agent);

impl Web {
    /// Trusts the certificates of the system, and those of a PEM file if there is one.
    ///
    /// # Errors
    ///
    /// When the PEM file cannot be read or holds no certificate.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, UpdateError> {
        // Certificates that cannot be read are left out; without the right one no server is believed.
        let system = rustls_native_certs::load_native_certs().certs;
        let mut roots: Vec<Certificate<'static>> = system
            .iter()
            .map(|certificate| Certificate::from_der(certificate).to_owned())
            .collect();
        if let Some(path) = ca_file {
            roots.extend(own(path)?);
        }
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .https_only(true)
            .tls_config(tls)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_global(Some(WHOLE))
            .user_agent(concat!("edge-runtime/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Self(agent))
    }

    /// What a server has at an address.
    pub(super) fn open(&self, url: &str) -> Result<Box<dyn Read>, UpdateError> {
        let shown = without_login(url);
        if !url.starts_with("https://") {
            return Err(UpdateError::Scheme(shown));
        }
        match self.0.get(url).call() {
            // The reader ends where the server said it would, or with an error.
            Ok(answer) => Ok(Box::new(FromNetwork(answer.into_body().into_reader()))),
            Err(Error::StatusCode(404)) => Err(UpdateError::Missing(shown)),
            Err(error) => Err(UpdateError::Network {
                reason: error.to_string().replace(url, &shown),
                url: shown,
            }),
        }
    }
}

/// An address without user and password, to be told.
fn without_login(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// A reader whose errors are the network's, not the archive's.
struct FromNetwork<R>(R);

impl<R: Read> Read for FromNetwork<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::Other | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                io::Error::new(io::ErrorKind::ConnectionAborted, error)
            }
            kind => io::Error::new(kind, error),
        })
    }
}

fn own(path: &Path) -> Result<Vec<Certificate<'static>>, UpdateError> {
    let what = path.display().to_string();
    let pem =
        durable::read_whole(path, durable::MAX_TEXT).map_err(|error| UpdateError::reading(&what, u64::MAX, error))?;
    let mut own = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => own.push(certificate),
            Ok(_) => {}
            Err(error) => {
                return Err(UpdateError::Key {
                    name: what,
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_never_told() {
        for (url, shown) in [
            ("https://user:pass@host/channel.json", "https://host/channel.json"),
            ("https://us@er:p@ss@host:8443?a@b", "https://host:8443?a@b"),
            ("https://host/a@b", "https://host/a@b"),
            ("http://user:pass@host", "http://host"),
        ] {
            assert_eq!(without_login(url), shown);
        }
        let web = Web::new(None).unwrap();
        // Nothing listens on the port of nobody; the other is refused before anything is sent.
        for url in [
            "https://user:secret@127.0.0.1:1/a.tar",
            "http://user:secret@127.0.0.1/a.tar",
        ] {
            let error = web.open(url).err().unwrap().to_string();
            assert!(!error.contains("secret") && error.contains("127.0.0.1"), "{error}");
        }
    }
}
