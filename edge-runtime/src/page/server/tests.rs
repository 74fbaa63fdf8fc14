use std::io::{Read, Write};
use std::net::TcpStream;

use super::*;
use crate::page::facts::BundleFacts;
use crate::page::hub::{About, PageContext};
use crate::page::live::LIVE;

/// Begins to follow, and gives the connection with the status of its answer.
fn follow(address: SocketAddr, path: &str, more: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /api/{path} HTTP/1.1\r\nHost: {address}\r\n{more}\r\n").unwrap();
    // "HTTP/1.1 200"
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    (stream, String::from_utf8_lossy(&head[9..]).into_owned())
}

fn attach(hub: &Hub) {
    hub.attach(PageContext {
        about: About::default(),
        switches: Arc::default(),
        updates: None,
        frames: Box::new(Default::default),
        parts: Box::new(Vec::new),
        outbox: Box::new(|| None),
        today: Box::new(|| None),
        counted: None,
        left: None,
        checks: Arc::new(Vec::new),
    });
    // Twenty are kept, and go with each snapshot.
    for number in 0..20 {
        hub.warn(&format!("{number} {}", "x".repeat(400)), None);
    }
}

#[test]
fn viewers_that_take_nothing_are_dropped_and_their_places_are_free() {
    let config = PageConfig {
        listen: "127.0.0.1:0".parse().unwrap(),
        ..PageConfig::default()
    };
    let server = PageServer::open(&config, None, Duration::from_millis(200)).unwrap();
    attach(server.hub());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let deaf: Vec<_> = (0..LIVE.viewers)
        .map(|number| match number % 2 {
            0 => follow(server.address(), "events", ""),
            _ => follow(server.address(), "socket", upgrade),
        })
        .collect();
    assert!(deaf.iter().all(|(_, status)| ["200", "101"].contains(&status.as_str())));
    assert_eq!(follow(server.address(), "events", "").1, "503");
    // Snapshots fill what the system holds for each of them; then nobody takes another byte.
    let begun = Instant::now();
    while server.hub().board.viewers() > 0 {
        assert!(
            begun.elapsed() < Duration::from_mins(1),
            "{} stay",
            server.hub().board.viewers()
        );
        server.hub().swapped(BundleFacts::default());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(follow(server.address(), "events", "").1, "200");
    drop(deaf);
}
