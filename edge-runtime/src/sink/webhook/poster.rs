//! The thread that waits for the server, and nothing else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use durable::{MAX_TEXT, read_whole};
use rustls::crypto::ring;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::retry::Answer;
use super::secret::Secret;
use super::settings::WebhookConfig;
use super::{WebhookError, now_ms};
use crate::sink::outlet::Waker;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Longest time for a whole exchange: a server that says no word is none.
const WHOLE: Duration = Duration::from_secs(15);

/// An event to be posted.
pub(super) struct Job {
    /// Its number in the outbox.
    pub(super) number: u64,
    /// Identifies it for the server, which may get it twice.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

/// What has become of it.
pub(super) struct Done {
    pub(super) number: u64,
    /// The status and what it means; else why there was no answer.
    pub(super) outcome: Result<(u16, Answer), String>,
}

/// Posts events.
pub(super) struct Poster {
    pub(super) agent: Agent,
    pub(super) secret: Secret,
    pub(super) url: String,
    /// Tells the outlet's thread that something is done.
    pub(super) waker: Waker,
}

impl Poster {
    /// Works as long as somebody has jobs.
    pub(super) fn work(&self, jobs: &Receiver<Job>, done: &Sender<Done>) {
        while let Ok(job) = jobs.recv() {
            let outcome = self.post(&job);
            let number = job.number;
            if done.send(Done { number, outcome }).is_err() {
                return;
            }
            self.waker.wake();
        }
    }

    fn post(&self, job: &Job) -> Result<(u16, Answer), String> {
        let now_s = now_ms() / 1000;
        let answer = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &job.id)
            .header("webhook-timestamp", now_s.to_string())
            .header("webhook-signature", self.secret.sign(&job.id, now_s, &job.body))
            .send(&job.body[..])
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let header = answer.headers().get("retry-after");
        let retry_after = header.and_then(|value| value.to_str().ok());
        Ok((status, Answer::of(status, retry_after, now_s as i64)))
    }
}

/// Reaches the server; follows no redirection.
pub(super) fn agent(config: &WebhookConfig) -> Result<Agent, WebhookError> {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots(config)?)))
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(WHOLE))
        .user_agent(concat!("edge-runtime/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent())
}

/// The certificates of the system, and those of the file.
fn roots(config: &WebhookConfig) -> Result<Vec<Certificate<'static>>, WebhookError> {
    if !config.url.starts_with("https://") {
        return Ok(Vec::new());
    }
    // Certificates that cannot be read are left out; without the right one no server is believed.
    let system = rustls_native_certs::load_native_certs().certs;
    let mut roots: Vec<Certificate<'static>> = system
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned())
        .collect();
    let Some(path) = &config.ca_file else { return Ok(roots) };
    let pem = read_whole(path, MAX_TEXT).map_err(|source| WebhookError::Read {
        path: path.clone(),
        source,
    })?;
    let unusable = |reason: String| WebhookError::Certificates {
        path: path.clone(),
        reason,
    };
    let known = roots.len();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| unusable(error.to_string()))? {
            roots.push(certificate);
        }
    }
    if roots.len() == known {
        return Err(unusable(
            "there is no certificate in it; it must hold PEM text".to_owned(),
        ));
    }
    Ok(roots)
}

/// Asks the server for nothing, to see whether it is there and who it is: gives the status of its answer.
///
/// # Errors
/// Why there is none, in words.
pub fn probe(config: &WebhookConfig) -> Result<u16, String> {
    let agent = agent(config).map_err(|error| error.to_string())?;
    let answer = agent.head(&config.url).call().map_err(|error| error.to_string())?;
    Ok(answer.status().as_u16())
}
