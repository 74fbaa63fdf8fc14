//! More attacks on the pages: each with its answer, and the kiosk goes on.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;

use super::{kiosk, visit};
use crate::support::http::{ask, connect, exchange, get};

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// A request for a path, with headers beside `Host`.
fn asking(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {{host}}\r\n{headers}Connection: close\r\n\r\n")
}

fn named(host: &str) -> String {
    format!("GET /api/snapshot HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

#[test]
fn names_of_this_machine_in_other_spellings_open_nothing() {
    let world = kiosk("");
    visit(&world, |address| {
        let port = address.port();
        for host in [
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "[::ffff:127.0.0.1%25lo]",
            "user@localhost",
            "localhost#",
            "loc\u{e4}lhost",
            "*",
            "",
        ] {
            let answer = ask(address, &named(&format!("{host}:{port}")));
            assert!([400, 403].contains(&answer.status), "{host}: {}", answer.head);
        }
    });
}

#[test]
fn media_are_files_in_their_directory_and_parts_of_them_and_nothing_else() {
    let world = kiosk("media = \"media\"\n");
    let media = world.kiosk.path("media");
    fs::create_dir(&media).unwrap();
    fs::write(media.join("happy.png"), [7; 1000]).unwrap();
    fs::write(media.join("empty.png"), "").unwrap();
    fs::create_dir(media.join("sad.png")).unwrap();
    testing::pipe(&media.join("angry.png"));
    std::os::unix::fs::symlink("/dev/zero", media.join("fear.png")).unwrap();
    visit(&world, |address| {
        for (path, range, status, length) in [
            ("happy.png", "bytes=0-", 206, 1000),
            ("happy.png", "bytes=999-18446744073709551615", 206, 1),
            ("happy.png", "bytes=1000-", 416, 0),
            ("happy.png", "bytes=18446744073709551615-18446744073709551615", 416, 0),
            ("happy.png", "bytes=99999999999999999999-", 200, 1000),
            ("happy.png", "bytes=-18446744073709551615", 206, 1000),
            ("happy.png", "bytes=-0", 416, 0),
            ("happy.png", "bytes=9-3", 416, 0),
            ("happy.png", "bytes=-", 200, 1000),
            ("happy.png", "lines=0-1", 200, 1000),
            ("empty.png", "bytes=0-", 416, 0),
            ("empty.png", "bytes=-1", 416, 0),
            ("sad.png", "bytes=0-", 404, 9),
            ("angry.png", "bytes=0-", 404, 9),
            ("fear.png", "bytes=0-", 404, 9),
        ] {
            let answer = ask(
                address,
                &asking(&format!("/media/{path}"), &format!("Range: {range}\r\n")),
            );
            assert_eq!(
                (answer.status, answer.body.len()),
                (status, length),
                "{path} {range}: {}",
                answer.head
            );
        }
        // A thousand parts that overlap are no thousand answers.
        let many = format!("Range: bytes={}\r\n", vec!["0-"; 1000].join(","));
        assert!(ask(address, &asking("/media/happy.png", &many)).body.len() <= 1000);
        // A file that is cut off while somebody gets it ends the answer, and nobody else's.
        fs::write(media.join("happy.png"), vec![7; 50_000_000]).unwrap();
        let mut stream = connect(address);
        stream
            .write_all(
                asking("/media/happy.png", "")
                    .replace("{host}", &address.to_string())
                    .as_bytes(),
            )
            .unwrap();
        let mut start = [0; 1000];
        stream.read_exact(&mut start).unwrap();
        fs::write(media.join("happy.png"), "").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        assert_eq!(get(address, "/api/snapshot").status, 200);
    });
}

#[test]
fn bytes_of_other_protocols_are_let_go() {
    let world = kiosk("");
    visit(&world, |address| {
        for (what, bytes) in [
            (
                "the preface of HTTP/2",
                &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"[..],
            ),
            ("a hello of TLS", &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..]),
            ("a word of MQTT", &b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04hall"[..]),
            ("HTTP/0.9", &b"GET /api/snapshot\r\n\r\n"[..]),
            ("an old version", &b"GET /api/snapshot HTTP/1.0\r\n\r\n"[..]),
            (
                "lines that end with a line feed only",
                &b"GET /api/snapshot HTTP/1.1\n\n"[..],
            ),
            ("nothing but ends of lines", &b"\r\n\r\n\r\n\r\n"[..]),
            (
                "a tunnel",
                &b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n"[..],
            ),
            (
                "NUL in a name",
                &b"GET /api/snapshot HTTP/1.1\r\nHo\0st: localhost\r\n\r\n"[..],
            ),
        ] {
            let mut stream = connect(address);
            stream.write_all(bytes).unwrap();
            // Whoever waits for an answer to half a request is let go as well.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer).into_owned();
            assert!(!answer.contains("switches"), "{what}: {answer}");
            assert_eq!(get(address, "/").status, 200, "{what}");
        }
    });
}

#[test]
fn queries_of_counts_that_are_no_day_are_refused() {
    let world = kiosk("");
    visit(&world, |address| {
        for query in [
            "since=2026-13-01",
            "since=-9999999-01-01",
            "since=2026-11-27&since=2026-11-28",
            "since=2026-11-27%00",
            "until=2026-11-27",
            "since=",
            "%73ince=2026-11-27",
            "since=../../record",
        ] {
            let answer = get(address, &format!("/api/counts?{query}"));
            assert_eq!(answer.status, 400, "{query}: {}", answer.text());
        }
        assert_eq!(get(address, "/api/counts?since=9999-12-31").status, 404);
    });
}

/// A socket of this machine, past the answer to its upgrade.
fn socket(address: SocketAddr) -> std::net::TcpStream {
    let mut stream = connect(address);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    write!(stream, "GET /api/socket HTTP/1.1\r\nHost: {address}\r\n{upgrade}\r\n").unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A frame of a client: its first byte, how long it says that it is, and what comes of it.
fn frame(first: u8, length: u64, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..126 => frame.push(0x80 | length as u8),
        126..65_536 => {
            frame.push(0x80 | 0x7e);
            frame.extend((length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 0x7f);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[test]
fn what_no_client_of_a_socket_may_say_ends_its_socket_alone() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut other = socket(address);
        for (what, bytes) in [
            ("a frame of exabytes", frame(0x82, u64::MAX >> 1, b"x")),
            ("a length with its highest bit", frame(0x82, u64::MAX, b"x")),
            ("a frame beyond the limit", frame(0x82, 5000, &[b'x'; 5000])),
            (
                "pieces beyond the limit",
                [frame(0x01, 1000, &[b'x'; 1000]), frame(0x00, 1000, &[b'x'; 1000])].concat(),
            ),
            ("a piece without a beginning", frame(0x80, 1, b"x")),
            ("a frame without a mask", b"\x81\x02ON".to_vec()),
            ("a kind that nobody knows", frame(0x83, 0, b"")),
            ("bits that are kept free", frame(0xf1, 0, b"")),
            ("text that is no UTF-8", frame(0x81, 2, b"\xff\xfe")),
            ("an end of one byte", frame(0x88, 1, b"x")),
            ("a ping in pieces", frame(0x09, 1, b"x")),
            ("a ping that is too long", frame(0x89, 126, &[b'x'; 126])),
            (
                "a request in place of a frame",
                b"GET /api/snapshot HTTP/1.1\r\n\r\n".to_vec(),
            ),
        ] {
            let mut stream = socket(address);
            stream.write_all(&bytes).unwrap();
            // It ends; what it was told before does not matter.
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            assert_eq!(get(address, "/").status, 200, "{what}");
        }
        // A hundred thousand pings keep nobody else from being told.
        let mut busy = socket(address);
        let pings = frame(0x89, 4, b"ping").repeat(1000);
        busy.set_write_timeout(Some(std::time::Duration::from_millis(200)))
            .unwrap();
        let _ = (0..100).try_for_each(|_| busy.write_all(&pings));
        let mut told = [0; 2000];
        other.read_exact(&mut told).unwrap();
        assert_eq!(get(address, "/").status, 200);
        let switches = &get(address, "/api/snapshot").json()["switches"];
        assert_eq!((&switches["pause"], &switches["mute"]), (&false.into(), &false.into()));
    });
}

#[test]
fn tokens_that_are_almost_right_open_nothing() {
    let world = kiosk("token_file = \"token\"\n");
    fs::write(world.kiosk.path("token"), TOKEN).unwrap();
    visit(&world, |address| {
        let elsewhere = "X-Forwarded-For: 192.168.1.9\r\n";
        for headers in [
            format!("Cookie: edge_session={TOKEN}\r\n"),
            format!("Cookie: edge_session=\"{TOKEN}\"\r\n"),
            "Cookie: edge_session=\r\n".to_owned(),
            "Cookie: edge_session\r\n".to_owned(),
            format!("Authorization: Bearer {TOKEN}0\r\n"),
            format!("Authorization: Basic {TOKEN}\r\n"),
            "Cookie: edge_session=%00\r\n".to_owned(),
        ] {
            let answer = ask(address, &asking("/api/snapshot", &format!("{elsewhere}{headers}")));
            assert_eq!(answer.status, 401, "{headers}: {}", answer.head);
        }
        // Nor does another spelling of who asks make it this machine.
        for headers in [
            "Forwarded: for=127.0.0.1\r\n",
            "X-Forwarded-For: 127.0.0.1\r\n",
            "x-FORWARDED-for: ::1\r\n",
            "X-Real-IP: 127.0.0.1\r\n",
            "Via:\r\n",
        ] {
            let answer = ask(address, &asking("/api/snapshot", headers));
            assert_eq!(answer.status, 401, "{headers}: {}", answer.head);
        }
    });
}

#[test]
fn a_thousand_requests_at_once_are_answered_in_turn_or_let_go() {
    let world = kiosk("");
    visit(&world, |address| {
        let one = format!("GET /assets/base.css HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let last = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let answered = exchange(address, (one.repeat(1000) + &last).as_bytes());
        let answers = String::from_utf8_lossy(&answered).matches("HTTP/1.1 200").count();
        assert!(answers <= 1001, "{answers}");
        assert_eq!(get(address, "/").status, 200);
    });
}
