//! A web server that takes verdicts, and does not always.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use durable::outbox::Shelf;
use edge_runtime::sink::SignalSink;
use edge_runtime::sink::outlet::Outlet;
use edge_runtime::sink::settings::OutboxConfig;
use edge_runtime::sink::webhook::{self, WebhookConfig};
use ring::hmac;
use serde_json::Value;
use shared_model::emotion::ClassSet;

use super::state;
use crate::support::until;

pub(super) const SECRET: &[u8] = b"a secret of twenty-four bytes or more";

/// What the server does with a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    Answers(&'static str),
    /// Ends the connection without a word.
    Dies,
    /// Answers with a header that does not end.
    Babbles,
}

/// An event that was taken or refused.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    head: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    /// Does these one after the other, and answers 204 from then on.
    pub(crate) fn start(deeds: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (deeds, shared) = (deeds.to_vec(), Arc::clone(&got));
        thread::spawn(move || {
            let mut deeds = deeds.into_iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = request(&stream) else { continue };
                shared.lock().unwrap().push(request);
                match deeds.next().unwrap_or(Does::Answers("204 No Content\r\n")) {
                    Does::Answers(answer) => {
                        let _ = write!(
                            stream,
                            "HTTP/1.1 {answer}Connection: close\r\nContent-Length: 0\r\n\r\n"
                        );
                    }
                    Does::Dies => {}
                    Does::Babbles => {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx-nonsense: ");
                        while stream.write_all(&[b'x'; 4096]).is_ok() {}
                    }
                }
            }
        });
        Self { address, got }
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Numbers of the verdicts, in the order in which they came.
    fn sequences(&self) -> Vec<u64> {
        let number = |got: &Got| {
            let body: Value = serde_json::from_slice(&got.body).unwrap();
            body["data"]["sequence"].as_u64().unwrap()
        };
        self.got().iter().map(number).collect()
    }
}

fn request(stream: &TcpStream) -> Option<Got> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut line) = (BTreeMap::new(), String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) => drop(head.insert(name.to_ascii_lowercase(), value.to_owned())),
            None if line.trim().is_empty() => break,
            None => {}
        }
    }
    let mut body = vec![0; head.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Got { head, body })
}

fn start(dir: &Path, address: SocketAddr) -> Outlet {
    start_with(dir, address, &Shelf::default())
}

fn start_with(dir: &Path, address: SocketAddr, shelf: &Shelf) -> Outlet {
    fs::write(dir.join("secret"), SECRET).unwrap();
    let config = WebhookConfig {
        url: format!("http://{address}/kiosk"),
        secret_file: dir.join("secret"),
        ca_file: None,
        outbox: OutboxConfig {
            dir: dir.join("outbox"),
            max_events: 100,
            max_bytes: 1 << 17,
            sync_every: Duration::from_secs(1),
        },
    };
    let receiver = webhook::Receiver::read(&config).unwrap();
    webhook::start(&config, receiver, &ClassSet::product(), shelf).unwrap()
}

#[test]
fn events_are_signed_as_the_specification_says() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start(&[]));
    let mut outlet = start(dir.path(), server.address);
    outlet.show(&state(4)).unwrap();
    outlet.flush();
    until("the event comes", || !server.got().is_empty());
    let Got { head, body } = server.got().remove(0);
    assert_eq!(head["webhook-id"], "boot-4");
    let mut message = format!("boot-4.{}.", head["webhook-timestamp"]).into_bytes();
    message.extend(&body);
    let signature = STANDARD
        .decode(head["webhook-signature"].strip_prefix("v1,").unwrap())
        .unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), &message, &signature).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&body["event"], &body["id"]), (&"state".into(), &"boot-4".into()));
    assert_eq!(body["data"]["emotion"], "uncertain");
    outlet.close().unwrap();
}

#[test]
fn a_server_that_dies_or_is_busy_gets_the_event_again_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[
        Does::Dies,
        Does::Answers("500 Internal Server Error\r\n"),
        Does::Answers("429 Too Many Requests\r\nRetry-After: 1\r\n"),
        Does::Answers("302 Found\r\nLocation: http://127.0.0.1:1/\r\n"),
    ]);
    let mut outlet = start(dir.path(), server.address);
    for number in 0..3 {
        outlet.show(&state(number)).unwrap();
        outlet.flush();
    }
    until("all have come", || server.sequences().len() >= 7);
    assert_eq!(server.sequences(), [0, 0, 0, 0, 0, 1, 2]);
    outlet.close().unwrap();
}

/// None of these takes the event, and none keeps the next attempt from being made.
#[test]
fn a_server_that_sends_in_circles_or_never_ends_its_header_gets_the_event_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[Does::Answers("302 Found\r\nLocation: /kiosk\r\n"), Does::Babbles]);
    let mut outlet = start(dir.path(), server.address);
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    until("the event is taken", || server.sequences().len() >= 3);
    // A redirection is not followed, not even to where it came from.
    assert_eq!(server.sequences(), [0, 0, 0]);
    outlet.close().unwrap();
}

#[test]
fn a_server_that_asks_for_decades_of_patience_keeps_nobody_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[Does::Answers("429 Too Many Requests\r\nRetry-After: 1000000000\r\n")]);
    let mut outlet = start(dir.path(), server.address);
    let status = outlet.status();
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    until("the answer is told", || status.failed.load(Ordering::Relaxed) > 0);
    outlet.show(&state(1)).unwrap();
    outlet.flush();
    let heartbeats = status.heartbeats.load(Ordering::Relaxed);
    until("the thread goes round", || {
        status.heartbeats.load(Ordering::Relaxed) > heartbeats + 3
    });
    assert_eq!(server.sequences(), [0]);
    outlet.close().unwrap();
    // Another start asks at once, and nothing is lost.
    let mut outlet = start(dir.path(), server.address);
    until("both come", || server.sequences() == [0, 0, 1]);
    outlet.close().unwrap();
}

#[test]
fn an_event_that_is_refused_is_left_out_and_the_next_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[Does::Answers("422 Unprocessable Content\r\n")]);
    let mut outlet = start(dir.path(), server.address);
    outlet.show(&state(0)).unwrap();
    outlet.flush();
    outlet.show(&state(1)).unwrap();
    outlet.flush();
    until("the next one comes", || server.sequences() == [0, 1]);
    outlet.close().unwrap();
}

#[test]
fn what_no_server_took_waits_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut outlet = start(dir.path(), nobody);
    for number in 0..5 {
        outlet.show(&state(number)).unwrap();
        outlet.flush();
    }
    outlet.close().unwrap();
    drop(outlet);
    let server = Server::start(&[Does::Answers("410 Gone\r\n")]);
    let mut gone = start(dir.path(), server.address);
    until("one has come", || server.sequences() == [0]);
    gone.close().unwrap();
    // Whoever is gone is asked once an hour; another start asks at once.
    let mut outlet = start(dir.path(), server.address);
    until("all have come", || server.sequences() == [0, 0, 1, 2, 3, 4]);
    outlet.close().unwrap();
}

#[test]
fn events_that_no_disk_could_take_go_to_the_next_sink() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let shelf = Shelf::default();
    let mut outlet = start_with(dir.path(), nobody, &shelf);
    let status = outlet.status();
    fs::rename(dir.path().join("outbox"), dir.path().join("away")).unwrap();
    // More than the segment takes that is open; no other can be made.
    for number in 0..90 {
        outlet.show(&state(number)).unwrap();
        until("it is kept", || {
            outlet.beat().unwrap();
            outlet.flush();
            status.sent.load(Ordering::Relaxed) > number
        });
    }
    outlet.close().unwrap();
    drop(outlet);
    let server = Server::start(&[]);
    let mut outlet = start_with(dir.path(), server.address, &shelf);
    until("all have come", || server.sequences().len() >= 90);
    assert_eq!(server.sequences(), (0..90).collect::<Vec<_>>());
    outlet.close().unwrap();
}

#[test]
fn a_server_that_never_answers_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut outlet = start(dir.path(), mute.local_addr().unwrap());
    let status = outlet.status();
    for number in 0..1000 {
        outlet.show(&state(number)).unwrap();
        outlet.flush();
        outlet.beat().unwrap();
    }
    let count = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
    until("all are kept or left out", || {
        outlet.beat().unwrap();
        count(&status.sent) + count(&status.dropped) >= 1000
    });
    // The thread in front of the server lives, whatever the other waits for.
    let heartbeats = count(&status.heartbeats);
    until("it goes round", || count(&status.heartbeats) > heartbeats + 3);
    outlet.close().unwrap();
}
