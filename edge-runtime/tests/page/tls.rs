//! Encrypted pages: other machines use them, and this machine's own browser need not.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{kiosk, visit};
use crate::support::http::{ask, connect, get};

/// What a browser that trusts this certificate alone gets for a request.
fn ask_encrypted(address: SocketAddr, certificate: &CertificateDer<'static>, request: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("kiosk.local").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, connect(address));
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // The server may end the connection without the farewell of TLS.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn pages_are_encrypted_where_a_certificate_is_configured() {
    let made = rcgen::generate_simple_self_signed(["kiosk.local".to_owned()]).unwrap();
    let world = kiosk(
        "hosts = [\"kiosk.local\"]\ntoken_file = \"token\"\n\
         tls = { cert_file = \"page.pem\", key_file = \"page.key\" }\n",
    );
    fs::write(world.kiosk.path("page.pem"), made.cert.pem()).unwrap();
    fs::write(world.kiosk.path("page.key"), made.signing_key.serialize_pem()).unwrap();
    fs::write(world.kiosk.path("token"), "00112233445566778899aabbccddeeff").unwrap();
    visit(&world, |address| {
        let certificate = made.cert.der();
        let page = ask_encrypted(
            address,
            certificate,
            "GET / HTTP/1.1\r\nHost: kiosk.local\r\nConnection: close\r\n\r\n",
        );
        assert!(
            page.starts_with("HTTP/1.1 200") && page.contains("visitor.js"),
            "{page}"
        );
        let entry = "POST /api/session HTTP/1.1\r\nHost: kiosk.local\r\nOrigin: https://kiosk.local\r\n\
                     Connection: close\r\nContent-Length: 32\r\n\r\n00112233445566778899aabbccddeeff";
        let open = ask_encrypted(address, certificate, entry);
        assert!(open.starts_with("HTTP/1.1 204") && open.contains("; Secure"), "{open}");
        // The kiosk's own screen knows no certificate.
        assert_eq!(get(address, "/").status, 200);
        let elsewhere = "GET / HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 192.168.1.9\r\nConnection: close\r\n\r\n";
        assert_eq!(ask(address, elsewhere).status, 401);
    });
}
