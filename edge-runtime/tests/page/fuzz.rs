//! Requests at random, made of those in `corpus/`: whatever comes, the server lives, lets nobody in, and changes nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::Path;
use std::time::Duration;

use testing::fuzz::{Target, files};

use super::{kiosk, visit};
use crate::support::http::{connect, get};

/// Longest wait for a part of an answer: streams never end.
const PATIENCE: Duration = Duration::from_millis(60);

/// Most of an answer that is read.
const LONGEST: usize = 64 * 1024;

/// Stands for the kiosk's own name in the corpus.
const HOST: &str = "{host}";

/// Parts that servers have stumbled over.
const PARTS: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b":",
    b"%",
    b"%2e%2e%2f",
    b"../",
    b"//",
    b"\xff",
    b"HTTP/1.1",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"Host: evil.example\r\n",
    b"Origin: http://evil.example\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 18446744073709551616\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"Upgrade: websocket\r\n",
    b"Range: bytes=-1,0-,5-1\r\n",
];

/// What comes back until the end, or until nothing comes.
fn exchange(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // A server that had enough says so, and stops reading.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        all.extend(&buffer[..count]);
        if all.len() > LONGEST {
            break;
        }
    }
    all
}

/// Status and names of headers: the kind of an answer.
fn kind(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(&answer[..answer.len().min(2000)]).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let names: BTreeSet<&str> = head.lines().skip(1).filter_map(|line| line.split(':').next()).collect();
    format!("{} {names:?}", head.get(..12).unwrap_or(head))
}

/// What must hold for every answer.
fn check(request: &[u8], answer: &[u8], own: &str) {
    let shown = || {
        format!(
            "{:?}\n{:?}",
            String::from_utf8_lossy(request),
            String::from_utf8_lossy(answer)
        )
    };
    if answer.is_empty() {
        return;
    }
    assert!(answer.starts_with(b"HTTP/1."), "{}", shown());
    let text = String::from_utf8_lossy(&answer[..answer.len().min(2000)]).into_owned();
    let status: u16 = text
        .get(9..12)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("{}", shown()));
    assert!(status < 500 || status == 503, "{}", shown());
    let head = text.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
    // What the library refuses itself has no headers of ours, and no body.
    let is_ours = ![400, 408, 414, 431, 505].contains(&status);
    assert!(
        !is_ours || head.contains("content-security-policy: default-src 'none'"),
        "{}",
        shown()
    );
    assert!(
        !head.contains("access-control-") && !head.contains("set-cookie"),
        "{}",
        shown()
    );
    let named = String::from_utf8_lossy(request).to_ascii_lowercase();
    let is_called = [own, "localhost", "127.", "[::"]
        .iter()
        .any(|name| named.contains(name));
    assert!(status >= 400 || is_called, "{}", shown());
    let secret = ["root:x:", "00112233445566778899aabbccddeeff"];
    let whole = String::from_utf8_lossy(answer);
    assert!(secret.iter().all(|secret| !whole.contains(secret)), "{}", shown());
}

#[test]
fn whatever_is_asked_the_server_lives_lets_nobody_in_and_changes_nothing() {
    let world = kiosk("token_file = \"token\"\nmedia = \"media\"\n");
    fs::write(world.kiosk.path("token"), "00112233445566778899aabbccddeeff").unwrap();
    fs::create_dir(world.kiosk.path("media")).unwrap();
    fs::write(world.kiosk.path("media/happy.txt"), "Hello!\n").unwrap();
    fs::write(world.kiosk.path("media/happy.png"), [7; 1000]).unwrap();
    visit(&world, |address| {
        let own = address.to_string();
        let target = Target {
            name: "http",
            seeds: files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/corpus")),
            parts: &PARTS,
            usual: 380,
        };
        let report = target.run(|template| {
            let request = fill(template, &own);
            // Orders of the kiosk's own page are obeyed; that is tested elsewhere.
            let named = String::from_utf8_lossy(&request).to_ascii_lowercase();
            if named.contains(&format!("origin: http://{own}")) && named.contains("post") {
                return "order".to_owned();
            }
            let answer = exchange(address, &request);
            check(&request, &answer, &own);
            kind(&answer)
        });
        let snapshot = get(address, "/api/snapshot").json();
        assert_eq!(
            (&snapshot["switches"]["pause"], &snapshot["switches"]["mute"]),
            (&false.into(), &false.into())
        );
        assert_eq!(snapshot["warnings"], serde_json::json!([]));
        assert!(report.kinds.len() > 8, "{:?}", report.kinds);
    });
}

/// A request with the kiosk's name in it.
fn fill(template: &[u8], own: &str) -> Vec<u8> {
    let mut request = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.windows(HOST.len()).position(|part| part == HOST.as_bytes()) {
        request.extend(&rest[..at]);
        request.extend(own.as_bytes());
        rest = &rest[at + HOST.len()..];
    }
    request.extend(rest);
    request
}
