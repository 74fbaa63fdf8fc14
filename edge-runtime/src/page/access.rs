//! Who may ask for what: names of the host, origins, the token, and how often it may be guessed.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use durable::read_whole;
use subtle::ConstantTimeEq;

/// Least strength of a token, in bits.
const TOKEN_BITS: usize = 128;

/// Most bytes of a file with a token.
const TOKEN_FILE: u64 = 4096;

/// Wrong tokens that an address may try at once.
const TRIES: u32 = 5;

/// Time after which it may try once more.
const TRY_AGAIN: Duration = Duration::from_secs(6);

/// Addresses whose tries are remembered; the oldest makes room.
const ADDRESSES: usize = 256;

/// Name of the cookie that an operator gets for a token.
pub(super) const COOKIE: &str = "edge_session";

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("read token {path}: {source}")]
    Io {
        /// Path of the file, as configured.
        path: PathBuf,
        /// The error that the operating system gave.
        source: io::Error,
    },
    /// The token can be guessed.
    #[error(
        "read token {path}: it must hold one line with at least {TOKEN_BITS} random bits, such as 32 hexadecimal digits: \
         `openssl rand -hex 32`"
    )]
    Weak {
        /// Path of the file, as configured.
        path: PathBuf,
    },
    /// The machine gives no random numbers.
    #[error("make a session: {0}")]
    Random(getrandom::Error),
}

/// Reads the token of a file: its only line.
pub(super) fn read_token(path: &Path) -> Result<String, TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_path_buf(),
        source,
    };
    let weak = || TokenError::Weak {
        path: path.to_path_buf(),
    };
    let text = match read_whole(path, TOKEN_FILE) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| weak())?,
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => return Err(weak()),
        Err(error) => return Err(failed(error)),
    };
    let token = text.trim();
    if bits(token) < TOKEN_BITS {
        return Err(weak());
    }
    Ok(token.to_owned())
}

/// The most that a token can be worth: 4 bits a hexadecimal digit, 6 a letter of base64; nothing for what repeats itself.
fn bits(token: &str) -> usize {
    let mut letters: Vec<u8> = token.bytes().collect();
    let plain = letters.iter().all(u8::is_ascii_graphic);
    let hex = letters.iter().all(u8::is_ascii_hexdigit);
    let length = letters.len();
    letters.sort_unstable();
    letters.dedup();
    if !plain || letters.len() < 8 {
        return 0;
    }
    length * if hex { 4 } else { 6 }
}

/// The token, the session that it opens, and the tries.
pub(super) struct Access {
    token: Option<String>,
    /// What the cookie holds; another one with every start.
    session: String,
    tries: Mutex<Tries>,
}

/// What came of a token that somebody sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is the token of the configuration.
    Open,
    /// It is not, or there is none.
    Wrong,
    /// Too many were wrong: none is checked before this time has passed.
    Later(Duration),
}

impl Access {
    pub(super) fn new(token: Option<String>) -> Result<Self, TokenError> {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(TokenError::Random)?;
        Ok(Self {
            token,
            session: hexadecimal(&random),
            tries: Mutex::default(),
        })
    }

    /// The cookie that opens the pages.
    pub(super) fn cookie(&self, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        let session = &self.session;
        format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200{secure}")
    }

    /// Whether one of these cookies opens the pages.
    pub(super) fn knows(&self, cookies: &str) -> bool {
        let values = cookies.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        let mut sessions = values.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value);
        self.token.is_some() && sessions.any(|value| is_same(value, &self.session))
    }

    /// Compares a token, if this address may still try.
    pub(super) fn enter(&self, now: Duration, from: IpAddr, token: &[u8]) -> Entry {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = tries.wait(now, from) {
            return Entry::Later(wait);
        }
        let known = self
            .token
            .as_ref()
            .is_some_and(|own| bool::from(own.as_bytes().ct_eq(token)));
        if known {
            tries.forget(from);
            return Entry::Open;
        }
        tries.count(now, from);
        Entry::Wrong
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Compares in a time that does not depend on where texts of one length differ.
fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Wrong tokens of each address: a bucket that is emptied by one in [`TRY_AGAIN`].
#[derive(Debug, Default)]
struct Tries(VecDeque<(IpAddr, u32, Duration)>);

impl Tries {
    /// How long this address has to wait; `None` if it may try.
    fn wait(&mut self, now: Duration, from: IpAddr) -> Option<Duration> {
        let (_, wrong, since) = self.0.iter_mut().find(|(address, ..)| *address == from)?;
        let passed = now.saturating_sub(*since);
        let emptied = (passed.as_secs_f64() / TRY_AGAIN.as_secs_f64()) as u32;
        *wrong = wrong.saturating_sub(emptied);
        *since += TRY_AGAIN * emptied;
        (*wrong >= TRIES).then(|| TRY_AGAIN.saturating_sub(now.saturating_sub(*since)))
    }

    fn count(&mut self, now: Duration, from: IpAddr) {
        if let Some((_, wrong, since)) = self.0.iter_mut().find(|(address, ..)| *address == from) {
            if *wrong == 0 {
                *since = now;
            }
            *wrong += 1;
            return;
        }
        if self.0.len() == ADDRESSES {
            self.0.pop_front();
        }
        self.0.push_back((from, 1, now));
    }

    fn forget(&mut self, from: IpAddr) {
        self.0.retain(|(address, ..)| *address != from);
    }
}

/// The names by which the kiosk may be called.
///
/// A page of somebody else that lets its own name point here (DNS rebinding) sends that name, which is not among them.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    listen: SocketAddr,
    names: Vec<String>,
}

impl Hosts {
    pub(super) fn new(listen: SocketAddr, names: &[String]) -> Self {
        Self {
            listen,
            names: names.iter().map(|name| name.to_ascii_lowercase()).collect(),
        }
    }

    /// Whether a `Host` header names this kiosk; its port does not matter, since tunnels change it.
    pub(super) fn know(&self, host: &str) -> bool {
        let Some(name) = name_of(host) else { return false };
        let name = name.to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            // An address cannot be made to point elsewhere.
            let own = self.listen.ip();
            return own.is_unspecified() || own == address || (own.is_loopback() && address.is_loopback());
        }
        name == "localhost" || self.names.contains(&name)
    }
}

/// The name in `name`, `name:port`, `[v6]` or `[v6]:port`.
fn name_of(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let port = port.strip_prefix(':').unwrap_or(port);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!name.is_empty() && name.chars().all(plain) && port.chars().all(|c| c.is_ascii_digit())).then_some(name)
}

/// Whether an `Origin` header is that of the very page that this `Host` serves.
pub(super) fn is_own_origin(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::fs;

    use super::*;

    const TOKEN: &str = "00112233445566778899aabbccddeeff";
    const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 9));

    fn hosts(listen: &str) -> Hosts {
        Hosts::new(listen.parse().unwrap(), &["Kiosk.local".to_owned()])
    }

    #[test]
    fn only_names_of_this_kiosk_are_known() {
        for (listen, host, expected) in [
            ("127.0.0.1:8380", "127.0.0.1:8380", true),
            ("127.0.0.1:8380", "localhost:9000", true),
            ("127.0.0.1:8380", "LOCALHOST", true),
            ("127.0.0.1:8380", "[::1]:8380", true),
            ("127.0.0.1:8380", "kiosk.local:8380", true),
            ("127.0.0.1:8380", "evil.example:8380", false),
            ("127.0.0.1:8380", "192.168.1.2:8380", false),
            ("127.0.0.1:8380", "localhost.evil.example", false),
            ("127.0.0.1:8380", "localhost:80@evil.example", false),
            ("127.0.0.1:8380", "kiosk.local/..", false),
            ("127.0.0.1:8380", "", false),
            ("127.0.0.1:8380", ":8380", false),
            ("127.0.0.1:8380", "[::1", false),
            ("192.168.1.2:8380", "192.168.1.2:8380", true),
            ("192.168.1.2:8380", "192.168.1.3:8380", false),
            ("0.0.0.0:8380", "10.1.2.3:8380", true),
            ("0.0.0.0:8380", "evil.example:8380", false),
        ] {
            assert_eq!(hosts(listen).know(host), expected, "{listen} {host}");
        }
    }

    #[test]
    fn only_the_page_itself_is_its_origin() {
        for (origin, host, expected) in [
            ("http://127.0.0.1:8380", "127.0.0.1:8380", true),
            ("https://kiosk.local", "kiosk.local", true),
            ("http://127.0.0.1:8381", "127.0.0.1:8380", false),
            ("http://evil.example", "127.0.0.1:8380", false),
            ("http://127.0.0.1:8380.evil.example", "127.0.0.1:8380", false),
            ("null", "127.0.0.1:8380", false),
            ("file://", "127.0.0.1:8380", false),
            ("", "", false),
        ] {
            assert_eq!(is_own_origin(origin, host), expected, "{origin} {host}");
        }
    }

    #[test]
    fn a_token_opens_and_anything_else_is_soon_not_looked_at() {
        let access = Access::new(Some(TOKEN.to_owned())).unwrap();
        let at = Duration::from_secs;
        for _ in 0..TRIES {
            assert_eq!(access.enter(at(1), ADDRESS, b"guess"), Entry::Wrong);
        }
        // Even the right one: who guesses learns nothing.
        assert_eq!(access.enter(at(1), ADDRESS, TOKEN.as_bytes()), Entry::Later(at(6)));
        assert_eq!(access.enter(at(4), ADDRESS, TOKEN.as_bytes()), Entry::Later(at(3)));
        let other = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);
        assert_eq!(access.enter(at(1), other, TOKEN.as_bytes()), Entry::Open);
        assert_eq!(access.enter(at(7), ADDRESS, TOKEN.as_bytes()), Entry::Open);
    }

    #[test]
    fn a_hundred_thousand_guesses_in_a_minute_are_fifteen_looks() {
        let access = Access::new(Some(TOKEN.to_owned())).unwrap();
        let guess = |number: u32| access.enter(Duration::from_micros(600) * number, ADDRESS, &number.to_le_bytes());
        let looked_at = (0..100_000).filter(|number| guess(*number) == Entry::Wrong).count();
        assert!((14..=15).contains(&looked_at), "{looked_at}");
    }

    #[test]
    fn only_the_cookie_that_was_given_opens() {
        let access = Access::new(Some(TOKEN.to_owned())).unwrap();
        let cookie = access.cookie(true);
        assert!(cookie.contains("HttpOnly; SameSite=Strict") && cookie.ends_with("; Secure"));
        let pair = cookie.split(';').next().unwrap();
        assert!(access.knows(pair) && access.knows(&format!("a=b; {pair}")));
        for wrong in [
            "",
            "edge_session",
            "edge_session=",
            &format!("{pair}0"),
            &format!("x{pair}"),
            &pair[..40],
        ] {
            assert!(!access.knows(wrong), "{wrong}");
        }
        assert!(!cookie.contains(TOKEN));
        // Without a token nobody gets in from elsewhere, whatever they send.
        let none = Access::new(None).unwrap();
        assert!(!none.knows(none.cookie(false).split(';').next().unwrap()));
        assert_eq!(none.enter(Duration::ZERO, ADDRESS, b""), Entry::Wrong);
    }

    #[test]
    fn tokens_that_can_be_guessed_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for (text, good) in [
            (TOKEN, true),
            ("  00112233445566778899aabbccddeeff\n", true),
            ("Zk3_x9-QbN4rTw7vLm2PzA", true),
            ("00112233445566778899aabbccddeef", false),
            ("password", false),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("", false),
            ("00112233445566778899aabbccddeeff two", false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(read_token(&path).is_ok(), good, "{text}");
        }
        assert!(matches!(
            read_token(&dir.path().join("none")),
            Err(TokenError::Io { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_guards_panic(host in ".{0,80}", origin in ".{0,80}", cookies in ".{0,80}") {
            let access = Access::new(Some(TOKEN.to_owned())).unwrap();
            prop_assert!(!access.knows(&cookies));
            let _ = hosts("127.0.0.1:1").know(&host);
            let _ = is_own_origin(&origin, &host);
        }
    }
}
