//! What every request has to pass before anybody reads what it asks for.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, COOKIE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY, UPGRADE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::access::{Access, Hosts, is_own_origin};
use super::files::sign_in;

/// Most bytes of a body.
pub(super) const MAX_BODY: usize = 1024;

/// Longest time that a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);

/// Nothing comes from elsewhere, nothing goes elsewhere, and nobody frames the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
                      connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers that a proxy adds: whoever is behind it may be anybody.
const PASSED_ON: [&str; 8] = [
    "forwarded",
    "via",
    "x-client-ip",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// The address that a request comes from.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Whether the connection is encrypted.
    pub(super) secure: bool,
    /// Set once the connection carries a stream.
    pub(super) follows: Arc<AtomicBool>,
}

impl Peer {
    /// Whether it is a program on this machine.
    pub(super) fn is_own(&self) -> bool {
        match self.address.ip() {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => {
                address.is_loopback() || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
            }
        }
    }

    pub(super) fn stays(&self) {
        self.follows.store(true, Ordering::Relaxed);
    }
}

/// What the checks go by.
pub(super) struct Guard {
    pub(super) hosts: Hosts,
    pub(super) access: Access,
    /// Whether other machines have to encrypt.
    pub(super) tls: bool,
}

/// Why a request is refused before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The host is missing, given twice, or not this kiosk.
    Host,
    /// It comes of a page of somebody else, or wants to change something and does not say for which page.
    Origin,
    /// It came without encryption from another machine.
    Plain,
    /// It came without the cookie from another machine.
    Token,
}

impl Refusal {
    fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::Host => (StatusCode::FORBIDDEN, "this kiosk has another name: see page.hosts\n"),
            Self::Origin => (StatusCode::FORBIDDEN, "only the kiosk's own pages may ask for that\n"),
            Self::Plain => (StatusCode::UPGRADE_REQUIRED, "use https\n"),
            Self::Token => (StatusCode::UNAUTHORIZED, "sign in at /operator\n"),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut answer = self.answer().into_response();
        if self == Self::Plain {
            answer
                .headers_mut()
                .insert(UPGRADE, HeaderValue::from_static("TLS/1.2"));
        }
        answer
    }
}

impl Guard {
    /// The first thing that is wrong with a request.
    pub(super) fn refuse(&self, peer: &Peer, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
        let named = only(headers, &HOST).filter(|host| self.hosts.know(host));
        // A target with a host of its own must mean the same one.
        let host = named.filter(|host| uri.authority().is_none_or(|it| it.as_str().eq_ignore_ascii_case(host)));
        let Some(host) = host else {
            return Some(Refusal::Host);
        };
        let path = uri.path();
        if self.tls && !peer.secure && !peer.is_own() {
            return Some(Refusal::Plain);
        }
        let changes = !matches!(*method, Method::GET | Method::HEAD);
        let must_be_own = changes || headers.contains_key(ORIGIN);
        let own = only(headers, &ORIGIN).is_some_and(|origin| is_own_origin(origin, host));
        if (must_be_own && !own) || is_part_of_another_site(headers) {
            return Some(Refusal::Origin);
        }
        let open = path.starts_with("/assets/") || path == "/words.json" || path == "/api/session";
        (!open && !self.is_known(peer, headers)).then_some(Refusal::Token)
    }

    /// Whether somebody may see and change everything.
    fn is_known(&self, peer: &Peer, headers: &HeaderMap) -> bool {
        // What a proxy passes on comes from this machine only in appearance.
        let passed_on = PASSED_ON.iter().any(|name| headers.contains_key(*name));
        let mut cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        (peer.is_own() && !passed_on) || cookies.any(|cookies| self.access.knows(cookies))
    }
}

/// Whether a browser says that a page of another site asks, for a part of itself. Following a link is nobody's part.
fn is_part_of_another_site(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &[u8]| headers.get_all(name).iter().any(|it| it.as_bytes() == value);
    let elsewhere = is("sec-fetch-site", b"cross-site") || is("sec-fetch-site", b"same-site");
    elsewhere && !is("sec-fetch-mode", b"navigate")
}

/// The value of a header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Lets a request pass or answers it, and gives every answer the headers that keep a page among itself.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request<Body>, next: Next) -> Response {
    let refusal = match request.extensions().get::<Peer>() {
        Some(peer) => guard.refuse(peer, request.method(), request.uri(), request.headers()),
        None => Some(Refusal::Token),
    };
    let is_page = matches!(request.uri().path(), "/" | "/operator") && request.method() == Method::GET;
    let has_body = !matches!(*request.method(), Method::GET | Method::HEAD);
    let mut answer = match refusal {
        Some(Refusal::Token) if is_page => sign_in(),
        Some(refusal) => refusal.into_response(),
        None if has_body => match timeout(BODY_TIME, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => (StatusCode::REQUEST_TIMEOUT, "too slow\n").into_response(),
        },
        None => next.run(request).await,
    };
    protect(answer.headers_mut());
    answer
}

fn protect(headers: &mut HeaderMap) {
    let fixed = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(tls: bool) -> Guard {
        Guard {
            hosts: Hosts::new("0.0.0.0:8380".parse().unwrap(), &["kiosk.local".to_owned()]),
            access: Access::new(Some("00112233445566778899aabbccddeeff".to_owned())).unwrap(),
            tls,
        }
    }

    fn peer(address: &str, secure: bool) -> Peer {
        Peer {
            address: address.parse().unwrap(),
            secure,
            follows: Arc::default(),
        }
    }

    const OWN: &str = "127.0.0.1:5000";
    const OTHER: &str = "192.168.1.9:5000";
    const HOST: (&str, &str) = ("host", "kiosk.local:8380");
    const ORIGIN: (&str, &str) = ("origin", "http://kiosk.local:8380");

    /// Who asks, how, for what, with which headers, and why not.
    type Case = (
        &'static str,
        Method,
        &'static str,
        &'static [(&'static str, &'static str)],
        Option<Refusal>,
    );

    #[test]
    fn each_request_gets_past_its_own_checks_or_not_at_all() {
        let cases: [Case; 24] = [
            (OWN, Method::GET, "http://kiosk.local:8380/", &[HOST], None),
            (OWN, Method::GET, "http://evil.example/", &[HOST], Some(Refusal::Host)),
            (OWN, Method::GET, "/", &[HOST], None),
            (OWN, Method::GET, "/", &[], Some(Refusal::Host)),
            (OWN, Method::GET, "/", &[HOST, HOST], Some(Refusal::Host)),
            (OWN, Method::GET, "/", &[("host", "evil.example")], Some(Refusal::Host)),
            (OWN, Method::POST, "/api/pause", &[HOST], Some(Refusal::Origin)),
            (OWN, Method::POST, "/api/pause", &[HOST, ORIGIN], None),
            (
                OWN,
                Method::POST,
                "/api/pause",
                &[HOST, ("origin", "http://evil.example")],
                Some(Refusal::Origin),
            ),
            (
                OWN,
                Method::POST,
                "/api/pause",
                &[HOST, ("origin", "null")],
                Some(Refusal::Origin),
            ),
            (
                OWN,
                Method::POST,
                "/api/pause",
                &[HOST, ORIGIN, ORIGIN],
                Some(Refusal::Origin),
            ),
            (OWN, Method::GET, "/api/socket", &[HOST, ("upgrade", "websocket")], None),
            (
                OWN,
                Method::GET,
                "/api/socket",
                &[HOST, ("upgrade", "websocket"), ("origin", "http://evil.example")],
                Some(Refusal::Origin),
            ),
            (
                OWN,
                Method::GET,
                "/api/events",
                &[HOST, ("origin", "http://evil.example")],
                Some(Refusal::Origin),
            ),
            (
                OWN,
                Method::GET,
                "/api/events",
                &[HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")],
                Some(Refusal::Origin),
            ),
            (
                OWN,
                Method::GET,
                "/operator",
                &[HOST, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
                None,
            ),
            (
                OWN,
                Method::GET,
                "/api/events",
                &[
                    HOST,
                    ORIGIN,
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-mode", "cors"),
                ],
                None,
            ),
            (
                OWN,
                Method::GET,
                "/api/snapshot",
                &[HOST, ("x-forwarded-for", "1.2.3.4")],
                Some(Refusal::Token),
            ),
            (OTHER, Method::GET, "/", &[HOST], Some(Refusal::Token)),
            (OTHER, Method::GET, "/api/events", &[HOST], Some(Refusal::Token)),
            (OTHER, Method::GET, "/assets/base.css", &[HOST], None),
            (OTHER, Method::POST, "/api/session", &[HOST, ORIGIN], None),
            (OTHER, Method::POST, "/api/session", &[HOST], Some(Refusal::Origin)),
            (
                OTHER,
                Method::GET,
                "/api/snapshot",
                &[HOST, ("cookie", "edge_session=0")],
                Some(Refusal::Token),
            ),
        ];
        for (address, method, path, headers, expected) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = guard(false).refuse(&peer(address, false), &method, &path.parse().unwrap(), &map);
            assert_eq!(found, expected, "{address} {method} {path} {headers:?}");
        }
    }

    #[test]
    fn the_cookie_opens_and_other_machines_have_to_encrypt() {
        let guard = guard(true);
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("kiosk.local"));
        let cookie = guard.access.cookie(true);
        headers.insert("cookie", cookie.split(';').next().unwrap().parse().unwrap());
        let path = Uri::from_static("/api/snapshot");
        let refuse = |address, secure| guard.refuse(&peer(address, secure), &Method::GET, &path, &headers);
        assert_eq!(refuse(OTHER, true), None);
        assert_eq!(refuse(OTHER, false), Some(Refusal::Plain));
        assert_eq!(refuse("[::ffff:127.0.0.1]:5000", false), None);
    }
}
