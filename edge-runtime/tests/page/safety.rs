//! Who gets in, and who does not: each with its answer.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;

use proptest::prelude::*;

use super::{kiosk, visit};
use crate::support::http::{Answer, ask, connect, exchange, get, post};

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// A header that a proxy in front of the kiosk adds: whoever sends it is taken for another machine.
const FROM_ELSEWHERE: &str = "X-Forwarded-For: 192.168.1.9\r\n";

const HOST: &str = "Host: {host}\r\n";

const OWN: &str = "Host: {host}\r\nOrigin: http://{host}\r\n";

/// What is asked for, the request, and the status of its answer.
type Case = (&'static str, String, u16);

fn request(line: &str, headers: &str) -> String {
    format!("{line} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n")
}

fn order(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn of_this_machine() -> Vec<Case> {
    vec![
        ("the visitor's page", request("GET /", HOST), 200),
        ("the operator's page", request("GET /operator", HOST), 200),
        ("a file of the pages", request("GET /assets/visitor.js", HOST), 200),
        ("words", request("GET /words.json", HOST), 200),
        ("live data", request("GET /api/snapshot", HOST), 200),
        ("an order", order("/api/mute", OWN, "ON"), 204),
        ("an order that means nothing", order("/api/mute", OWN, "maybe"), 400),
        (
            "an update where there is none",
            order("/api/update", OWN, "INSTALL"),
            409,
        ),
        ("an order by another method", request("GET /api/pause", HOST), 405),
        ("a method that nobody has", request("DELETE /", OWN), 405),
        ("a trace", request("TRACE /", OWN), 405),
    ]
}

fn of_others() -> Vec<Case> {
    let foreign = format!("{HOST}Origin: http://evil.example\r\n");
    let elsewhere = format!("{HOST}{FROM_ELSEWHERE}");
    let cookies = format!("{elsewhere}Cookie: {}\r\n", "edge_session=0; ".repeat(500));
    vec![
        ("no host", request("GET /", ""), 403),
        ("a foreign host", request("GET /", "Host: evil.example\r\n"), 403),
        ("two hosts", request("GET /", &format!("{HOST}{HOST}")), 403),
        ("a host in the target", request("GET http://evil.example/", HOST), 403),
        ("an order without origin", order("/api/pause", HOST, "ON"), 403),
        ("an order of another page", order("/api/pause", &foreign, "ON"), 403),
        ("live data for another page", request("GET /api/events", &foreign), 403),
        (
            "a picture that another page shows",
            request(
                "GET /media/happy.png",
                &format!("{HOST}Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"),
            ),
            403,
        ),
        (
            "an order of a page without origin",
            order("/api/pause", &format!("{HOST}Origin: null\r\n"), "ON"),
            403,
        ),
        (
            "live data from elsewhere",
            request("GET /api/snapshot", &elsewhere),
            401,
        ),
        ("a page from elsewhere", request("GET /operator", &elsewhere), 401),
        (
            "an order from elsewhere",
            order("/api/pause", &format!("{OWN}{FROM_ELSEWHERE}"), "ON"),
            401,
        ),
        (
            "a page through a proxy that names itself",
            request("GET /", &format!("{HOST}Via: 1.1 proxy\r\n")),
            401,
        ),
        (
            "a host that only begins alike",
            request("GET /", "Host: localhost.evil.example\r\n"),
            403,
        ),
        (
            "a host with a path",
            request("GET /", "Host: 127.0.0.1/evil.example\r\n"),
            403,
        ),
        ("counts from elsewhere", request("GET /api/counts", &elsewhere), 401),
        ("wrong cookies", request("GET /api/snapshot", &cookies), 401),
    ]
}

fn of_too_much() -> Vec<Case> {
    let many = "X: x\r\n".repeat(200);
    let cookie = format!("{HOST}Cookie: edge_session={}\r\n", "0".repeat(40_000));
    let long = format!("{HOST}X: {}\r\n", "x".repeat(40_000));
    vec![
        ("too large an order", order("/api/mute", OWN, &"x".repeat(5000)), 413),
        ("a large cookie", request("GET /", &cookie), 431),
        (
            "a long target",
            request(&format!("GET /{}", "x".repeat(70_000)), HOST),
            431,
        ),
        ("a long head", request("GET /", &long), 431),
        ("many headers", request("GET /", &format!("{HOST}{many}")), 431),
    ]
}

fn of_other_paths() -> Vec<Case> {
    let get = |path: &str| request(&format!("GET {path}"), HOST);
    vec![
        ("nothing that is there", get("/etc/passwd"), 404),
        ("a way up in media", get("/media/../config.toml"), 404),
        ("a hidden way up in media", get("/media/%2e%2e%2fconfig.toml"), 404),
        ("an absolute path in media", get("/media//etc/passwd"), 404),
        ("a way up in assets", get("/assets/../../Cargo.toml"), 404),
        (
            "a hidden way up in assets",
            get("/assets/%2e%2e/%2e%2e/etc/passwd"),
            404,
        ),
        (
            "a way up that is hidden twice",
            get("/media/%252e%252e%252fconfig.toml"),
            404,
        ),
        ("a way up of another system", get("/media/..%5c..%5cconfig.toml"), 404),
        ("a name that ends early", get("/media/happy.png%00.txt"), 404),
        ("a hidden file", get("/media/.token"), 404),
        ("bytes that are no text", get("/media/%ff%fe%00"), 400),
    ]
}

fn of_upgrades() -> Vec<Case> {
    let h2c = format!("{HOST}Upgrade: h2c\r\n");
    let keyless = format!("{HOST}Upgrade: websocket\r\n");
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    let foreign = format!("GET /api/socket HTTP/1.1\r\n{HOST}Origin: http://evil.example\r\n{socket}\r\n");
    vec![
        ("another protocol", request("GET /", &h2c), 200),
        (
            "a socket where there is none",
            format!(
                "GET /words.json HTTP/1.1\r\n{HOST}{}\r\n",
                socket.replace("Connection: Upgrade", "Connection: close, Upgrade")
            ),
            200,
        ),
        (
            "a socket of another version",
            format!(
                "GET /api/socket HTTP/1.1\r\n{HOST}{}\r\n",
                socket.replace(": 13", ": 8")
            )
            .replace("Connection: Upgrade", "Connection: close, Upgrade"),
            400,
        ),
        (
            "an order that becomes a socket",
            order("/api/socket", &format!("{OWN}Upgrade: websocket\r\n"), ""),
            405,
        ),
        ("a socket without a key", request("GET /api/socket", &keyless), 400),
        ("a socket of another page", foreign, 403),
    ]
}

#[test]
fn each_request_gets_its_answer() {
    let cases = [
        of_this_machine(),
        of_others(),
        of_too_much(),
        of_other_paths(),
        of_upgrades(),
    ]
    .concat();
    let world = kiosk("token_file = \"token\"\nmedia = \"media\"\n");
    fs::write(world.kiosk.path("token"), TOKEN).unwrap();
    fs::create_dir(world.kiosk.path("media")).unwrap();
    visit(&world, |address| {
        for (what, request, expected) in &cases {
            let answer = ask(address, request);
            assert_eq!(answer.status, *expected, "{what}: {}\n{}", answer.head, answer.text());
            assert!(!answer.text().contains(TOKEN), "{what}");
        }
        // Whoever was refused changed nothing; whoever was not did.
        let switches = &get(address, "/api/snapshot").json()["switches"];
        assert_eq!((&switches["pause"], &switches["mute"]), (&false.into(), &true.into()));
    });
}

#[test]
fn every_answer_keeps_the_page_among_itself() {
    let world = kiosk("");
    visit(&world, |address| {
        for path in ["/", "/operator", "/assets/base.css", "/api/snapshot", "/nothing"] {
            let answer = get(address, path);
            let policy = answer.header("content-security-policy").unwrap();
            assert!(
                policy.starts_with("default-src 'none'") && !policy.contains("unsafe") && !policy.contains("http"),
                "{policy}"
            );
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        }
    });
}

#[test]
fn the_token_opens_for_other_machines_and_guessing_does_not() {
    let world = kiosk("token_file = \"token\"\n");
    fs::write(world.kiosk.path("token"), TOKEN).unwrap();
    visit(&world, |address| {
        let enter = |token: &str| post(address, "/api/session", token, FROM_ELSEWHERE);
        let look = |cookie: &str| {
            let headers = format!("Host: {{host}}\r\n{FROM_ELSEWHERE}Cookie: {cookie}\r\n");
            ask(address, &request("GET /api/snapshot", &headers)).status
        };
        let open = enter(TOKEN);
        assert_eq!(open.status, 204);
        let cookie = open.header("set-cookie").unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN));
        assert_eq!(look(cookie.split(';').next().unwrap()), 200);
        assert_eq!(look("edge_session=0"), 401);
        let refusals: Vec<Answer> = (0..20).map(|guess| enter(&format!("{guess:032x}"))).collect();
        let count = |status| refusals.iter().filter(|answer| answer.status == status).count();
        assert!(count(403) >= 5 && count(429) >= 10 && count(403) + count(429) == 20);
        assert!(refusals.last().unwrap().header("retry-after").is_some());
        // The address is not even told when it is right.
        assert_eq!(enter(TOKEN).status, 429);
        // Who is in stays in.
        assert_eq!(look(cookie.split(';').next().unwrap()), 200);
    });
}

#[test]
fn a_body_that_two_servers_would_read_differently_hides_no_second_request() {
    let second = "GET /api/snapshot HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n";
    let with = |headers: &str, body: &str| {
        format!("POST /api/mute HTTP/1.1\r\nHost: {{host}}\r\nOrigin: http://{{host}}\r\n{headers}\r\n{body}{second}")
    };
    let length = second.len();
    let cases = [
        (
            "both lengths",
            with(
                &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
                "0\r\n\r\n",
            ),
        ),
        (
            "two lengths",
            with(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), ""),
        ),
        (
            "a list of lengths",
            with(&format!("Content-Length: 0, {length}\r\n"), ""),
        ),
        ("a length with a sign", with("Content-Length: +0\r\n", "")),
        ("a negative length", with("Content-Length: -1\r\n", "")),
        ("a length that is none", with("Content-Length: 0x0\r\n", "")),
        (
            "a coding that nobody knows",
            with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ),
        (
            "a coding twice",
            with(
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                "0\r\n\r\n",
            ),
        ),
        (
            "a chunk whose line does not end",
            with("Transfer-Encoding: chunked\r\n", "0;x=\n\r\n"),
        ),
        ("a length in two lines", with("Content-Length:\r\n 0\r\n", "")),
        ("a length with another blank", with("Content-Length: \u{b}0\r\n", "")),
        (
            "a coding with a blank before",
            with(" Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ),
        ("a space before the colon", with("Content-Length : 0\r\n", "")),
        ("a folded header", with("X: a\r\n Content-Length: 0\r\n", "")),
        (
            "a chunk that is too large to count",
            with("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"),
        ),
        ("a chunk with a sign", with("Transfer-Encoding: chunked\r\n", "-1\r\n")),
    ];
    let world = kiosk("");
    visit(&world, |address| {
        for (what, bytes) in cases {
            let bytes = bytes.replace("{host}", &address.to_string());
            let answered = String::from_utf8_lossy(&exchange(address, bytes.as_bytes())).into_owned();
            assert!(!answered.contains("\"switches\""), "{what}: {answered}");
            assert!(answered.matches("HTTP/1.1 ").count() <= 1, "{what}: {answered}");
        }
    });
}

#[test]
fn who_sends_nothing_or_a_byte_at_a_time_is_let_go_and_the_others_are_served() {
    let world = kiosk("");
    visit(&world, |address| {
        // More than may be open at all.
        let mut slow: Vec<_> = (0..150).map(|_| connect(address)).collect();
        for stream in &mut slow {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHo");
        }
        assert_eq!(get(address, "/").status, 200);
        for mut stream in slow {
            let mut rest = Vec::new();
            // Ends, one way or the other.
            let _ = stream.read_to_end(&mut rest);
            assert!(!rest.starts_with(b"HTTP/1.1 200"));
        }
        assert_eq!(get(address, "/api/snapshot").status, 200);
    });
}

#[test]
fn a_body_that_does_not_come_is_answered_and_changes_nothing() {
    let world = kiosk("");
    visit(&world, |address| {
        let mut stream = connect(address);
        let headers = OWN.replace("{host}", &address.to_string());
        write!(stream, "POST /api/mute HTTP/1.1\r\n{headers}Content-Length: 2\r\n\r\nO").unwrap();
        let mut answer = String::new();
        // The server ends the connection as well.
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 408") && answer.ends_with("too slow\n"),
            "{answer}"
        );
        assert_eq!(get(address, "/api/snapshot").json()["switches"]["mute"], false);
    });
}

#[test]
fn no_bytes_bring_the_server_down() {
    let world = kiosk("");
    visit(&world, |address| {
        let fuzz = |bytes: &[u8]| drop(send(address, bytes));
        let line = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            "(GET|POST|PUT|OPTIONS) [/a-z%.0-9?=]{0,40} HTTP/1.[019]\r\n(Host: [a-z0-9.:]{0,20}\r\n){0,2}([A-Za-z-]{1,20}: [ -~]{0,40}\r\n){0,6}\r\n[ -~]{0,60}"
                .prop_map(String::into_bytes),
        ];
        let mut runner = proptest::test_runner::TestRunner::new(testing::cases(200));
        runner
            .run(&line, |bytes| {
                fuzz(&bytes);
                Ok(())
            })
            .unwrap();
        assert_eq!(get(address, "/").status, 200);
    });
}

/// Sends bytes and the end, and reads what comes.
fn send(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(address);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    all
}
