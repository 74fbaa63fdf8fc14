//! Signs what is posted.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::WebhookError;

/// Fewest bytes of a secret: 192 bits, as Standard Webhooks wants it.
const LEAST: usize = 24;

/// In front of a secret in base64.
const PREFIX: &str = "whsec_";

/// Signs messages, and shows itself to nobody.
#[derive(Clone)]
pub(super) struct Secret(hmac::Key);

impl Secret {
    /// Reads the secret of a file: `whsec_` and base64, or any other line, whose bytes count as they are.
    pub(super) fn read(path: &Path) -> Result<Self, WebhookError> {
        let failed = |source| WebhookError::Read {
            path: path.to_path_buf(),
            source,
        };
        let text = durable::read_text(path).map_err(failed)?;
        Self::parse(&text).ok_or_else(|| WebhookError::Weak {
            path: path.to_path_buf(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let line = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        let bytes = match line.strip_prefix(PREFIX) {
            Some(coded) => STANDARD.decode(coded).ok()?,
            None => line.as_bytes().to_vec(),
        };
        let whole = bytes.len() >= LEAST && !line.contains(['\n', '\r']);
        whole.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for a message: `v1,` and the HMAC of `id.timestamp.body` in base64.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference library.
    #[test]
    fn the_reference_example_is_signed_alike() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_and_damaged_secrets_are_refused() {
        for text in [
            "",
            "short",
            "whsec_",
            "whsec_c2hvcnQ=",
            "whsec_!!",
            "a line of twenty-four b\nand another",
        ] {
            assert!(Secret::parse(text).is_none(), "{text:?}");
        }
        assert!(Secret::parse("\u{feff}0123456789abcdef01234567\r\n").is_some());
    }
}
