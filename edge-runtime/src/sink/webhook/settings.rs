//! What the webhook is set up with; a configuration is read into it.

use std::path::PathBuf;

use crate::authority::host_and_port;
use crate::sink::settings::OutboxConfig;

/// Where events are posted, and how they are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where they go: `https://…`, or `http://…` within a network that is trusted. Without user and password.
    pub url: String,
    /// File with the secret that signs them, one line.
    pub secret_file: PathBuf,
    /// Authorities that are trusted besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// What waits for the server.
    pub outbox: OutboxConfig,
}

/// Whether a text can be posted to: a scheme, a host, and no user or password, which would be told in messages.
pub fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = |c: char| c.is_ascii_graphic();
    rest.is_some_and(|rest| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        host_and_port(authority).is_some() && url.chars().all(plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_without_passwords_can_be_posted_to() {
        for good in [
            "https://example.org/kiosk",
            "http://127.0.0.1:1880/hook?a=b@c",
            "https://a",
            "http://[::1]/",
            "http://[::1]:8080/",
        ] {
            assert!(is_web_address(good), "{good}");
        }
        for bad in [
            "",
            "example.org",
            "ftp://a/b",
            "https://",
            "https://u:p@a/",
            "https:///x",
            "https://a b/",
            "https://:80/",
            "https://a:99999/",
            "https://a:0/",
            "https://a:/",
            "http://[::1/",
            "http://a]/",
            "http://::1/",
        ] {
            assert!(!is_web_address(bad), "{bad}");
        }
    }
}
