//! Requests at random, made of those in `corpus/`: whatever comes, the server lives, lets nobody in, and changes nothing.
//!
//! A few hundred by default. `FUZZ_S=600 cargo test -p edge-runtime --test main fuzz -- --nocapture` goes on for ten minutes
//! and, with `FUZZ_KEEP=DIR`, writes every request there that got a kind of answer that none had got before.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use durable::power::Dice;

use super::{kiosk, visit};
use crate::support::http::{connect, get};

/// Requests without `FUZZ_S`.
const USUAL: u64 = 400;

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

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page/corpus");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 12);
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// One of the seeds, changed in up to six places.
fn mutant(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..dice.below(7) {
        let at = dice.below(bytes.len() + 1);
        let end = (at + dice.below(24)).min(bytes.len());
        match dice.below(7) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, PARTS[dice.below(PARTS.len())].iter().copied())),
            2 => drop(bytes.splice(at..end, PARTS[dice.below(PARTS.len())].iter().copied())),
            3 => {
                let part = bytes[at..end].to_vec();
                let times = 1 + dice.below(40);
                bytes.splice(at..at, part.repeat(times));
            }
            4 => {
                // The head of this one and the tail of another.
                let other = &seeds[dice.below(seeds.len())];
                bytes.truncate(at);
                bytes.extend(&other[dice.below(other.len())..]);
            }
            5 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ if at < bytes.len() => bytes[at] = dice.below(256) as u8,
            _ => {}
        }
    }
    bytes.truncate(200_000);
    bytes
}

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
    let length = std::env::var("FUZZ_S").map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let keep = std::env::var_os("FUZZ_KEEP").map(PathBuf::from);
    let world = kiosk("token_file = \"token\"\nmedia = \"media\"\n");
    fs::write(world.kiosk.path("token"), "00112233445566778899aabbccddeeff").unwrap();
    fs::create_dir(world.kiosk.path("media")).unwrap();
    fs::write(world.kiosk.path("media/happy.txt"), "Hello!\n").unwrap();
    fs::write(world.kiosk.path("media/happy.png"), [7; 1000]).unwrap();
    visit(&world, |address| {
        let own = address.to_string();
        let mut seeds = corpus();
        let (mut dice, mut kinds, begun) = (Dice::new(17), BTreeSet::new(), Instant::now());
        let mut count = 0;
        let goes_on = |count: u64| {
            length
                .as_ref()
                .map_or(count < USUAL, |length| begun.elapsed() < *length)
        };
        while goes_on(count) {
            // First the corpus itself.
            let template = seeds
                .get(count as usize)
                .cloned()
                .unwrap_or_else(|| mutant(&seeds, &mut dice));
            count += 1;
            let request = fill(&template, &own);
            // Orders of the kiosk's own page are obeyed; that is tested elsewhere.
            let named = String::from_utf8_lossy(&request).to_ascii_lowercase();
            if named.contains(&format!("origin: http://{own}")) && named.contains("post") {
                continue;
            }
            let answer = exchange(address, &request);
            check(&request, &answer, &own);
            if kinds.insert(kind(&answer)) && seeds.len() < 2000 && length.is_ok() {
                if let Some(dir) = &keep {
                    fs::write(dir.join(format!("found-{count}.http")), &template).unwrap();
                }
                seeds.push(template);
            }
        }
        let snapshot = get(address, "/api/snapshot").json();
        assert_eq!(
            (&snapshot["switches"]["pause"], &snapshot["switches"]["mute"]),
            (&false.into(), &false.into())
        );
        assert_eq!(snapshot["warnings"], serde_json::json!([]));
        eprintln!(
            "{count} requests, {} kinds of answers, {} seeds",
            kinds.len(),
            seeds.len()
        );
        assert!(kinds.len() > 8, "{kinds:?}");
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
